import test from 'ava';
import fc from 'fast-check';
import type { Parsed } from '../../../src/layout/netware/copies.ts';
import { encodeHotfixHeader, parseHotfixHeader } from '../../../src/layout/netware/hotfix-header.ts';
import { encodeMirrorHeader, parseMirrorHeader } from '../../../src/layout/netware/mirror-header.ts';
import {
  encodeTables,
  entriesOf,
  freeSpares,
  redirectionsFrom,
  reservedUnits,
} from '../../../src/layout/netware/redirections.ts';
import { encodeRecordsBackup, encodeStamp, parseStamp } from '../../../src/layout/netware/stamp.ts';
import {
  encodeVolumeTable,
  parseVolumeTable,
  type VolumeTableEntry,
} from '../../../src/layout/netware/volume-table.ts';
import { anyPartition } from './made.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const byte = fc.integer({ min: 0, max: 0xff });
/** How many random sectors each parser is given; more by hand: FUZZ_CASES=1000000. */
const fuzzCases = Number(process.env['FUZZ_CASES'] ?? 20_000);

test('a stamp is read as it was written', (t) => {
  fc.assert(
    fc.property(u32, u32, (sectors, created) => {
      t.deepEqual(parseStamp(encodeStamp({ sectors, created })), { sectors, created });
    }),
  );
  t.is(parseStamp(Buffer.alloc(512)), null);
});

test('the copy of the partition records stands where they stand in an MBR', (t) => {
  const records = Buffer.alloc(66, 7);
  records.set([0x55, 0xaa], 64);
  t.deepEqual(encodeRecordsBackup(records), Buffer.concat([Buffer.alloc(446), records]));
});

test('a hotfix header is read as it was written', (t) => {
  fc.assert(
    fc.property(anyPartition, u16, u16, ({ hotfix, sectors }, sync, dataBad) => {
      const header = { ...hotfix, sync, dataBad };
      t.deepEqual(parseHotfixHeader(encodeHotfixHeader(header), sectors), { value: header, doubt: null });
    }),
  );
});

test('a mirror header is read as it was written', (t) => {
  const ids = fc.uniqueArray(fc.integer({ min: 1, max: 0xffff_ffff }), { minLength: 1, maxLength: 8 });
  const numbers = fc.record({
    dataBad: byte,
    active: byte,
    sync: u16,
    deviceBad: byte,
    deviceActive: byte,
    deviceSync: u16,
    dataSectors: u32,
    group: u32,
  });
  fc.assert(
    fc.property(numbers, ids, (fields, members) => {
      const header = { ...fields, id: members.at(-1)!, members };
      t.deepEqual(parseMirrorHeader(encodeMirrorHeader(header)), { value: header, doubt: null });
    }),
  );
});

test('redirection tables are read as they were written', (t) => {
  fc.assert(
    fc.property(anyPartition, ({ hotfix, redirections }) => {
      const tables = hotfix.tables.map((_, group) => encodeTables(redirections, group));
      const entries = tables.flatMap(({ redirection }) => entriesOf(redirection));
      const bits = tables.flatMap(({ badBits }) => entriesOf(badBits));
      t.deepEqual(redirectionsFrom(redirections.units, entries, bits), redirections);
    }),
  );
});

test('a spare is never one that holds headers or tables or is in use', (t) => {
  fc.assert(
    fc.property(anyPartition, ({ hotfix, redirections }) => {
      const free = freeSpares(redirections, hotfix);
      const taken = new Set([0, ...reservedUnits(hotfix), ...redirections.moved.map(({ spare }) => spare)]);
      t.false(free.some((unit) => taken.has(unit) || unit >= redirections.units));
    }),
  );
});

