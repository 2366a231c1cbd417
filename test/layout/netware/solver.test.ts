import test from 'ava';
import fc from 'fast-check';
import { RemetalError } from '../../../src/errors/index.ts';
import {
  assembleVolumes,
  sectorsPerBlock,
  solve,
  volumeTables,
  type NetwareVolume,
  type ShapeWishes,
  type SolverTarget,
  type VolumeWish,
} from '../../../src/layout/netware/index.ts';
import { definitionOf, volumeOn } from './made.ts';

interface Problem {
  readonly volumes: VolumeWish[];
  readonly targets: SolverTarget[];
  readonly wishes: ShapeWishes;
}

function named(index: number): string {
  return index === 0 ? 'SYS' : `VOL${index}`;
}

/** Volumes and targets of any size; up to `most` volumes. */
function problems(most: number, anyKept = true): fc.Arbitrary<Problem> {
  const volume = fc.record({
    blockShift: fc.integer({ min: 3, max: 7 }),
    blocks: fc.integer({ min: 4, max: 3000 }),
    more: fc.integer({ min: 0, max: 50 }),
    fill: fc.boolean(),
  });
  const target = fc.record({
    dataSectors: fc.integer({ min: 0, max: 200_000 }),
    kept: fc.constantFrom([], [], [{ start: 5000, sectors: 3001 }]),
  });
  return fc
    .record({
      volumes: fc.array(volume, { minLength: 1, maxLength: most }),
      targets: fc.array(target, { minLength: 1, maxLength: 6 }),
      shape: fc.constantFrom<ShapeWishes['shape']>('packed', 'spread'),
      sysFirst: fc.boolean(),
    })
    .map(({ volumes, targets, shape, sysFirst }) => ({
      volumes: volumes.map(({ blockShift, blocks, more, fill }, index) => ({
        definition: definitionOf(named(index), blockShift, blocks),
        blocks: blocks + more,
        fill,
      })),
      targets: targets.map(({ dataSectors, kept }, index) => ({
        name: `disk${index + 1} partition 1`,
        dataSectors,
        kept: anyKept && dataSectors > 8001 ? kept : [],
      })),
      wishes: { shape, sysFirst },
    }));
}

function attempt({ volumes, targets, wishes }: Problem): NetwareVolume[] | RemetalError {
  try {
    return solve(volumes, targets, wishes);
  } catch (error) {
    if (error instanceof RemetalError) return error;
    throw error;
  }
}

function missingOf(error: RemetalError): number {
  const missing = error.facts['missingSectors'];
  if (typeof missing !== 'number') throw new Error('no missing sectors');
  return missing;
}

function byName(list: readonly NetwareVolume[]): NetwareVolume[] {
  return list.toSorted((a, b) => a.definition.name.localeCompare(b.definition.name));
}

/** What is wrong with an answer, or null. */
function faultOf({ volumes, targets, wishes }: Problem, solved: readonly NetwareVolume[]): string | null {
  const claims = targets.map(({ kept = [] }) => kept.map(({ start, sectors }) => ({ start, sectors })));
  for (const [index, { definition, segments }] of solved.entries()) {
    const wish = volumes[index]!;
    const perBlock = sectorsPerBlock(definition.blockShift);
    if (definition.name !== wish.definition.name) return 'another volume';
    if (definition.blocks < (wish.blocks ?? wish.definition.blocks)) return 'too few blocks';
    if (wish.fill !== true && definition.blocks !== wish.blocks) return 'more blocks than asked for';
    if (segments.length > 32) return 'more than 32 segments';
    let firstBlock = 0;
    for (const segment of segments) {
      if (segment.firstBlock !== firstBlock || segment.sectors !== segment.blocks * perBlock) return 'a gap';
      if (wishes.sysFirst && definition.name === 'SYS' && segment.partition !== 0) return 'SYS elsewhere';
      firstBlock += segment.blocks;
      claims[segment.partition]!.push(segment);
    }
    if (firstBlock !== definition.blocks) return 'blocks that are in no segment';
  }
  for (const [target, list] of claims.entries()) {
    if (list.length > 8) return 'more than 8 segments';
    let end = 160;
    for (const { start, sectors } of list.toSorted((a, b) => a.start - b.start)) {
      if (start < end) return 'an overlap';
      end = start + sectors;
    }
    if (list.length > 0 && end > targets[target]!.dataSectors) return 'beyond the end';
  }
  return null;
}

