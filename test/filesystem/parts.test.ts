import { crc32 } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { invert, normalize, subtract, total } from '../../src/bytes/index.ts';
import { ExtentBag } from '../../src/filesystem/bag.ts';
import { setRuns } from '../../src/filesystem/bitmap.ts';
import { crc16, crc32c } from '../../src/filesystem/checksums.ts';
import { ExtentCollector } from '../../src/filesystem/collector.ts';
import { RangeIndex } from '../../src/filesystem/range-index.ts';
import { readBytes, readTolerant } from '../../src/filesystem/reading.ts';
import { memoryDevice } from './devices.ts';

test('checksums agree with the published check values', (t) => {
  const digits = Buffer.from('123456789');
  t.is(~crc32c(0xff_ff_ff_ff, digits) >>> 0, 0xe3_06_92_83);
  t.is(crc16(0, digits), 0xbb_3d);
  t.not(crc32c(0xff_ff_ff_ff, digits), crc32(digits));
});

test('a checksum may be taken in pieces', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
      const [head, rest] = [bytes.subarray(0, cut), bytes.subarray(cut)];
      t.is(crc32c(crc32c(7, head), rest), crc32c(7, bytes));
      t.is(crc16(crc16(7, head), rest), crc16(7, bytes));
    }),
  );
});

test('runs of a bitmap are its set bits', (t) => {
  const bytes = fc.array(fc.constantFrom(0, 255, 1, 128, 0x55), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(bytes, fc.nat(320), (content, wanted) => {
      const bitmap = Buffer.from(content);
      const bits = Math.min(wanted, bitmap.length * 8);
      const seen: number[] = [];
      const ones = setRuns(bitmap, bits, (from, to) => {
        for (let bit = from; bit < to; bit++) seen.push(bit);
      });
      const expected = Array.from({ length: bits }, (_, bit) => bit).filter(
        (bit) => (bitmap[bit >> 3]! >> (bit & 7)) & 1,
      );
      t.deepEqual(seen, expected);
      t.is(ones, expected.length);
    }),
  );
});

const ascending = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 300_000 }), fc.integer({ min: 0, max: 5000 })), { maxLength: 60 })
  .map((list) => list.map(([start, length]) => ({ start, length })).toSorted((a, b) => a.start - b.start));

test('a collector loses nothing, and stays below its limit', (t) => {
  fc.assert(
    fc.property(ascending, (runs) => {
      const exact = new ExtentCollector();
      const tight = new ExtentCollector(4);
      for (const { start, length } of runs) {
        exact.add(start, length);
        tight.add(start, length);
      }
      const expected = normalize(runs);
      t.deepEqual(exact.extents(1_000_000), expected);
      const coarse = tight.extents(1_000_000);
      t.true(coarse.length <= 4);
      t.deepEqual(coarse, normalize(coarse));
      t.deepEqual(subtract(expected, coarse), []);
      t.true(total(tight.extents(1000)) <= 1000);
    }),
  );
});

test('a bag gathers in any order', (t) => {
  const bag = new ExtentBag();
  for (let i = 300_000; i > 0; i--) bag.add(i * 4, i % 1000 === 0 ? 2 : 4);
  t.is(bag.extents().length, 300);
});

test('a range index answers as plain arithmetic does', (t) => {
  fc.assert(
    fc.property(ascending, fc.nat(310_000), fc.integer({ min: 1, max: 9000 }), (ranges, start, length) => {
      const outside = invert(normalize(ranges), 400_000);
      const hit = subtract([{ start, length }], outside);
      const index = new RangeIndex(ranges);
      t.deepEqual([...index.within(start, length)], hit);
      t.is(index.touches(start, length), hit.length > 0);
    }),
  );
});

test('reading goes by sectors, and never past the end', async (t) => {
  const content = Buffer.from(Array.from({ length: 16_384 }, (_, i) => i % 251));
  const volume = memoryDevice(content, 4096);
  t.deepEqual(await readBytes(volume, 1000, 5000), content.subarray(1000, 6000));
  t.deepEqual(await readBytes(volume, 16_000, 384), content.subarray(16_000));
  for (const [offset, length] of [
    [16_000, 385],
    [-1, 2],
    [0, 2 ** 40],
    [2 ** 60, 1],
    [Number.NaN, 1],
  ] as const) {
    await t.throwsAsync(readBytes(volume, offset, length), { code: 'filesystem-damaged' });
  }
  volume.broken.push({ start: 4096, length: 4096 });
  const tolerant = await readTolerant(volume, { offset: 0, length: 12_288, unit: 4096 });
  t.deepEqual(tolerant.subarray(0, 4096), content.subarray(0, 4096));
  t.deepEqual(tolerant.subarray(4096, 8192), Buffer.alloc(4096));
  t.deepEqual(tolerant.subarray(8192), content.subarray(8192, 12_288));
});
