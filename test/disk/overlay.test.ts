import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { total } from '../../src/bytes/index.ts';
import { faulty, memoryDisk, openSpill, overlay, recording, type BlockDevice } from '../../src/disk/index.ts';
import { RangeLock } from '../../src/disk/overlay-lock.ts';
import { ClusterTable } from '../../src/disk/overlay-table.ts';
import { ZeroedClusters } from '../../src/disk/overlay-zeroes.ts';
import { blockDeviceContract } from '../contract/block-device.ts';
import { temporary } from '../helpers/temporary.ts';

const MiB = 1024 * 1024;
const cluster = 4096;

for (const [what, sectorSize, memoryBytes] of [
  ['in memory', 512, 64 * MiB],
  ['in a file', 512, 0],
  ['of large sectors, in both', 4096, MiB],
] as const) {
  blockDeviceContract({
    name: `overlay ${what}`,
    make: async (t) =>
      await overlay(memoryDisk(16 * MiB + sectorSize, { sectorSize }), {
        memoryBytes,
        folder: temporary(t),
        mostBytes: 64 * MiB,
      }),
  });
}

function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (Math.imul(i + 1, seed * 2 + 1) >>> 7) & 0xff;
  return bytes;
}

/** A disk that is full of something. */
async function filled(size: number): Promise<BlockDevice> {
  const disk = memoryDisk(size);
  await disk.write(noise(size, 77), 0);
  return disk;
}

const sectors = 3 * 512 + 5;
const size = sectors * 512;
const step = fc.record({
  call: fc.constantFrom('read', 'write', 'write', 'writeZeroes', 'discard'),
  from: fc.nat(sectors - 1),
  count: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: sectors })),
  seed: fc.nat(50),
});

test('whatever is done to it in turn, it reads as a plain disk would, and the device below is untouched', async (t) => {
  const folder = temporary(t);
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.constantFrom(0, MiB, 64 * MiB),
      async (steps, memoryBytes) => {
        const below = recording(await filled(size));
        const device = await overlay(below, { folder, memoryBytes, mostBytes: 2 * size });
        const plain = noise(size, 77);
        /** Sectors nobody promises anything of: discarded ones. */
        const open = new Uint8Array(sectors);
        for (const { call, from, count: wanted, seed } of steps) {
          const count = Math.min(wanted, sectors - from);
          const [offset, length] = [from * 512, count * 512];
          if (call === 'write') {
            await device.write(noise(length, seed), offset);
            noise(length, seed).copy(plain, offset);
          } else if (call === 'writeZeroes') {
            await device.writeZeroes(offset, length);
            plain.fill(0, offset, offset + length);
          } else if (call === 'discard') {
            await device.discard(offset, length);
          } else {
            await device.read(Buffer.alloc(length), offset);
          }
          if (call !== 'read') open.fill(call === 'discard' ? 1 : 0, from, from + count);
        }
        const found = Buffer.alloc(size);
        await device.read(found, 0);
        const inData = new Uint8Array(sectors);
        for (const { start, length } of await device.dataExtents!()) {
          inData.fill(1, start / 512, (start + length) / 512);
        }
        for (let sector = 0; sector < sectors; sector++) {
          const bytes = found.subarray(sector * 512, sector * 512 + 512);
          if (open[sector] === 0) t.true(bytes.equals(plain.subarray(sector * 512, sector * 512 + 512)));
          if (inData[sector] === 0) t.true(bytes.every((byte) => byte === 0));
        }
        t.true(device.usedBytes <= total(device.changed()) + cluster);
        t.true(below.accesses.every(({ call }) => call === 'read'));
        await device.close();
      },
    ),
    { numRuns: 60 },
  );
});