test('answers never overlap, are always enough, keep the limits, and are the same each time', (t) => {
  let solved = 0;
  fc.assert(
    fc.property(problems(12), (problem) => {
      const answer = attempt(problem);
      t.deepEqual(attempt(problem), answer);
      if (answer instanceof RemetalError) {
        t.is(answer.code, 'target-too-small');
        t.true(missingOf(answer) > 0);
        return;
      }
      solved++;
      const fault = faultOf(problem, answer);
      if (fault !== null) t.fail(fault);
    }),
    { numRuns: 1500 },
  );
  t.true(solved > 300, `${solved}`);
});

test('as many sectors more as are said to be missing are enough', (t) => {
  fc.assert(
    fc.property(problems(8, false), (problem) => {
      const answer = attempt(problem);
      if (!(answer instanceof RemetalError)) return;
      const missing = missingOf(answer);
      const grown = (by: number): Problem => {
        const [first, ...rest] = problem.targets;
        const base = Math.max(160, Math.ceil(first!.dataSectors / 8) * 8);
        return { ...problem, targets: [{ ...first!, dataSectors: base + by }, ...rest] };
      };
      const enough = attempt(grown(missing));
      if (enough instanceof RemetalError) t.fail(`${missing} more are not enough: ${enough.message}`);
      else t.is(faultOf(grown(missing), enough), null);
    }),
    { numRuns: 1500 },
  );
});

test('as long as segments are not what is short, what fits in blocks is placed', (t) => {
  // Rooms are cut to fit what was dealt to them, so that an answer exists by construction.
  const deal = fc.record({
    shifts: fc.array(fc.integer({ min: 3, max: 7 }), { minLength: 1, maxLength: 8 }),
    dealt: fc.array(fc.array(fc.nat(200), { minLength: 8, maxLength: 8 }), { minLength: 1, maxLength: 5 }),
    shape: fc.constantFrom<ShapeWishes['shape']>('packed', 'spread'),
  });
  fc.assert(
    fc.property(deal, ({ shifts, dealt, shape }) => {
      const volumes = shifts.map((blockShift, index) => {
        const blocks = dealt.reduce((sum, list) => sum + list[index]!, 0);
        return {
          definition: definitionOf(named(index), blockShift, Math.max(1, blocks)),
          blocks: Math.max(1, blocks),
        };
      });
      if (volumes.some((_, index) => dealt.every((list) => list[index] === 0))) return;
      const targets = dealt.map((list, index) => ({
        name: `disk${index + 1}`,
        dataSectors: 160 + shifts.reduce((sum, shift, volume) => sum + list[volume]! * 2 ** shift, 0),
      }));
      const problem = { volumes, targets, wishes: { shape, sysFirst: false } };
      const answer = attempt(problem);
      if (answer instanceof RemetalError) t.fail(answer.message);
      else t.is(faultOf(problem, answer), null);
    }),
    { numRuns: 1500 },
  );
});

test('answers round-trip through tables written and put together again', (t) => {
  fc.assert(
    fc.property(problems(6), ({ volumes, targets, wishes }) => {
      const bare = targets.map((target) => ({ ...target, kept: [] }));
      const answer = attempt({ volumes, targets: bare, wishes });
      if (answer instanceof RemetalError) return;
      const tables = volumeTables(answer, bare);
      const again = assembleVolumes(
        tables.map((entries, index) => ({
          name: bare[index]!.name,
          entries,
          faults: entries.map(() => null),
        })),
      );
      t.deepEqual(byName(again.volumes), byName(answer));
      t.deepEqual([again.broken, again.notices], [[], []]);
    }),
    { numRuns: 300 },
  );
});

const two: SolverTarget[] = [
  { name: 'disk1 partition 1', dataSectors: 50_160 },
  { name: 'disk2 partition 1', dataSectors: 50_160 },
];

test('packed keeps volumes whole where they fit', (t) => {
  const volumes = [3000, 3200, 3000, 3000].map((blocks, index) => ({
    definition: definitionOf(named(index), 3, blocks),
  }));
  const answer = solve(volumes, two, { shape: 'packed', sysFirst: true });
  t.deepEqual(
    answer.map(({ segments }) => segments.map(({ partition, start, blocks }) => [partition, start, blocks])),
    [[[0, 160, 3000]], [[0, 24_160, 3200]], [[1, 160, 3000]], [[1, 24_160, 3000]]],
  );
});

test('spread shares every volume out, SYS on the first disk apart', (t) => {
  const volumes = [1000, 2000].map((blocks, index) => ({
    definition: definitionOf(named(index), 3, blocks),
  }));
  const answer = solve(volumes, two, { shape: 'spread', sysFirst: true });
  t.deepEqual(
    answer.map(({ segments }) => segments.map(({ partition, blocks }) => [partition, blocks])),
    [
      [[0, 1000]],
      [
        [0, 914],
        [1, 1086],
      ],
    ],
  );
  const free = solve(volumes, two, { shape: 'spread', sysFirst: false });
  t.deepEqual(
    free[0]!.segments.map(({ partition, blocks }) => [partition, blocks]),
    [
      [0, 500],
      [1, 500],
    ],
  );
});

