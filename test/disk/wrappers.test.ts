import test from 'ava';
import fc from 'fast-check';
import { faulty, joined, memoryDisk, recording, slice, type BlockDevice } from '../../src/disk/index.ts';

const sectors = 64;
const sectorSize = 512;

function filled(seed: number): BlockDevice {
  const disk = memoryDisk(sectors * sectorSize);
  const bytes = Buffer.alloc(disk.size);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + seed + (i >> 9)) & 0xff;
  void disk.write(bytes, 0);
  return disk;
}

async function bytesOf(device: BlockDevice, offset = 0, length = device.size - offset): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  await device.read(bytes, offset);
  return bytes;
}

const range = (limit: number): fc.Arbitrary<[number, number]> =>
  fc.tuple(fc.nat(limit), fc.nat(limit)).map(([a, b]) => [Math.min(a, b), Math.abs(a - b)]);

test('a slice of a slice reads what the disk holds there', async (t) => {
  await fc.assert(
    fc.asyncProperty(range(sectors), fc.nat(), fc.nat(), async ([start, length], a, b) => {
      const disk = filled(1);
      const outer = slice(disk, start * sectorSize, length * sectorSize);
      const from = a % (length + 1);
      const count = b % (length - from + 1);
      const inner = slice(outer, from * sectorSize, count * sectorSize);
      const wanted = await bytesOf(disk, (start + from) * sectorSize, count * sectorSize);
      t.true((await bytesOf(inner)).equals(wanted));
    }),
  );
});

test('a write through a slice changes the same bytes as one on the disk and no others', async (t) => {
  await fc.assert(
    fc.asyncProperty(range(sectors), fc.nat(), fc.nat(), async ([start, length], a, b) => {
      const [one, other] = [filled(2), filled(2)];
      const from = a % (length + 1);
      const bytes = Buffer.alloc((b % (length - from + 1)) * sectorSize, 0xa5);
      await slice(one, start * sectorSize, length * sectorSize).write(bytes, from * sectorSize);
      await other.write(bytes, (start + from) * sectorSize);
      t.true((await bytesOf(one)).equals(await bytesOf(other)));
    }),
  );
});

test('slices side by side, joined, are the disk', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: sectors - 1 })),
      range(sectors),
      async (cuts, r) => {
        const disk = filled(3);
        const edges = [0, ...cuts.toSorted((a, b) => a - b), sectors].map((edge) => edge * sectorSize);
        const parts = edges.slice(1).map((end, i) => slice(disk, edges[i]!, end - edges[i]!));
        const whole = joined(parts, 'parts');
        t.is(whole.size, disk.size);
        const [offset, length] = [r[0] * sectorSize, r[1] * sectorSize];
        t.true((await bytesOf(whole, offset, length)).equals(await bytesOf(disk, offset, length)));
      },
    ),
  );
});

test('what a recording lists, done again on an equal disk, gives the same bytes', async (t) => {
  const call = fc.record({
    call: fc.constantFrom('read', 'write', 'writeZeroes', 'discard'),
    range: range(sectors),
    fill: fc.integer({ min: 0, max: 255 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
      const device = recording(filled(4));
      const again = filled(4);
      const fills: number[] = [];
      for (const { call: name, range: between, fill } of calls) {
        const [offset, length] = [between[0] * sectorSize, between[1] * sectorSize];
        if (name === 'read') await device.read(Buffer.alloc(length), offset);
        else if (name === 'write') await device.write(Buffer.alloc(length, fill), offset);
        else if (name === 'writeZeroes') await device.writeZeroes(offset, length);
        else await device.discard(offset, length);
        fills.push(fill);
      }
      for (const [i, { call: name, offset, length }] of device.accesses.entries()) {
        if (name === 'write') await again.write(Buffer.alloc(length, fills[i]), offset);
        else if (name === 'writeZeroes') await again.writeZeroes(offset, length);
        else if (name === 'discard') await again.discard(offset, length);
      }
      t.is(device.accesses.length, calls.length);
      t.true((await bytesOf(device)).equals(await bytesOf(again)));
    }),
  );
});

test('a recording does not list what failed', async (t) => {
  const device = recording(memoryDisk(4096));
  await t.throwsAsync(() => device.write(Buffer.alloc(512), 4096));
  await device.flush();
  t.deepEqual(device.accesses, [{ call: 'flush', offset: 0, length: 0 }]);
});

test('a faulty disk fails on the sectors named, both ways, and on no others', async (t) => {
  const device = faulty(filled(5), {
    unreadable: [{ start: 1024, length: 512 }],
    unwritable: [{ start: 4096, length: 512 }],
  });
  await device.read(Buffer.alloc(1024), 0);
  await device.read(Buffer.alloc(512), 1536);
  await t.throwsAsync(() => device.read(Buffer.alloc(4096), 0), { code: 'disk-read-failed' });
  await t.throwsAsync(() => device.write(Buffer.alloc(8192), 0), { code: 'disk-write-failed' });
  t.true((await bytesOf(device, 1536, 512)).equals(await bytesOf(filled(5), 1536, 512)));
});

test('a disk that vanishes stays away', async (t) => {
  const device = faulty(filled(6), { vanishAfterBytes: 4096 });
  await device.read(Buffer.alloc(4096), 0);
  for (const call of [
    () => device.read(Buffer.alloc(512), 0),
    () => device.write(Buffer.alloc(512), 0),
    () => device.flush(),
  ]) {
    await t.throwsAsync(call, { code: 'disk-gone' });
  }
});

test('a power cut tears the write under way and lets nothing more through', async (t) => {
  const under = memoryDisk(8192);
  const device = faulty(under, { cutAfterWrites: 1 });
  await device.write(Buffer.alloc(512, 1), 0);
  await t.throwsAsync(() => device.write(Buffer.alloc(2048, 2), 1024), { code: 'disk-gone' });
  await t.throwsAsync(() => device.writeZeroes(0, 512), { code: 'disk-gone' });
  await t.throwsAsync(() => device.flush(), { code: 'disk-gone' });
  const held = await bytesOf(under);
  t.is(held[0], 1);
  t.is(held[1024], 2);
  t.is(held[2047], 2);
  t.is(held[2048], 0);
});

test('a disk in memory may be as large as the largest and costs what is written', async (t) => {
  const disk = memoryDisk(2 ** 45);
  await disk.write(Buffer.alloc(512, 7), 2 ** 44);
  t.deepEqual(await disk.dataExtents?.(), [{ start: 2 ** 44, length: 65536 }]);
  await disk.writeZeroes(0, disk.size);
  t.deepEqual(await disk.dataExtents?.(), []);
});
