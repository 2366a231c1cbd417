import test from 'ava';
import fc from 'fast-check';
import { normalize } from '../../../src/bytes/index.ts';
import {
  faulty as faultyDisk,
  memoryDisk,
  recording,
  type BlockDevice,
  type Faults,
} from '../../../src/disk/index.ts';
import {
  dataPartitionWrites,
  freeSpares,
  layStructures,
  logicalPartition,
  mappingOf,
  readDataPartition,
  verifiedPartition,
  type DataPartition,
} from '../../../src/layout/netware/index.ts';
import { contentOf, fresh, laid, patterned, withMoved } from './made.ts';

const sectors = 20_000;
const partition = fresh(sectors);
const { hotfixSectors } = partition.hotfix;

/** A range of bytes that is some sectors of the partition. */
function at(sector: number, count = 1): { start: number; length: number } {
  return { start: sector * 512, length: count * 512 };
}

/** A faulty device whose faults need not be in order. */
function faulty(device: BlockDevice, faults: Faults): BlockDevice {
  const { unwritable = [], unreadable = [] } = faults;
  return faultyDisk(device, {
    ...faults,
    unwritable: normalize(unwritable),
    unreadable: normalize(unreadable),
  });
}

/** What the tables on the disk say now. */
async function entered(device: BlockDevice): Promise<DataPartition['redirections']> {
  const { partition: read, notices } = await readDataPartition(device);
  const copies = notices.filter(
    ({ code }) => code === 'netware-copies-tied' || code === 'netware-copy-damaged',
  );
  if (copies.length > 0) throw new Error(copies[0]!.message);
  return read.redirections;
}

test('a unit that fails is moved, entered in both tables, and everything goes on', async (t) => {
  const disk = await laid(partition);
  const bad = [hotfixSectors + 1003, hotfixSectors + 5000, hotfixSectors + 5001];
  const device = verifiedPartition(faulty(disk, { unwritable: bad.map((sector) => at(sector)) }), partition);
  const content = patterned(device.size - 160 * 512, 1);
  await device.write(content, 160 * 512);
  t.true((await contentOf(device, 160 * 512)).equals(content));
  const [first, second] = freeSpares(partition.redirections, partition.hotfix);
  t.deepEqual(device.moves, [
    { logical: 1000, from: hotfixSectors + 1000, to: first! * 8, bad: [bad[0]!], lost: [] },
    { logical: 5000, from: hotfixSectors + 5000, to: second! * 8, bad: [bad[1]!, bad[2]!], lost: [] },
  ]);
  const tables = await entered(disk);
  t.deepEqual(tables, device.redirections);
  t.deepEqual(tables.moved, [
    { spare: first, logical: 1000, lost: 0 },
    { spare: second, logical: 5000, lost: 0 },
  ]);
  const { partition: read } = await readDataPartition(disk);
  t.true((await contentOf(logicalPartition(disk, mappingOf(read)), 160 * 512)).equals(content));
});

test('what fails at the read back is moved too, and so is what reads back wrong', async (t) => {
  const disk = await laid(partition);
  const unread = faulty(disk, { unreadable: [at(hotfixSectors + 800)] });
  const rotten = hotfixSectors + 2400;
  const lying: BlockDevice = {
    ...unread,
    async read(target, offset) {
      await unread.read(target, offset);
      const inside = rotten * 512 - offset;
      if (inside >= 0 && inside < target.length) target[inside] = target[inside]! ^ 0xff;
    },
  };
  const device = verifiedPartition(lying, partition);
  const content = patterned(4096 * 400, 5);
  await device.write(content, 0);
  t.deepEqual(
    device.moves.map(({ logical, bad }) => [logical, bad]),
    [
      [800, [hotfixSectors + 800]],
      [2400, [rotten]],
    ],
  );
  t.true((await contentOf(device, 0, content.length)).equals(content));
});