test('a volume that fills takes all that is left, where it is and where nothing is', (t) => {
  const volumes = [
    { definition: definitionOf('SYS', 3, 1000) },
    { definition: definitionOf('VOL1', 4, 1000), fill: true },
  ];
  const answer = solve(volumes, two, { shape: 'packed', sysFirst: true });
  t.deepEqual(
    answer.map(({ definition, segments }) => [definition.blocks, segments.length, definition.sync]),
    [
      [1000, 1, 0],
      [2625 + 3125, 2, 1],
    ],
  );
});

test('SYS that does not fit on the first disk is said so', (t) => {
  const volumes = [{ definition: definitionOf('SYS', 3, 7000) }];
  const error = t.throws(() => solve(volumes, two, { shape: 'packed', sysFirst: true }), {
    code: 'target-too-small',
  });
  t.like(error, { facts: { missingSectors: 6000, volumes: ['SYS'] } });
  t.regex(error.message, /^No room on disk1 partition 1 for SYS: 6000 sectors/);
  t.is(solve(volumes, two, { shape: 'packed', sysFirst: false })[0]!.segments.length, 2);
});

test('too many volumes for the segments of a partition are said so', (t) => {
  const volumes = Array.from({ length: 9 }, (_, index) => ({
    definition: definitionOf(named(index), 3, 10),
  }));
  const error = t.throws(() => solve(volumes, two.slice(0, 1), { shape: 'packed', sysFirst: true }), {
    code: 'target-too-small',
  });
  t.like(error, { facts: { segmentsShort: true, missingSectors: 80, volumes: ['VOL8'] } });
  t.is(solve(volumes, two, { shape: 'packed', sysFirst: true }).length, 9);
});

const before = [
  volumeOn('SYS', 3, [[0, 160, 1000]]),
  volumeOn('VOL1', 4, [
    [1, 160, 2000],
    [0, 36_000, 400],
    [0, 16_000, 800],
  ]),
];
const asBefore: VolumeWish[] = before.map(({ definition, segments }) => ({ definition, before: segments }));

test('the same shape is the same, to the sector, where it fits', (t) => {
  t.deepEqual(solve(asBefore, two, { shape: 'same', sysFirst: true }), before);
  const wide = two.map((target) => ({ ...target, dataSectors: 90_000 }));
  t.deepEqual(solve(asBefore, wide, { shape: 'same', sysFirst: true }), before);
});

test('the same shape moves together where it would not fit otherwise', (t) => {
  const tight = [{ ...two[0]!, dataSectors: 160 + 8000 + 12_800 + 6400 }, two[1]!];
  const answer = solve(asBefore, tight, { shape: 'same', sysFirst: true });
  t.deepEqual(
    answer.map(({ segments }) => segments.map(({ partition, start, blocks }) => [partition, start, blocks])),
    [
      [[0, 160, 1000]],
      [
        [1, 160, 2000],
        [0, 20_960, 400],
        [0, 8160, 800],
      ],
    ],
  );
  const short = [{ ...tight[0]!, dataSectors: tight[0]!.dataSectors - 1 }, two[1]!];
  const error = t.throws(() => solve(asBefore, short, { shape: 'same', sysFirst: true }), {
    code: 'target-too-small',
  });
  t.like(error, { facts: { missingSectors: 1 } });
  const single = t.throws(() => solve(asBefore, two.slice(0, 1), { shape: 'same', sysFirst: true }), {
    code: 'target-too-small',
  });
  t.like(single, { facts: { missingSectors: 32_000 } });
});

test('the same shape grows where a volume asks for it', (t) => {
  const [sys, vol1] = asBefore;
  const more = solve([sys!, { ...vol1!, blocks: 3300 }], two, { shape: 'same', sysFirst: true });
  t.deepEqual(
    more[1]!.segments.map(({ blocks }) => blocks),
    [2000, 400, 900],
  );
  const filled = solve([sys!, { ...vol1!, fill: true }], two, { shape: 'same', sysFirst: true });
  t.deepEqual(
    filled[1]!.segments.map(({ start, sectors }) => [start, sectors]),
    [
      [160, 50_000],
      [36_000, 14_160],
      [16_000, 20_000],
    ],
  );
  t.deepEqual(filled[0], before[0]);
});
