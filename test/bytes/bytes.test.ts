import test from 'ava';
import fc from 'fast-check';
import {
  canonicalJson,
  checkedInteger,
  decodeUstar,
  encodeUstar,
  formatBytes,
  formatDuration,
  formatRate,
  padded,
  pageAligned,
  parseSize,
  readUint,
  tarBlock,
  VarintReader,
  VarintWriter,
  writeUint,
  type Width,
} from '../../src/bytes/index.ts';

const widths = fc.constantFrom<Width>(1, 2, 4, 8);
const numbers = fc.oneof(
  fc.maxSafeNat(),
  fc.nat({ max: 300 }),
  fc.constantFrom(2 ** 32, 2 ** 32 - 1, 2 ** 53 - 1),
);

test('a number that fits a field comes back, one that does not is refused by name', (t) => {
  fc.assert(
    fc.property(widths, numbers, fc.nat({ max: 8 }), (width, value, offset) => {
      const buffer = Buffer.alloc(offset + 8);
      const fits = width === 8 || value < 2 ** (8 * width);
      if (fits) {
        writeUint(buffer, offset, width, value, 'size');
        t.is(readUint(buffer, offset, width, 'size'), value);
      } else {
        t.throws(() => writeUint(buffer, offset, width, value, 'size'), {
          code: 'field-range',
          message: /size/,
        });
        t.true(buffer.every((byte) => byte === 0));
      }
    }),
  );
});

test('fields outside their buffer, negative, broken and too large numbers are refused', (t) => {
  const buffer = Buffer.alloc(8, 0xff);
  t.throws(() => readUint(buffer, 0, 8, 'size'), { code: 'field-range' });
  t.throws(() => readUint(buffer, 5, 4, 'size'), { code: 'field-range' });
  t.throws(() => readUint(buffer, -1, 4, 'size'), { code: 'field-range' });
  for (const value of [-1, 1.5, NaN, 2 ** 53, Infinity]) {
    t.throws(() => writeUint(buffer, 0, 8, value, 'size'), { code: 'field-range' });
    t.throws(() => checkedInteger(value, 0, 10, 'size'), { code: 'field-range' });
  }
  t.is(checkedInteger(10, 0, 10, 'size'), 10);
});

test('varints come back in their order', (t) => {
  fc.assert(
    fc.property(fc.array(numbers), (values) => {
      const writer = new VarintWriter();
      for (const value of values) writer.push(value);
      const reader = new VarintReader(writer.bytes());
      t.deepEqual(
        values.map(() => reader.next()),
        values,
      );
      t.is(reader.remaining, 0);
      t.throws(() => reader.next(), { code: 'field-range' });
    }),
  );
});

test('bytes that are no varint are refused', (t) => {
  for (const bytes of ['ff', '808080808080808001', 'ffffffffffffff7f']) {
    t.throws(() => new VarintReader(Buffer.from(bytes, 'hex')).next(), { code: 'field-range' });
  }
  t.throws(() => new VarintWriter().push(-1), { code: 'field-range' });
});

test('a tar header comes back, and any flipped bit is noticed', (t) => {
  const header = {
    name: 'set/0000000001.data.zst',
    size: 2 ** 33 - 1,
    mtime: 4_102_444_800,
    type: '0',
  } as const;
  const block = Buffer.alloc(3 * tarBlock, 1);
  encodeUstar(header, block, tarBlock);
  t.deepEqual(decodeUstar(block, tarBlock), header);
  t.is(decodeUstar(block, 0), null);
  t.is(decodeUstar(block, 3 * tarBlock), null);
  for (let bit = 0; bit < tarBlock * 8; bit += 3) {
    const broken = Buffer.from(block);
    broken[tarBlock + (bit >> 3)]! ^= 1 << (bit & 7);
    const read = decodeUstar(broken, tarBlock);
    // Inside the checksum field a space may become another character that reads the same.
    if (read !== null) t.deepEqual(read, header);
  }
});

test('values that no tar header can hold are refused', (t) => {
  const block = Buffer.alloc(tarBlock);
  const header = { name: 'a', size: 1, mtime: 1, type: '0' } as const;
  for (const wrong of [
    { size: 2 ** 33 },
    { mtime: 2 ** 33 },
    { size: -1 },
    { name: 'x'.repeat(101) },
    { name: '' },
  ]) {
    t.throws(() => encodeUstar({ ...header, ...wrong }, block, 0), { code: 'field-range' });
  }
  t.throws(() => encodeUstar(header, block, 1), { code: 'field-range' });
});

test('lengths are rounded up to tar blocks', (t) => {
  t.deepEqual([0, 1, 511, 512, 513].map(padded), [0, 512, 512, 512, 1024]);
});

test('sizes in words are read as GNU tools read them', (t) => {
  const sizes: [string, number][] = [
    ['0', 0],
    ['4096', 4096],
    ['4k', 4096],
    ['4G', 4 * 1024 ** 3],
    ['500GiB', 500 * 1024 ** 3],
    ['500GB', 500e9],
    ['1.5 TiB', 1.5 * 1024 ** 4],
    ['12 B', 12],
  ];
  for (const [text, bytes] of sizes) t.is(parseSize(text), bytes, text);
  for (const text of ['', 'G', '-1', '4X', '1e3', '9999999P', '4 G B'])
    t.throws(() => parseSize(text), { code: 'usage' });
});

test('sizes, rates and times in words', (t) => {
  t.deepEqual([0, 512, 1023, 1024, 1536, 1_048_000, 2 ** 40].map(formatBytes), [
    '0 B',
    '512 B',
    '1023 B',
    '1.00 KiB',
    '1.50 KiB',
    '1023 KiB',
    '1.00 TiB',
  ]);
  t.is(formatRate(3 * 1024 * 1024, 2), '1.50 MiB/s');
  t.is(formatRate(10, 0), '-');
  t.deepEqual([0, 7.4, 725, 12_000].map(formatDuration), ['0:00', '0:07', '12:05', '3:20:00']);
});

test('equal values have equal canonical JSON', (t) => {
  t.is(canonicalJson({ b: 1, a: [{ d: null, c: 'x' }], u: undefined }), '{"a":[{"c":"x","d":null}],"b":1}');
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const turned = Object.fromEntries(Object.entries(value).toReversed());
      t.is(canonicalJson(turned), canonicalJson(value));
    }),
  );
  t.throws(() => canonicalJson({ a: Infinity }), { code: 'field-range' });
});

test('page-aligned buffers have the length that was asked for', (t) => {
  t.is(pageAligned(100_000).length, 100_000);
});
