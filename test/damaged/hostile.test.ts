import { crc32 } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { decodeHeader, encodeHeader, type RecordHeader } from '../../src/archive/header.ts';
import { decodeMap, encodeMap, placeMap } from '../../src/archive/map-record.ts';
import { ProblemList } from '../../src/archive/problem-list.ts';
import { decodeRecord, encodeRecord, sumOf } from '../../src/archive/record.ts';
import { RecordSequence } from '../../src/archive/sequence.ts';
import { openSet, verifySet, type VolumeMap } from '../../src/archive/index.ts';
import { PlaceIndex, PlaceLog } from '../../src/archive/tables.ts';
import { decodeUstar, encodeUstar, padded, tarBlock } from '../../src/bytes/index.ts';
import { RemetalError } from '../../src/errors/index.ts';
import { memoryMedium } from '../../src/medium/index.ts';
import { quiet, readVolume, testVolume, writeSet } from '../archive/sets.ts';
import { membersOf } from './members.ts';

const header: RecordHeader = {
  setId: Buffer.alloc(16, 5),
  ordinal: 9,
  kind: 'data',
  codec: 'zstd',
  copy: false,
  volume: 2,
  index: 7,
  plainLength: 8192,
  storedLength: 100,
  sum: Buffer.alloc(32, 6),
  extents: [
    { start: 4096, length: 4096 },
    { start: 1_000_000_000_000, length: 4096 },
  ],
  unreadable: [{ start: 4096, length: 512 }],
};

function encodedMap(map: VolumeMap, firstOrdinal: number): Buffer[] {
  const pieces = encodeMap(map);
  placeMap(pieces, firstOrdinal);
  return pieces;
}

function sealed(bytes: Buffer): Buffer {
  bytes.fill(0, 12, 16);
  bytes.writeUInt32LE(crc32(bytes), 12);
  return bytes;
}

test('a header comes back as it went in', (t) => {
  t.deepEqual(decodeHeader(encodeHeader(header)), header);
});

