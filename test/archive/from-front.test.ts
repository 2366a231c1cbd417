import test from 'ava';
import { GroupIndex, openSet, verifySet } from '../../src/archive/index.ts';
import { keptBytes, quiet, readVolume, testVolume, writeSet } from './sets.ts';
import { ordinalMedium } from './by-ordinal.ts';

const volumes = [testVolume('disk1.whole', 3, 5), testVolume('disk1.other', 4, 7)];
/** Ordinals: head, layout, two maps, then the groups. */
const front = [0, 1, 2, 3];
const groups = volumes.map(({ map }) => new GroupIndex(map).groupCount);

test('a set is opened and read in one pass, and what lies behind the data stays unread', async (t) => {
  const { medium, asked } = ordinalMedium();
  await writeSet(medium, volumes);
  const reader = await openSet(medium, 'set');
  t.deepEqual(asked, [...front, 4]);
  t.deepEqual([...reader.maps.keys()], ['disk1.whole', 'disk1.other']);
  t.is(reader.totals, null);
  t.deepEqual(reader.problems, []);
  for (const { map } of volumes) {
    for await (const group of reader.groups(map.volume, { onDamage: 'stop' })) group.release?.();
  }
  t.deepEqual(
    asked,
    Array.from({ length: front.length + groups[0]! + groups[1]! }, (_, i) => i),
  );
  await reader.close();
});

test('what the records say is what was written', async (t) => {
  const { medium } = ordinalMedium(256 * 1024);
  await writeSet(medium, volumes);
  for (const volume of volumes) {
    const got = await readVolume(medium, volume.map.volume);
    t.true(got.bytes.equals(keptBytes(volume)));
    t.deepEqual(got.problems, []);
  }
});

test('checksums come from the records that were read, else from the table at the end', async (t) => {
  const { medium, asked } = ordinalMedium();
  await writeSet(medium, volumes);
  const reader = await openSet(medium, 'set');
  const id = volumes[1]!.map.volume;
  const fromTable: string[] = [];
  for await (const { digest } of reader.checksums(id)) fromTable.push(digest.toString('hex'));
  t.is(fromTable.length, groups[1]!);
  t.is(asked.filter((ordinal) => ordinal === 'last').length, 1);
  for await (const group of reader.groups(id, { onDamage: 'stop' })) group.release?.();
  const before = asked.length;
  const fromRecords: string[] = [];
  for await (const { digest } of reader.checksums(id)) fromRecords.push(digest.toString('hex'));
  t.is(asked.length, before);
  t.deepEqual(fromRecords, fromTable);
  await reader.close();
});

test('a record that cannot be read costs itself, and nothing is read twice for it', async (t) => {
  const { medium, asked, unreadable } = ordinalMedium();
  await writeSet(medium, volumes);
  unreadable.add(6);
  const got = await readVolume(medium, 'disk1.whole', { onDamage: 'report' });
  t.deepEqual(got.damaged, [{ index: 2, code: 'record-damaged' }]);
  t.is(new Set(asked).size, asked.length);
});

test('where the front is damaged the copies at the end serve', async (t) => {
  for (const ordinal of front) {
    const { medium, unreadable } = ordinalMedium();
    await writeSet(medium, volumes);
    unreadable.add(ordinal);
    const volume = volumes[0]!;
    const got = await readVolume(medium, volume.map.volume);
    t.true(got.bytes.equals(keptBytes(volume)));
    t.true(got.problems.length > 0);
  }
});

test('verifying passes over everything once, and tells what is torn', async (t) => {
  const { medium } = ordinalMedium(256 * 1024);
  await writeSet(medium, volumes);
  const report = await verifySet(medium, 'set', quiet);
  t.deepEqual(report.problems, []);
  const parts = medium.bytes('set').map((part) => Buffer.from(part));
  t.true(parts.length > 1);
  parts[1]![2000] = parts[1]![2000]! ^ 1;
  medium.put('set', parts);
  const damaged = await verifySet(medium, 'set', quiet);
  t.true(damaged.problems.length > 0);
  t.false(damaged.problems.some(({ code }) => code === 'set-truncated'));
  medium.put('set', parts.slice(0, 1));
  const cut = await verifySet(medium, 'set', quiet);
  t.true(cut.problems.some(({ code }) => code === 'set-truncated'));
});

test('boot code is kept when it is passed, and read last without going back', async (t) => {
  const boot = testVolume('disk1.boot', 9, 2);
  const { medium, asked } = ordinalMedium();
  await writeSet(medium, [boot, ...volumes], { kinds: { 'disk1.boot': 'boot' } });
  const reader = await openSet(medium, 'set');
  for (const { map } of [...volumes, boot, boot]) {
    for await (const group of reader.groups(map.volume, { onDamage: 'stop' })) {
      const plain = Buffer.concat(
        group.extents.map(({ start, length }) =>
          [...volumes, boot].find((one) => one.map === map)!.bytes.subarray(start, start + length),
        ),
      );
      t.true(group.plain === null ? plain.every((byte) => byte === 0) : group.plain.equals(plain));
    }
  }
  t.deepEqual(
    asked,
    asked.toSorted((a, b) => Number(a) - Number(b)),
  );
  t.is(new Set(asked).size, asked.length);
  await reader.close();
});