test('calls that overlap in time lose nothing of one another', async (t) => {
  const folder = temporary(t);
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(
        Array.from({ length: 64 }, (_, i) => i),
        { minLength: 64 },
      ),
      async (order) => {
        const below = await filled(MiB);
        // Every read of the device takes a turn, so that each write of a sector meets those of its neighbours.
        const slow = {
          ...below,
          async read(target: Uint8Array, offset: number) {
            await new Promise(setImmediate);
            await below.read(target, offset);
          },
        };
        const device = await overlay(slow, { folder, memoryBytes: 0, mostBytes: MiB });
        await Promise.all([
          ...order.map((sector) => device.write(noise(512, sector), 8192 + sector * 512)),
          device.read(Buffer.alloc(MiB), 0),
          device.writeZeroes(512 * 1024, 300 * 1024),
          device.discard(0, 8192),
        ]);
        const found = Buffer.alloc(64 * 512);
        await device.read(found, 8192);
        for (let sector = 0; sector < 64; sector++) {
          t.true(found.subarray(sector * 512, sector * 512 + 512).equals(noise(512, sector)));
        }
        await device.close();
      },
    ),
    { numRuns: 15 },
  );
});

test('it takes as much as it may, says so, and stays what it was', async (t) => {
  const device = await overlay(await filled(4 * MiB), {
    folder: temporary(t),
    memoryBytes: 0,
    mostBytes: 10 * cluster,
  });
  await device.write(noise(8 * cluster, 1), 0);
  t.is(device.usedBytes, 8 * cluster);
  await t.throwsAsync(() => device.write(noise(4 * cluster, 2), MiB), { code: 'overlay-full' });
  t.is(device.usedBytes, 8 * cluster);
  const found = Buffer.alloc(4 * cluster);
  await device.read(found, MiB);
  t.true(found.equals(noise(4 * MiB, 77).subarray(MiB, MiB + 4 * cluster)));
  await device.write(noise(8 * cluster, 3), 0);
  await device.writeZeroes(MiB, 2 * cluster);
  await t.throwsAsync(() => device.writeZeroes(2 * MiB, cluster), { code: 'overlay-full' });
  // What is zeroed gives its room back.
  await device.discard(0, 8 * cluster);
  t.is(device.usedBytes, 0);
  await device.write(noise(8 * cluster, 4), 0);
  await device.close();
});

test('many terabytes are zeroed at once, and cost nothing', async (t) => {
  const device = await overlay(memoryDisk(2 ** 43), { folder: temporary(t), mostBytes: 64 * MiB });
  await device.write(noise(cluster, 1), 2 ** 42);
  await device.writeZeroes(512, 2 ** 43 - 1024);
  await device.discard(0, 2 ** 43);
  t.is(device.usedBytes, 0);
  t.deepEqual(device.changed(), [{ start: 0, length: 2 ** 43 }]);
  t.deepEqual(await device.dataExtents!(), []);
  await device.write(noise(512, 1), 2 ** 42);
  t.deepEqual(await device.dataExtents!(), [{ start: 2 ** 42, length: cluster }]);
  await device.close();
});

test('a device that cannot be read fails the writes that need it, and no others', async (t) => {
  const below = faulty(await filled(MiB), { unreadable: [{ start: 8192, length: 512 }] });
  const device = await overlay(below, { folder: temporary(t), mostBytes: MiB });
  await t.throwsAsync(() => device.write(Buffer.alloc(512), 8704), { code: 'disk-read-failed' });
  t.is(device.usedBytes, 0);
  await t.throwsAsync(() => device.read(Buffer.alloc(512), 8192), { code: 'disk-read-failed' });
  await device.write(Buffer.alloc(cluster, 1), 8192);
  await device.read(Buffer.alloc(512), 8192);
  await device.close();
});

test('closing it leaves the device open and no file behind', async (t) => {
  const folder = temporary(t);
  const below = await filled(MiB);
  const device = await overlay(below, { folder, memoryBytes: 0, mostBytes: MiB });
  await device.write(Buffer.alloc(512), 0);
  t.deepEqual(readdirSync(folder), [], 'the file has no name');
  await device.close();
  await device.close();
  await t.throwsAsync(() => device.read(Buffer.alloc(512), 0), { code: 'internal' });
  await below.read(Buffer.alloc(512), 0);
  const links = readdirSync('/proc/self/fd').map((fd) => {
    const path = `/proc/self/fd/${fd}`;
    return existsSync(path) ? readlinkSync(path) : '';
  });
  t.false(links.some((link) => link.startsWith(folder)));
});

