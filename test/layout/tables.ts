import fc from 'fast-check';
import { fitTable, type Geometry, type GptTable, type MbrTable } from '../../src/layout/index.ts';

const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.nat(15).map((digit) => digit.toString(16)), minLength: length, maxLength: length });
const guid = fc
  .tuple(hex(8), hex(4), hex(4), hex(4), hex(11))
  .map(([a, b, c, d, e]) => `${a}-${b}-${c}-${d}-${e}1`);

/** Gaps and lengths, laid end to end from `from` on, as starts and lengths. */
function runs(
  pieces: readonly (readonly [number, number])[],
  from: number,
): { start: number; length: number }[] {
  let at = from;
  return pieces.map(([gap, length]) => {
    const start = at + gap;
    at = start + length;
    return { start, length };
  });
}

const pieces = (most: number): fc.Arbitrary<[number, number][]> =>
  fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 5000 })), { minLength: 1, maxLength: most });

const gpt = (sectorSize: number): fc.Arbitrary<{ table: GptTable; end: number }> =>
  fc
    .record({
      pieces: pieces(12),
      numbers: fc.uniqueArray(fc.integer({ min: 1, max: 128 }), { minLength: 12, maxLength: 12 }),
      guids: fc.array(guid, { minLength: 12, maxLength: 12 }),
      types: fc.array(guid, { minLength: 12, maxLength: 12 }),
      names: fc.array(
        fc.string({ unit: 'binary', maxLength: 18 }).map((name) => name.replaceAll('\0', '')),
        { minLength: 12, maxLength: 12 },
      ),
      attributes: fc.array(hex(16), { minLength: 12, maxLength: 12 }),
      disk: guid,
      first: fc.constantFrom(0, 100, 2014),
    })
    .map((facts) => {
      const from = 2 + 16384 / sectorSize + facts.first;
      const places = runs(facts.pieces, from);
      const partitions = places
        .map((place, index) => ({
          ...place,
          number: facts.numbers[index]!,
          type: facts.types[index]!,
          guid: facts.guids[index]!,
          name: facts.names[index]!,
          attributes: facts.attributes[index]!,
        }))
        .toSorted((a, b) => a.number - b.number);
      const last = places.at(-1)!;
      const table: GptTable = {
        kind: 'gpt',
        diskGuid: facts.disk,
        entryCount: 128,
        entrySize: 128,
        firstUsable: from,
        lastUsable: from,
        partitions,
        protectiveMbr: '00'.repeat(66),
      };
      return { table, end: last.start + last.length + 16384 / sectorSize + 1 };
    });

const mbr = fc
  .record({
    primaries: pieces(3),
    logical: fc.array(
      fc.tuple(fc.nat(100), fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 0, max: 64 })),
      {
        maxLength: 8,
      },
    ),
    extended: fc.constantFrom(0x05, 0x0f, 0x85),
    signature: fc.nat(0xffff_ffff),
    types: fc.array(fc.constantFrom(0x83, 0x82, 0x07, 0x0c, 0xef), { minLength: 12, maxLength: 12 }),
    active: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
    code: hex(892),
    coded: fc.boolean(),
    slack: fc.nat(500),
    backwards: fc.boolean(),
  })
  .map((facts) => {
    const places = runs(facts.primaries, 1);
    const partitions: MbrTable['partitions'] = places.map((place, index) => ({
      ...place,
      number: index + 1,
      type: facts.types[index]!,
      active: facts.active[index]!,
    }));
    const start = places.at(-1)!.start + places.at(-1)!.length + 7;
    let at = start;
    const logical = facts.logical.map(([gap, length, inner], index) => {
      const ebr = index === 0 ? start : at + gap;
      at = ebr + 1 + inner + length;
      return {
        start: ebr + 1 + inner,
        length,
        type: facts.types[index + 3]!,
        active: facts.active[index + 3]!,
        ebr,
        ...(facts.coded && index % 2 === 1 && !/^0*$/.test(facts.code) ? { ebrCode: facts.code } : {}),
      };
    });
    const chain = facts.backwards ? [...logical.slice(0, 1), ...logical.slice(1).toReversed()] : logical;
    if (logical.length > 0) {
      partitions.push(
        { number: 4, start, length: at - start + facts.slack, type: facts.extended, active: false },
        ...chain.map((entry, index) => ({ number: 5 + index, ...entry })),
      );
    }
    const table: MbrTable = { kind: 'mbr', diskSignature: facts.signature, partitions };
    return { table, end: at + facts.slack };
  });

/** Any sound GPT or MBR table and a disk it fits, fitted to it. */
export const anyTable: fc.Arbitrary<{ table: GptTable | MbrTable; geometry: Geometry }> = fc
  .constantFrom(512, 4096)
  .chain((sectorSize) =>
    fc
      .tuple(
        fc.oneof<fc.Arbitrary<{ table: GptTable | MbrTable; end: number }>[]>(gpt(sectorSize), mbr),
        fc.nat(9000),
      )
      .map(([{ table, end }, room]) => {
        const geometry = { sectorSize, size: (end + room) * sectorSize };
        return { table: fitTable(table, geometry), geometry };
      }),
  );
