import test from 'ava';
import fc from 'fast-check';
import {
  assembleVolumes,
  type NetwareVolume,
  type VolumeTableEntry,
} from '../../../src/layout/netware/index.ts';
import { entriesOf } from '../../../src/layout/netware/arrangement.ts';
import type { TableOfPartition } from '../../../src/layout/netware/volumes.ts';
import { volumeOn } from './made.ts';

const volume = volumeOn('VOL1', 4, [
  [0, 160, 100],
  [1, 160, 200],
  [0, 8000, 50],
]);

/** The tables of two partitions with these entries changed. */
function tables(
  change: (entry: VolumeTableEntry, position: number) => VolumeTableEntry[],
  volumes: readonly NetwareVolume[] = [volume],
): TableOfPartition[] {
  const entries: VolumeTableEntry[][] = [[], []];
  for (const { partition, entry } of volumes.flatMap(entriesOf)) {
    entries[partition]!.push(...change(entry, entry.position));
  }
  return entries.map((list, index) => ({
    name: `disk${index + 1} partition 1`,
    entries: list,
    faults: list.map(() => null),
  }));
}

test('segments in any order on any partition become the volume', (t) => {
  const { volumes, broken, notices } = assembleVolumes(tables((entry) => [entry]));
  t.deepEqual([volumes, broken, notices], [[volume], [], []]);
});

for (const [what, change, reasons] of [
  [
    'missing',
    (entry: VolumeTableEntry, position: number) => (position === 1 ? [] : [entry]),
    ['segment 2 of 3 is missing'],
  ],
  [
    'doubled',
    (entry: VolumeTableEntry, position: number) =>
      position === 2 ? [entry, { ...entry, start: 12_000 }] : [entry],
    [
      'segment 3 of 3 is there 2 times: on disk1 partition 1 at sector 8000 and on disk1 partition 1 at sector 12000',
    ],
  ],
  [
    'contradicting at their start',
    (entry: VolumeTableEntry, position: number) => [position === 0 ? { ...entry, firstBlock: 1 } : entry],
    ['its first segment begins at block 1'],
  ],
  [
    'contradicting in their order',
    (entry: VolumeTableEntry, position: number) => [position === 1 ? { ...entry, firstBlock: 320 } : entry],
    [
      'segment 1 has room for 100 blocks where 320 are claimed for it',
      'segment 2 ends at the block it begins with, 320',
    ],
  ],
  [
    'too short for their blocks',
    (entry: VolumeTableEntry, position: number) => [position === 2 ? { ...entry, sectors: 799 } : entry],
    ['segment 3 has room for 49 blocks where 50 are claimed for it'],
  ],
  [
    'overlapping',
    (entry: VolumeTableEntry, position: number) => [position === 2 ? { ...entry, start: 1700 } : entry],
    ['segment 1 of VOL1 and segment 3 of VOL1 overlap at sector 1700 of disk1 partition 1'],
  ],
] as const) {
  test(`segments that are ${what} are named`, (t) => {
    const { volumes, broken, notices } = assembleVolumes(tables(change));
    t.deepEqual([volumes, broken], [[], [{ name: 'VOL1', reasons: [...reasons] }]]);
    t.is(notices.length, 1);
    t.true(notices[0]!.message.includes(reasons[0]));
  });
}

test('an overlap breaks both volumes it touches and no other', (t) => {
  const others = [
    volumeOn('A', 3, [[0, 1000, 100]]),
    volumeOn('B', 3, [[0, 1100, 100]]),
    volumeOn('C', 3, [[0, 4000, 1]]),
  ];
  const { volumes, broken } = assembleVolumes(tables((entry) => [entry], others));
  t.deepEqual(
    [volumes.map(({ definition }) => definition.name), broken.map(({ name }) => name)],
    [['C'], ['A', 'B']],
  );
});

test('an entry that is wrong by itself breaks its volume and no other', (t) => {
  const made = tables((entry) => [entry], [volume, volumeOn('SYS', 3, [[0, 30_000, 100]])]);
  const faults = made[0]!.entries.map(({ name, position }) =>
    name === 'VOL1' && position === 2 ? 'a thing' : null,
  );
  const { volumes, broken } = assembleVolumes([{ ...made[0]!, faults }, made[1]!]);
  t.deepEqual(
    volumes.map(({ definition }) => definition.name),
    ['SYS'],
  );
  t.deepEqual(broken, [{ name: 'VOL1', reasons: ['disk1 partition 1 names a thing'] }]);
});

test('volumes of two servers that share a name stay apart', (t) => {
  const both = [volumeOn('SYS', 3, [[0, 160, 100]]), volumeOn('SYS', 4, [[1, 160, 200]])];
  const { volumes, broken, notices } = assembleVolumes(tables((entry) => [entry], both));
  t.deepEqual([volumes, broken], [both, []]);
  t.regex(notices[0]!.message, /SYS stands for 2 volumes/);
});

test('room that is not used, and flags that differ, are told and stop nothing', (t) => {
  const { volumes, notices } = assembleVolumes(
    tables((entry, position) => [position === 2 ? { ...entry, sectors: 900, flags: 1, sync: 9 } : entry]),
  );
  t.is(volumes[0]!.segments[2]!.sectors, 900);
  t.is(volumes[0]!.segments[2]!.blocks, 50);
  t.deepEqual(
    notices.map(({ level }) => level),
    ['info', 'info'],
  );
});

function few(max: number): fc.Arbitrary<number> {
  return fc.integer({ min: 0, max });
}

test('whatever the tables say, volumes come out whole or broken, and lie inside their segments', (t) => {
  const entry: fc.Arbitrary<VolumeTableEntry> = fc.record({
    name: fc.constantFrom('SYS', 'VOL1'),
    sync: few(2),
    blockShift: fc.constant(3),
    segments: fc.integer({ min: 1, max: 2 }),
    position: few(1),
    flags: few(1),
    start: few(600),
    sectors: few(200),
    blocks: fc.constantFrom(4, 4, 4, 9),
    firstBlock: fc.constantFrom(0, 0, 2, 5),
    firstFat: fc.constant(0),
    mirrorFat: fc.constant(0),
    firstDirectory: fc.constant(0),
    mirrorDirectory: fc.constant(0),
  });
  let whole = 0;
  fc.assert(
    fc.property(fc.array(fc.array(entry, { maxLength: 4 }), { maxLength: 3 }), (lists) => {
      const made = lists.map((entries, index) => ({
        name: String(index),
        entries,
        faults: entries.map(() => null),
      }));
      const { volumes, broken } = assembleVolumes(made);
      whole += volumes.length;
      for (const { definition, segments } of volumes) {
        let firstBlock = 0;
        for (const segment of segments) {
          t.is(segment.firstBlock, firstBlock);
          t.true(segment.blocks > 0 && segment.blocks * 2 ** definition.blockShift <= segment.sectors);
          firstBlock += segment.blocks;
        }
        t.is(firstBlock, definition.blocks);
      }
      t.true(broken.every(({ reasons }) => reasons.length > 0));
    }),
    { numRuns: 5000 },
  );
  t.true(whole > 20, `${whole}`);
});
