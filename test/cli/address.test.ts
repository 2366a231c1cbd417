import { writeFileSync, mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { addressedVolume, setAddress } from '../../src/cli/address.ts';
import { knownPlaces, rememberPlace } from '../../src/cli/known-places.ts';
import type { Layout } from '../../src/layout/index.ts';
import { temporary } from '../helpers/temporary.ts';
import { remetal } from './run.ts';

test('an address is a place that is there, a set, and what lies behind the first slash is the volume', (t) => {
  const folder = temporary(t);
  t.deepEqual(setAddress([folder, 'web1/root', '/etc']), {
    place: folder,
    set: 'web1',
    volume: 'root',
    rest: ['/etc'],
  });
  t.deepEqual(setAddress(['web1', '/etc']), { place: null, set: 'web1', volume: null, rest: ['/etc'] });
  t.deepEqual(setAddress(['tape:/dev/nst0', 'web1/a/b']), {
    place: 'tape:/dev/nst0',
    set: 'web1',
    volume: 'a/b',
    rest: [],
  });
  const file = join(folder, 'x.tar');
  writeFileSync(file, '');
  t.is(setAddress([file, 'web1']).place, file);
  for (const words of [[], [folder], [folder, '/root'], ['/nowhere']]) {
    t.throws(() => setAddress(words), { code: 'usage' }, words.join(' '));
  }
});

const facts = { uuid: 'AB-CD', label: 'DATA', size: 1, blockSize: 1 };
const segments = [{ disk: 'disk1', start: 0, length: 1 }];
const layout: Layout = {
  version: 1,
  machine: { hostname: 'web1', firmware: null, vendor: null, product: null, serial: null },
  disks: [],
  volumes: [
    { id: 'disk1.boot', name: 'disk1.boot', kind: 'boot', segments, partition: null, filesystem: null },
    {
      id: 'disk1.part1',
      name: 'root',
      kind: 'partition',
      segments,
      partition: 1,
      filesystem: { ...facts, type: 'ext4', label: null },
    },
    {
      id: 'disk1.part2',
      name: 'swap',
      kind: 'partition',
      segments,
      partition: 2,
      filesystem: { ...facts, type: 'swap', label: null },
    },
    {
      id: 'disk1.part3',
      name: 'data 1',
      kind: 'partition',
      segments,
      partition: 3,
      filesystem: { ...facts, type: 'xfs' },
    },
  ],
};

test('a volume answers to its id, its name and its label, and to nothing where it is the only one', (t) => {
  for (const name of ['disk1.part3', 'DATA 1', 'data', 'ab-cd']) {
    const volumes = layout.volumes.filter(({ id }) => id !== 'disk1.part1' || name !== 'ab-cd');
    t.is(
      addressedVolume({ ...layout, volumes: volumes.filter((v) => v.filesystem?.type !== 'swap') }, 's', name)
        .id,
      'disk1.part3',
    );
  }
  t.throws(() => addressedVolume(layout, 's', null), {
    code: 'usage',
    message: /root \(disk1.part1\), data 1/,
  });
  t.throws(() => addressedVolume(layout, 's', 'home'), {
    code: 'volume-not-found',
    message: /holds no volume home/,
  });
  const alone = { ...layout, volumes: layout.volumes.filter(({ name }) => name !== 'root') };
  t.is(addressedVolume(alone, 's', null).id, 'disk1.part3');
});

test('where a set lies is known once it was backed up, and again when it was listed', async (t) => {
  const folder = temporary(t);
  const disk = join(folder, 'disk.raw');
  const sets = join(folder, 'sets');
  writeFileSync(disk, Buffer.alloc(1024 * 1024, 7));
  mkdirSync(sets);
  const environment = { REMETAL_STATE: join(folder, 'state') };
  const made = await remetal(['backup', '--disk', disk, '--to', sets, '--name', 'web1'], { environment });
  t.is(made.status, 0, made.stderr);
  const [known] = await knownPlaces(environment);
  t.is(known?.place, sets);
  t.is(known?.sets[0]?.machine, 'web1');
  writeFileSync(join(folder, 'state/places.json'), 'no JSON');
  t.deepEqual(await knownPlaces(environment), []);
  t.is((await remetal(['list', sets], { environment })).status, 0);
  t.is((await knownPlaces(environment))[0]?.sets.length, 1);
});

const seen = (number: number): { name: string; machine: string; createdAt: string } => ({
  name: `set-${number}`,
  machine: 'web1',
  createdAt: '2026-01-01T00:00:00Z',
});

test('commands that end at the same time do not forget what the other has seen', async (t) => {
  const folder = temporary(t);
  const environment = { REMETAL_STATE: folder };
  // Left by a process that was killed.
  const lock = join(folder, 'places.json.lock');
  writeFileSync(lock, '');
  utimesSync(lock, 1, 1);
  const numbers = Array.from({ length: 20 }, (_, number) => number);
  const place = (number: number): string => join(folder, `place-${number % 4}`);
  await Promise.all(
    numbers.map((number) => rememberPlace(environment, place(number), [seen(number)], false)),
  );
  const known = await knownPlaces(environment);
  t.is(known.length, 4);
  t.deepEqual(
    known.flatMap(({ sets }) => sets.map(({ name }) => name)).toSorted(),
    numbers.map((number) => seen(number).name).toSorted(),
  );
  t.deepEqual(readdirSync(folder), ['places.json']);
});