test('a spill is bounded, reads zeros where nothing was written, and is full when it is full', async (t) => {
  const spill = await openSpill({ folder: temporary(t), mostBytes: 10_000 });
  await spill.write(5000, noise(5000, 3));
  const found = Buffer.alloc(12_000, 1);
  await spill.read(0, found);
  t.true(found.equals(Buffer.concat([Buffer.alloc(5000), noise(5000, 3), Buffer.alloc(2000)])));
  await t.throwsAsync(() => spill.write(9999, Buffer.alloc(2)), { code: 'overlay-full' });
  await spill.close();
  await t.throwsAsync(() => openSpill({ folder: '/nowhere/at/all', mostBytes: 1 }));
});

test('the table of clusters is a map', (t) => {
  // Few numbers, so that they meet; those at the end of the range, so that they are found past the end.
  const number = fc.oneof(fc.nat(40), fc.integer({ min: 2 ** 32 - 40, max: 2 ** 32 - 3 }), fc.nat(5000));
  const change = fc.record({ number, slot: fc.nat(2 ** 32 - 2), remove: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4000, size: 'max' }), (changes) => {
      const [table, map] = [new ClusterTable(), new Map<number, number>()];
      for (const { number: key, slot, remove } of changes) {
        if (remove) table.delete(key);
        else table.set(key, slot);
        if (remove) map.delete(key);
        else map.set(key, slot);
      }
      t.is(table.size, map.size);
      t.deepEqual(
        [...table.sorted()],
        [...map.keys()].toSorted((a, b) => a - b),
      );
      for (const { number: key } of changes) t.is(table.get(key), map.get(key) ?? null);
      for (const [from, to] of [
        [20, 3000],
        [10, 2 ** 32 - 10],
      ] as const) {
        const wanted = [...map.keys()].filter((key) => key >= from && key < to);
        t.deepEqual(
          [...table.within(from, to)].toSorted((a, b) => a - b),
          wanted.toSorted((a, b) => a - b),
        );
      }
    }),
    { numRuns: 30 },
  );
});

test('runs of zeros are added up', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 40 })), { maxLength: 30 }),
      (runs) => {
        const [zeroed, set] = [new ZeroedClusters(), new Set<number>()];
        for (const [from, count] of runs) {
          zeroed.add(from, from + count);
          for (let i = from; i < from + count; i++) set.add(i);
        }
        for (let i = 0; i < 250; i++) t.is(zeroed.has(i), set.has(i));
        t.is(total(zeroed.extents()), set.size);
        for (const [i, { start }] of zeroed.extents().entries()) {
          const before = zeroed.extents()[i - 1];
          t.true(before === undefined || before.start + before.length < start);
        }
      },
    ),
  );
});

test('a range is held by one writer or by readers, and everybody has their turn', async (t) => {
  const hold = fc.record({ from: fc.nat(20), count: fc.integer({ min: 1, max: 8 }), alone: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(hold, { maxLength: 40 }), async (holds) => {
      const lock = new RangeLock();
      const [readers, writers] = [new Uint8Array(40), new Uint8Array(40)];
      await Promise.all(
        holds.map(({ from, count, alone }) =>
          lock.hold(from, from + count, alone, async () => {
            const mine = alone ? writers : readers;
            for (let i = from; i < from + count; i++) mine[i]!++;
            await new Promise(setImmediate);
            for (let i = from; i < from + count; i++) {
              t.true(alone ? writers[i] === 1 && readers[i] === 0 : writers[i] === 0);
              mine[i]!--;
            }
          }),
        ),
      );
    }),
    { numRuns: 40 },
  );
});