test('no value of any field of a header makes anything but a coded error or a header within bounds', (t) => {
  const values = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 8, max: 175 }), values), { maxLength: 12 }),
      (changes) => {
        const bytes = encodeHeader(header);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        bytes.writeUInt32LE(bytes.length, 8);
        try {
          const read = decodeHeader(sealed(bytes));
          t.true(read.plainLength <= 8 * 1024 * 1024 && read.storedLength <= read.plainLength);
        } catch (error) {
          t.true(error instanceof RemetalError);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('a later version, kind, codec or flag is refused by name, an encrypted record too', (t) => {
  const changed = (at: number, value: number): Buffer => {
    const bytes = encodeHeader(header);
    bytes[at] = value;
    return sealed(bytes);
  };
  for (const [at, value] of [
    [7, 2],
    [40, 99],
    [41, 9],
    [47, 1],
  ] as const) {
    t.throws(() => decodeHeader(changed(at, value)), { code: 'set-too-new' });
  }
  t.throws(() => decodeHeader(changed(42, 1)), { code: 'set-encrypted' });
  const torn = encodeHeader(header);
  torn[7] = 2;
  t.throws(
    () => decodeHeader(torn),
    { code: 'record-damaged' },
    'a flipped version byte is damage, not a version',
  );
});

test('no bytes of a block map make anything but a coded error', (t) => {
  const { map } = testVolume();
  const pieces = encodedMap(map, 3);
  t.deepEqual(decodeMap(pieces), { map, firstOrdinal: 3 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: pieces[0]!.length - 1 }), fc.nat({ max: 255 })), {
        minLength: 1,
        maxLength: 6,
      }),
      (changes) => {
        const piece = Buffer.from(pieces[0]!);
        for (const [at, value] of changes) piece[at] = value;
        try {
          decodeMap([piece]);
          t.pass();
        } catch (error) {
          t.true(error instanceof RemetalError);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('a map of a great many extents is cut into pieces that fit together again', (t) => {
  const extents = Array.from({ length: 600_000 }, (_, i) => ({ start: i * 12288, length: 4096 }));
  const map = {
    volume: 'v',
    size: 12288 * 600_000,
    blockSize: 4096,
    groupSize: 524288,
    control: extents.slice(0, 5),
    data: extents.slice(5),
  };
  const pieces = encodedMap(map, 1);
  t.true(pieces.length > 1 && pieces.every((piece) => piece.length <= 1024 * 1024));
  t.is(JSON.stringify(decodeMap(pieces).map.data), JSON.stringify(map.data));
  t.throws(() => decodeMap(pieces.toReversed()), { code: 'record-damaged' });
  t.throws(() => decodeMap(pieces.slice(0, -1)), { code: 'record-damaged' });
});

test('an index cannot make a reader keep more places than the medium has room for', (t) => {
  const log = new PlaceLog();
  for (let i = 0; i < 1000; i++)
    log.push({ part: i < 400 ? 0 : 1, offset: (i < 400 ? i : i - 400) * 2048 }, 2048);
  const pieces = log.pieces().map(({ bytes }) => bytes);
  const index = new PlaceIndex(1000 * 2048);
  for (const piece of pieces) index.add(piece);
  t.deepEqual(index.get(399), { part: 0, offset: 399 * 2048 });
  t.deepEqual(index.get(999), { part: 1, offset: 599 * 2048 });
  t.is(index.get(1000), null);
  for (const [at, value] of [
    [0, 2 ** 63],
    [8, 2 ** 60],
    [16, 2 ** 63],
  ] as const) {
    const piece = Buffer.from(pieces[0]!);
    piece.writeBigUInt64LE(BigInt(value), at);
    t.throws(() => new PlaceIndex(1000 * 2048).add(piece), { code: 'record-damaged' });
  }
});

test('sizes in tar headers that claim too much are damage', async (t) => {
  const medium = memoryMedium();
  await writeSet(medium, [testVolume()]);
  const part = medium.bytes('set')[0]!;
  const member = membersOf(part)[4]!;
  for (const size of [2 ** 33 - 1, 1024 * 1024 * 1024, 20 * 1024 * 1024, 70_000, 0]) {
    for (const at of [member.start, member.regions.name.start]) {
      const broken = Buffer.from(part);
      encodeUstar({ ...decodeUstar(part, at)!, size }, broken, at);
      const place = memoryMedium();
      place.put('set', [broken]);
      const { problems } = await verifySet(place, 'set', quiet);
      t.true(problems.length > 0 && problems.every((problem) => problem instanceof RemetalError));
      const got = await readVolume(place, 'disk1.whole', { onDamage: 'report', salvage: true });
      t.true(got.damaged.length <= 2, `${size}`);
    }
  }
});

test('a record whose data unpack to more than it says is damage', async (t) => {
  const medium = memoryMedium();
  await writeSet(medium, [testVolume('disk1.whole', 7, 8)]);
  const part = Buffer.from(medium.bytes('set')[0]!);
  const member = membersOf(part).find(({ kind }) => kind === 'data.zst')!;
  const text = part.toString('latin1', member.regions.header.start, member.regions.header.end);
  const found = /comment=([A-Za-z0-9+/=]+)\n/.exec(text)!;
  const bytes = Buffer.from(found[1]!, 'base64');
  const read = decodeHeader(bytes);
  const half = read.plainLength / 2;
  const changed = encodeHeader({
    ...read,
    plainLength: half,
    extents: [{ start: read.extents[0]!.start, length: half }],
  });
  const comment = ` comment=${changed.toString('base64')}\n`;
  const line = `${comment.length + 3}${comment}`;
  t.true(line.length <= 512 && padded(line.length) === tarBlock);
  part.fill(0, member.regions.header.start, member.regions.header.end);
  part.write(line, member.regions.header.start, 'latin1');
  encodeUstar({ ...decodeUstar(part, member.start)!, size: line.length }, part, member.start);
  const place = memoryMedium();
  place.put('set', [part]);
  const { problems } = await verifySet(place, 'set', quiet);
  t.deepEqual(
    problems.map(({ code }) => code),
    ['record-damaged'],
  );
});

test('a set of a future format is refused by name', async (t) => {
  const medium = memoryMedium();
  await writeSet(medium, [testVolume()]);
  const part = Buffer.from(medium.bytes('set')[0]!);
  for (const member of membersOf(part)) {
    const { start, end } = member.regions.header;
    const found = /^(\d+) comment=([A-Za-z0-9+/=]+)\n/.exec(part.toString('latin1', start, end))!;
    const bytes = Buffer.from(found[2]!, 'base64');
    bytes[7] = 2;
    part.write(`${found[1]} comment=${sealed(bytes).toString('base64')}\n`, start, 'latin1');
  }
  const place = memoryMedium();
  place.put('set', [part]);
  await t.throwsAsync(openSet(place, 'set'), { code: 'set-too-new' });
  await t.throwsAsync(openSet(place, 'set', { salvage: true }), { code: 'set-too-new' });
  await t.throwsAsync(verifySet(place, 'set', quiet), { code: 'set-too-new' });
});

test('a rotten medium cannot fill the memory with problems or wild ordinals', (t) => {
  const list = new ProblemList();
  for (let i = 0; i < 5000; i++) list.push(new RemetalError('record-damaged', 'x'));
  t.is(list.items.length, 2000);
  t.is(list.count, 5000);
  const sequence = new RecordSequence(100_000);
  t.is(sequence.met(0), null);
  t.is(sequence.met(2 ** 52)?.code, 'record-misplaced');
  t.is(sequence.met(3), null);
  t.deepEqual(
    sequence.missing(2 ** 53 - 1).map(({ facts }) => facts),
    [
      { first: 1, last: 2 },
      { first: 4, last: 2 ** 53 - 2 },
    ],
  );
  const places = new PlaceIndex(100_000);
  for (let i = 0; i < 1000; i++) places.set(i * 2 ** 40, { part: 0, offset: 0 });
  t.deepEqual(places.get(0), { part: 0, offset: 0 });
  t.is(places.get(999 * 2 ** 40), null);
});

test('a map that names more groups than the set has records is refused', async (t) => {
  const medium = memoryMedium();
  await writeSet(medium, [testVolume()]);
  const part = medium.bytes('set')[0]!;
  const options = { folder: 'set', mtime: 0 };
  const records = membersOf(part).map(({ start, end }) => {
    const { header: read, payload } = decodeRecord(part.subarray(start, end));
    if (read.kind !== 'map') return [part.subarray(start, end)];
    const map = {
      volume: 'disk1.whole',
      size: 2 ** 52,
      blockSize: 512,
      groupSize: 512,
      control: [],
      data: [{ start: 0, length: 2 ** 50 }],
    };
    const plain = encodedMap(map, 3)[0]!;
    t.true(payload.length > 0);
    const lengths = { plainLength: plain.length, storedLength: plain.length, codec: 'plain' } as const;
    return encodeRecord({ ...read, ...lengths, sum: sumOf(plain) }, plain, options);
  });
  const place = memoryMedium();
  place.put('set', [Buffer.concat([...records.flat(), Buffer.alloc(1024)])]);
  await t.throwsAsync(openSet(place, 'set'), { code: 'record-damaged' });
  const opened = await openSet(place, 'set', { salvage: true });
  t.is(opened.maps.size, 0);
  t.true(opened.problems.some(({ code }) => code === 'record-damaged'));
  await opened.close();
});