test('the sectors of a unit that nobody writes come along, and what cannot be read is entered as lost', async (t) => {
  const disk = await laid(partition);
  const old = patterned(4096, 9);
  await disk.write(old, (hotfixSectors + 320) * 512);
  const faults = { unwritable: [at(hotfixSectors + 322)], unreadable: [at(hotfixSectors + 325)] };
  const device = verifiedPartition(faulty(disk, faults), partition);
  const sector = patterned(512, 3);
  await device.write(sector, 322 * 512);
  const expected = Buffer.from(old);
  sector.copy(expected, 2 * 512);
  expected.fill(0, 5 * 512, 6 * 512);
  t.true((await contentOf(device, 320 * 512, 4096)).equals(expected));
  t.deepEqual(device.moves[0]!.lost, [325]);
  t.is((await entered(disk)).moved[0]!.lost, 1 << 5);
  const { notices } = await readDataPartition(disk);
  t.true(notices.some(({ code }) => code === 'netware-lost-sectors'));
});

test('a spare that fails is marked unusable, whether it fails at once or later', async (t) => {
  const disk = await laid(partition);
  const [first, second, third] = freeSpares(partition.redirections, partition.hotfix);
  const faults = { unwritable: [at(hotfixSectors + 400), at(first! * 8 + 3)] };
  const device = verifiedPartition(faulty(disk, faults), partition);
  await device.write(patterned(4096, 1), 400 * 512);
  t.is(device.moves[0]!.to, second! * 8);
  const tables = await entered(disk);
  t.true(tables.unusable.includes(first!));
  const { partition: read } = await readDataPartition(disk);
  const later = verifiedPartition(faulty(disk, { unwritable: [at(second! * 8)] }), read);
  await later.write(patterned(4096, 2), 400 * 512);
  t.deepEqual(later.moves, [
    { logical: 400, from: second! * 8, to: third! * 8, bad: [second! * 8], lost: [] },
  ]);
  t.true((await contentOf(later, 400 * 512, 4096)).equals(patterned(4096, 2)));
  const after = await entered(disk);
  t.deepEqual(after, later.redirections);
  t.deepEqual(after.moved, [{ spare: third, logical: 400, lost: 0 }]);
  t.true(after.unusable.includes(second!));
});

test('when no spare is left there is a coded stop, and what was moved is entered', async (t) => {
  const small = fresh(3000);
  const disk = await laid(small);
  const room = freeSpares(small.redirections, small.hotfix).length;
  const start = small.hotfix.hotfixSectors;
  const device = verifiedPartition(faulty(disk, { unwritable: [at(start + 160, 2800 - start)] }), small);
  const content = patterned(device.size - 160 * 512, 1);
  const error = await t.throwsAsync(device.write(content, 160 * 512), { code: 'hotfix-full' });
  const logical = 160 + room * 8;
  t.like(error, { facts: { logical, inUse: room } });
  t.is(device.moves.length, room);
  t.deepEqual(await entered(disk), device.redirections);
});

test('a partition whose tables can no longer be written stops too', async (t) => {
  const disk = await laid(partition);
  const tables = partition.hotfix.tables[0]!.redirection.map((sector) => at(sector, 8));
  const faults = { unwritable: [at(hotfixSectors + 400), ...tables] };
  const device = verifiedPartition(faulty(disk, faults), partition);
  await t.throwsAsync(device.write(patterned(4096, 1), 400 * 512), { code: 'disk-write-failed' });
  const one = verifiedPartition(
    faulty(disk, { unwritable: [at(hotfixSectors + 400), tables[0]!] }),
    partition,
  );
  await one.write(patterned(4096, 1), 400 * 512);
  t.is((await readDataPartition(disk)).partition.redirections.moved.length, 1);
});

test('a disk that is gone is not a bad sector', async (t) => {
  const disk = await laid(partition);
  const device = verifiedPartition(faulty(disk, { vanishAfterBytes: 100_000 }), partition);
  await t.throwsAsync(device.write(patterned(1024 * 1024, 1), 0), { code: 'disk-gone' });
  t.deepEqual(device.moves, []);
});

test('a power cut at any write leaves the tables sound and what was moved before in its place', async (t) => {
  const content = patterned(64 * 4096, 1);
  const bad = [0, 8, 16, 40].map((sector) => at(hotfixSectors + 800 + sector));
  for (let cut = 0; cut < 250; cut++) {
    const disk = await laid(partition);
    const dying = faulty(faulty(disk, { unwritable: bad }), { cutAfterWrites: cut });
    const device = verifiedPartition(dying, partition);
    const error = await device.write(content, 800 * 512).then(
      () => null,
      (cause: unknown) => cause,
    );
    const { partition: read } = await readDataPartition(disk);
    t.true(read.redirections.moved.length >= device.moves.length, `cut at ${cut}`);
    const again = verifiedPartition(faulty(disk, { unwritable: bad }), read);
    await again.write(content, 800 * 512);
    t.true((await contentOf(again, 800 * 512, content.length)).equals(content));
    if (error === null) return;
  }
  t.fail('the write never came to its end');
});