const anyEntry: fc.Arbitrary<VolumeTableEntry> = fc
  .record({
    name: fc.stringMatching(/^[A-Z0-9_$\u00e4-]{1,15}$/),
    sync: u32,
    blockShift: fc.integer({ min: 3, max: 7 }),
    segments: fc.integer({ min: 1, max: 32 }),
    position: byte,
    flags: byte,
    start: fc.integer({ min: 160, max: 50_000 }),
    sectors: fc.integer({ min: 128, max: 50_000 }),
    blocks: fc.integer({ min: 1, max: 0xffff_ffff }),
    firstBlock: u32,
    firstFat: u32,
    mirrorFat: u32,
    firstDirectory: u32,
    mirrorDirectory: u32,
  })
  .map((entry) => ({
    ...entry,
    position: entry.position % entry.segments,
    firstBlock: entry.firstBlock % entry.blocks,
    firstFat: entry.firstFat % entry.blocks,
    mirrorFat: entry.mirrorFat % entry.blocks,
    firstDirectory: entry.firstDirectory % entry.blocks,
    mirrorDirectory: entry.mirrorDirectory % entry.blocks,
  }));

test('a volume table is read as it was written', (t) => {
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 8 }), (entries) => {
      t.deepEqual(parseVolumeTable(encodeVolumeTable(entries), 100_000, 129), {
        value: { entries, faults: entries.map(() => null) },
        doubt: null,
      });
    }),
  );
});

test('a ninth segment has no room in a volume table', (t) => {
  const [entry] = fc.sample(anyEntry, { numRuns: 1, seed: 1 });
  t.throws(() => encodeVolumeTable(Array.from({ length: 9 }, () => entry!)), { code: 'field-range' });
});

/* A sector that begins like the structure and goes on at random, as damage and malice make them. */
function hostile(magic: string): fc.Arbitrary<Buffer> {
  const noise = fc.uint8Array({ minLength: 512, maxLength: 512 }).map((bytes) => Buffer.from(bytes));
  const small = fc.array(fc.constantFrom(0, 1, 2, 7, 8, 0x7f, 0x80, 0xff), {
    minLength: 512,
    maxLength: 512,
  });
  return fc
    .tuple(
      fc.oneof(
        noise,
        small.map((bytes) => Buffer.from(bytes)),
      ),
      fc.boolean(),
    )
    .map(([sector, stamped]) => {
      if (stamped) sector.write(magic, 0, 'latin1');
      return sector;
    });
}

function alwaysParsed<T>(
  magic: string,
  parse: (sector: Buffer) => Parsed<T>,
  check: (value: T) => boolean,
): boolean {
  fc.assert(
    fc.property(hostile(magic), (sector) => {
      const parsed = parse(sector);
      return 'value' in parsed ? check(parsed.value) : parsed.fault !== '';
    }),
    { numRuns: fuzzCases },
  );
  return true;
}

test('no sector makes a parser fail, and what it believes keeps to the partition', (t) => {
  const geometry = Buffer.from('08f80307', 'hex');
  const withUnit = (sector: Buffer): Buffer => {
    geometry.copy(sector, 16);
    sector.writeUInt32LE(sector.readUInt32LE(20) % 60_000, 20);
    sector.writeUInt32LE(sector.readUInt32LE(24) % 60_000, 24);
    return sector;
  };
  t.true(
    alwaysParsed(
      'HOTFIX00',
      (sector) => parseHotfixHeader(withUnit(sector), 50_000),
      ({ dataSectors, hotfixSectors, tables }) =>
        dataSectors + hotfixSectors <= 50_000 &&
        tables.length <= 30 &&
        tables.every(({ redirection, badBits }) =>
          [...redirection, ...badBits].every((at) => at > 32 && at + 8 <= hotfixSectors),
        ),
    ),
  );
  t.true(alwaysParsed('MIRROR00', parseMirrorHeader, ({ members }) => members.length <= 8));
  t.true(
    alwaysParsed(
      'NetWare Volumes\0',
      (sector) => {
        sector.writeUInt32LE(sector.readUInt32LE(16) % 10, 16);
        return parseVolumeTable(sector, 50_000, 129);
      },
      ({ entries, faults }) =>
        entries.length <= 8 &&
        entries.every((entry, index) => faults[index] !== null || entry.start + entry.sectors <= 50_000),
    ),
  );
  t.true(
    alwaysParsed(
      '\0Nw_PaRtItIoN',
      (sector) => ({ value: parseStamp(sector), doubt: null }),
      () => true,
    ),
  );
});
