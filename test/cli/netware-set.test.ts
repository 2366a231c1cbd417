import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { z } from 'zod';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { entriesOf } from '../filesystem/netware/volumes.ts';
import { manifestOf, unpacked } from '../layout/netware/images.ts';
import { remetal } from './run.ts';

const volumesSchema = z.looseObject({
  volumes: z.array(z.looseObject({ blocks: z.number(), blockShift: z.number() })),
});

function disks(folder: string, image: string): string[] {
  return manifestOf(image).files.map(({ name, zst }) => {
    const path = join(folder, name);
    writeFileSync(path, unpacked(zst));
    return path;
  });
}

function blank(folder: string, sizes: readonly number[]): string[] {
  return sizes.map((size, index) => {
    const path = join(folder, `new${index}.img`);
    writeFileSync(path, '');
    truncateSync(path, size);
    return path;
  });
}

const named = (paths: readonly string[]): string[] => paths.flatMap((path) => ['--disk', path]);

function hashes(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return `${path.slice(folder.length)} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
    })
    .toSorted();
}

const wanted = (image: string, volume: string): string[] =>
  entriesOf(image, volume)
    .filter(({ type, deleted }) => type === 'file' && !deleted)
    .map(({ path, sha256 }) => `${path} ${sha256}`)
    .toSorted();

requires('zstd')(
  'two NetWare disks go into a set, files come out of it, and it comes back on three disks',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const set = join(folder, 'set');
    const source = disks(folder, 'c-segments');
    const backedUp = await remetal(['backup', ...named(source), '--to', set, '--name', 'fs1']);
    t.is(backedUp.status, 0, backedUp.stderr);
    t.is((await remetal(['verify', set])).status, 0);
    const shown = await remetal(['show', set]);
    t.regex(shown.stdout, /netware\.VOL1\s+VOL1\s+netware.*3 segments on disk2, disk1/);

    for (const volume of ['SYS', 'VOL1']) {
      const out = join(folder, `of-set-${volume}`);
      const extracted = await remetal(['extract', `${set}:${volume}`, '--to', out]);
      t.is(extracted.status, 0, extracted.stderr);
      t.deepEqual(hashes(out), wanted('c-segments', volume));
    }
    const listed = await remetal(['files', `${set}:vol1`, '--json']);
    t.is(listed.status, 0);
    const entries = entriesOf('c-segments', 'VOL1').filter(({ deleted }) => !deleted);
    t.is(listed.lines().filter(({ type }) => type === 'file').length, entries.length);
    const which = await remetal(['files', set, '--json']);
    t.like(which.last(), { code: 'usage' });
    t.like((await remetal(['files', `${set}:NONE`, '--json'])).last(), { code: 'volume-not-found' });

    const targets = blank(folder, [18 << 20, 16 << 20, 15 << 20]);
    const planned = await remetal(['plan', set, ...named(targets)]);
    t.is(planned.status, 0, planned.stderr);
    t.regex(planned.stdout, /write NetWare volume table, \d segments?: disk3/);
    const hash = /plan (sha256:[0-9a-f]{64})/.exec(planned.stdout)![1]!;
    const restored = await remetal(['restore', set, ...named(targets), '--plan', hash, '--verify']);
    t.is(restored.status, 0, restored.stderr);
    const checked = await remetal(['check', ...targets, '--json']);
    t.is(checked.status, 0, checked.stdout);
    t.like(checked.last(), { sound: true, errors: 0, warnings: 0 });
    for (const volume of ['SYS', 'VOL1']) {
      const out = join(folder, `of-disks-${volume}`);
      t.is((await remetal(['extract', `${targets.join(',')}:${volume}`, '--to', out])).status, 0);
      t.deepEqual(hashes(out), wanted('c-segments', volume));
    }
    const small = blank(folder, [12 << 20]);
    const refused = await remetal(['plan', set, ...named(small), '--json']);
    t.is(refused.status, 5);
    t.like(refused.last(), { code: 'target-too-small' });
  },
);

requires('zstd')(
  'deleted files come out of a set that holds them, and no zeros out of one that does not',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const [disk] = disks(folder, 'd-deleted');
    for (const [name, options] of [
      ['with', ['--keep-deleted']],
      ['without', []],
    ] as const) {
      const backedUp = await remetal(['backup', '--disk', disk!, '--to', join(folder, name), ...options]);
      t.is(backedUp.status, 0, backedUp.stderr);
    }
    const of = (name: string): string => `${join(folder, name)}:SYS`;
    const out = join(folder, 'out');
    t.is((await remetal(['extract', of('with'), '--deleted', '--to', out])).status, 0);
    const found = hashes(out).map((line) => line.split(' ').at(-1)!);
    const gone = entriesOf('d-deleted', 'SYS').filter(({ type, deleted }) => type === 'file' && deleted);
    t.deepEqual(found.toSorted(), gone.map(({ sha256 }) => sha256!).toSorted());
    const refused = await remetal([
      'extract',
      of('without'),
      '--deleted',
      '--to',
      join(folder, 'none'),
      '--json',
    ]);
    t.is(refused.status, 1);
    t.like(refused.last(), { code: 'deleted-left-out' });
    t.false(existsSync(join(folder, 'none')));
    const listed = await remetal(['files', of('without'), '--deleted']);
    t.is(listed.stdout.trim().split('\n').length, gone.length);
    t.regex(listed.stderr, /does not hold the contents of these files/);
    t.notRegex((await remetal(['files', of('with'), '--deleted'])).stderr, /does not hold/);

    const target = blank(folder, [statSync(disk!).size]);
    const planned = await remetal(['plan', join(folder, 'without'), ...named(target)]);
    t.regex(planned.stdout, /purge the deleted files of SYS, whose contents the set does not hold/);
    const hash = /plan (sha256:[0-9a-f]{64})/.exec(planned.stdout)![1]!;
    const restored = await remetal(['restore', join(folder, 'without'), ...named(target), '--plan', hash]);
    t.is(restored.status, 0, restored.stderr);
    t.is((await remetal(['files', `${target[0]}:SYS`, '--deleted'])).stdout, '');
    t.like((await remetal(['check', ...target, '--json'])).last(), { sound: true, errors: 0, warnings: 0 });
  },
);

requires('zstd')(
  'device-mapper tables give the sectors of a volume in order, moved ones where they are now',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const [disk] = disks(folder, 'f-hotfix');
    const { status, stdout } = await remetal(['volumes', '--dm', disk!]);
    t.is(status, 0);
    const [name, uuid, minor, flags, ...lines] = stdout.trim().split(',');
    t.deepEqual([name, uuid, minor, flags], ['netware-SYS', '', '', 'ro']);
    const bytes = readFileSync(disk!);
    const pieces: Buffer[] = [];
    let next = 0;
    for (const line of lines) {
      const [start, length, target, device, offset] = line.split(' ');
      t.deepEqual([Number(start), target, device], [next, 'linear', disk]);
      next += Number(length);
      pieces.push(bytes.subarray(Number(offset) * 512, (Number(offset) + Number(length)) * 512));
    }
    t.true(lines.length > 4, 'four units were moved');
    const volume = Buffer.concat(pieces);
    // The maker of the image overwrote what had been moved with BD: none of it may be in the volume.
    t.false(volume.includes(Buffer.alloc(4096, 0xbd)));
    const shown = await remetal(['volumes', disk!, '--json']);
    const [sys] = volumesSchema.parse(shown.last()).volumes;
    t.is(volume.length, sys!.blocks * 2 ** sys!.blockShift * 512);
  },
);