test('zeroes are verified too', async (t) => {
  const disk = await laid(partition);
  await disk.write(patterned(4096, 1), (hotfixSectors + 400) * 512);
  const device = verifiedPartition(faulty(disk, { unwritable: [at(hotfixSectors + 401)] }), partition);
  await device.writeZeroes(160 * 512, 3000 * 512);
  t.is(device.moves.length, 1);
  t.true((await contentOf(device, 160 * 512, 3000 * 512)).every((byte) => byte === 0));
});

test('writes that overlap in time each find their place', async (t) => {
  const disk = await laid(partition);
  const bad = Array.from({ length: 40 }, (_, index) => at(hotfixSectors + 160 + index * 10));
  const device = verifiedPartition(faulty(disk, { unwritable: bad }), partition);
  const content = patterned(400 * 512, 1);
  await Promise.all(
    Array.from({ length: 400 }, (_, sector) =>
      device.write(content.subarray(sector * 512, sector * 512 + 512), (160 + sector) * 512),
    ),
  );
  t.true((await contentOf(device, 160 * 512, content.length)).equals(content));
  t.deepEqual(await entered(disk), device.redirections);
});

test('whatever fails, what was written is read, here and from the tables', async (t) => {
  const faults = fc.uniqueArray(fc.nat(1500), { maxLength: 25 });
  const writes = fc.array(
    fc.record({ start: fc.nat(1400), count: fc.integer({ min: 1, max: 90 }), seed: fc.nat() }),
    { minLength: 1, maxLength: 8 },
  );
  const data = hotfixSectors + 160;
  const range = [160 * 512, 1500 * 512] as const;
  await fc.assert(
    fc.asyncProperty(faults, writes, async (bad, list) => {
      const disk = await laid(partition);
      const dying = faulty(disk, { unwritable: bad.map((sector) => at(data + sector)) });
      const device = verifiedPartition(dying, withMoved(partition, []));
      const model = memoryDisk(1500 * 512);
      for (const { start, count, seed } of list) {
        await device.write(patterned(count * 512, seed), (160 + start) * 512);
        await model.write(patterned(count * 512, seed), start * 512);
      }
      const wanted = await contentOf(model);
      t.true((await contentOf(device, ...range)).equals(wanted));
      const { partition: read } = await readDataPartition(disk);
      t.true((await contentOf(logicalPartition(disk, mappingOf(read)), ...range)).equals(wanted));
    }),
    { numRuns: 40 },
  );
});

test('each write is read back', async (t) => {
  const watched = recording(await laid(partition));
  const device = verifiedPartition(watched, partition);
  await device.write(patterned(3 * 1024 * 1024, 1), 0);
  const read = watched.accesses
    .filter(({ call }) => call === 'read')
    .map(({ offset, length }) => ({ offset, length }));
  const written = watched.accesses
    .filter(({ call }) => call === 'write')
    .map(({ offset, length }) => ({ offset, length }));
  t.deepEqual(read, written);
});

test('structures go on a disk that takes one copy of each, and on no other', async (t) => {
  const writes = dataPartitionWrites(partition, null);
  const first = writes.filter(({ what, optional }) => what.includes('copy 1 of') || optional === true);
  const disk = memoryDisk(sectors * 512);
  const notices = await layStructures(
    faulty(disk, { unwritable: first.map(({ offset, bytes }) => ({ start: offset, length: bytes.length })) }),
    writes,
  );
  t.is(notices.length, first.length);
  t.deepEqual((await readDataPartition(disk)).partition, { ...partition, stamp: null });
  const all = writes.filter(({ copyOf }) => copyOf === 'volume table');
  const hopeless = faulty(disk, {
    unwritable: all.map(({ offset, bytes }) => ({ start: offset, length: bytes.length })),
  });
  const error = await t.throwsAsync(layStructures(hopeless, writes), { code: 'disk-write-failed' });
  t.regex(error.message, /cannot hold the volume table/);
});
