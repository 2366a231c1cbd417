import test from 'ava';
import { RemetalError } from '../../src/errors/index.ts';
import type { GptTable, MbrTable } from '../../src/layout/index.ts';
import { describePlan } from '../../src/restore/plan-description.ts';
import { parsePlan, type Plan, type PlanStep } from '../../src/restore/plan-document.ts';
import { plan } from '../../src/restore/plan.ts';
import { inputOf, target, type SourceFacts } from './plan-inputs.ts';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
/** Sectors of a MiB. */
const M = 2048;
const linux = '0fc63daf-8483-4772-8e79-3d69d8477de4';
const esp = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
const biosBoot = '21686148-6449-6e6f-744e-656564454649';

function gpt(...parts: [start: number, length: number, type?: string][]): GptTable {
  return {
    kind: 'gpt',
    diskGuid: 'aaaaaaaa-0000-0000-0000-000000000001',
    entryCount: 128,
    entrySize: 128,
    firstUsable: 34,
    lastUsable: GiB / 512 - 34,
    partitions: parts.map(([start, length, type], index) => ({
      number: index + 1,
      start,
      length,
      type: type ?? linux,
      guid: `bbbbbbbb-0000-0000-0000-00000000000${index}`,
      name: '',
      attributes: '0'.repeat(16),
    })),
    protectiveMbr: '00'.repeat(66),
  };
}

const serverTable = gpt(
  [M, M, biosBoot],
  [2 * M, 32 * M, esp],
  [34 * M, 128 * M],
  [162 * M, 600 * M],
  [762 * M, 200 * M],
);

/** BIOS boot, ESP, ext4 /boot, ext4 root, swap: the server of the end-to-end rig. */
const server: Omit<SourceFacts, 'targets'> = {
  table: serverTable,
  size: GiB,
  types: { 'disk1.part2': 'fat32', 'disk1.part3': 'ext4', 'disk1.part4': 'ext4', 'disk1.part5': 'swap' },
  data: {
    'disk1.boot': [
      { start: 0, length: 512 },
      { start: 512, length: 4096 },
    ],
    'disk1.part4': [
      { start: 0, length: 8192 },
      { start: 64 * MiB, length: MiB },
    ],
    'disk1.part5': [{ start: 0, length: 4096 }],
  },
};

function kinds(made: Plan): string[] {
  return made.steps.map((member) => member.kind).filter((kind, index, all) => kind !== all[index - 1]);
}

function step<K extends PlanStep['kind']>(made: Plan, kind: K): Extract<PlanStep, { kind: K }>[] {
  return made.steps.filter(
    (candidate): candidate is Extract<PlanStep, { kind: K }> => candidate.kind === kind,
  );
}

function partitions(made: Plan): [number, number, number][] {
  const { table } = made.targets[0]!;
  return table.kind === 'none'
    ? []
    : table.partitions.map(({ number, start, length }) => [number, start, length]);
}

test('a server onto a larger disk: order, growth of the root, swap moved, EFI', (t) => {
  const made = plan(inputOf({ ...server, targets: [target({ size: 2 * GiB })], firmware: 'uefi' }));
  t.deepEqual(kinds(made), ['wipe', 'volume', 'grow', 'boot', 'table', 'efi', 'clear']);
  // 2 GiB less the backup table leaves 1085 MiB and a rest; growth is in whole MiB.
  const extra = 1085 * M;
  t.deepEqual(partitions(made), [
    [1, M, M],
    [2, 2 * M, 32 * M],
    [3, 34 * M, 128 * M],
    [4, 162 * M, 600 * M + extra],
    [5, 762 * M + extra, 200 * M],
  ]);
  const [grow] = step(made, 'grow');
  t.like(grow, {
    volume: 'disk1.part4',
    by: 'resize2fs',
    start: 162 * M,
    count: 600 * M + extra,
    oldCount: 600 * M,
  });
  t.deepEqual(
    step(made, 'volume').map(({ volume, bytes }) => [volume, bytes]),
    [
      ['disk1.part1', 0],
      ['disk1.part2', 0],
      ['disk1.part3', 0],
      ['disk1.part4', 8192 + MiB],
      ['disk1.part5', 4096],
    ],
  );
  const [boot] = step(made, 'boot');
  t.deepEqual(boot!.blank, [{ offset: 446, length: 66 }]);
  t.deepEqual(
    step(made, 'table').map(({ what, start }) => [what, start]),
    [
      ['second copy of the GPT entries', (2 * GiB) / 512 - 33],
      ['second copy of the GPT header', (2 * GiB) / 512 - 1],
      ['GPT entries', 2],
      ['GPT header', 1],
      ['protective boot record', 0],
    ],
  );
  t.like(step(made, 'efi')[0], { partition: 2, fallback: true, bootEntry: true });
  // The gap in front of the first partition, behind what the boot volume keeps.
  t.deepEqual(made.journal, { disk: 'disk1', start: M - 128, count: 128 });
  t.deepEqual(
    made.notices.map((notice) => notice.code),
    ['volume-grows', 'partitions-moved'],
  );
  t.is(made.bytes, 512 + 4096 + 8192 + MiB + 4096);
});

test('the same size: nothing moves; without EFI or a wish for it no boot entry', (t) => {
  const same = plan(inputOf({ ...server, targets: [target({ size: GiB })], firmware: 'bios' }));
  t.deepEqual(step(same, 'grow'), []);
  t.deepEqual(
    partitions(same),
    serverTable.partitions.map(({ number, start, length }) => [number, start, length]),
  );
  t.like(step(same, 'efi')[0], { bootEntry: false });
  const unwanted = inputOf({
    ...server,
    targets: [target({ size: GiB })],
    firmware: 'uefi',
    wishes: { bootEntry: false },
  });
  t.like(step(plan(unwanted), 'efi')[0], { bootEntry: false });
});

test('a machine whose firmware finds nothing to start is told', (t) => {
  const bare = { table: gpt([M, 100 * M]), size: GiB, targets: [target({ size: GiB })] };
  for (const [firmware, codes] of [
    ['uefi', ['no-efi-partition']],
    ['bios', ['no-boot-code']],
    [null, []],
  ] as const) {
    t.deepEqual(
      plan(inputOf({ ...bare, firmware })).notices.map((notice) => notice.code),
      [...codes],
    );
  }
});

test('a smaller target does as long as the partitions fit, and says by how much it fails', (t) => {
  const needed = 962 * M + 33;
  t.notThrows(() => plan(inputOf({ ...server, targets: [target({ size: needed * 512 })] })));
  const error = t.throws<RemetalError>(() =>
    plan(inputOf({ ...server, targets: [target({ size: (needed - 7) * 512 })] })),
  );
  t.like(error, { code: 'target-too-small' });
  t.like(error.facts, {
    missingSectors: 7,
    missingBytes: 7 * 512,
    neededSectors: needed,
    sectors: needed - 7,
  });
});

test('growing by name, none, and what cannot grow', (t) => {
  const targets = [target({ size: 2 * GiB })];
  const named = plan(inputOf({ ...server, targets, wishes: { grow: 'disk1.part3' } }));
  t.is(step(named, 'grow')[0]!.volume, 'disk1.part3');
  t.deepEqual(partitions(named)[4], [5, (762 + 1085) * M, 200 * M]);
  const swap = plan(inputOf({ ...server, targets, wishes: { grow: 'disk1.part5' } }));
  t.like(step(swap, 'grow')[0], { volume: 'disk1.part5', by: 'header' });
  t.deepEqual(step(plan(inputOf({ ...server, targets, wishes: { grow: 'none' } })), 'grow'), []);
  for (const [grow, code] of [
    ['disk1.part2', 'grow-impossible'],
    ['disk1.boot', 'grow-impossible'],
    ['nothing', 'volume-not-found'],
  ] as const) {
    t.like(
      t.throws<RemetalError>(() => plan(inputOf({ ...server, targets, wishes: { grow } }))),
      { code },
    );
  }
});

test('a small /boot in front of an LVM partition does not take the room, nor does anything before a BIOS boot partition', (t) => {
  const targets = [target({ size: 2 * GiB })];
  const lvm = plan(
    inputOf({
      table: gpt([M, 100 * M], [101 * M, 800 * M]),
      size: GiB,
      types: { 'disk1.part1': 'ext4', 'disk1.part2': 'lvm2-pv' },
      targets,
    }),
  );
  t.deepEqual(step(lvm, 'grow'), []);
  t.deepEqual(
    lvm.notices.map((notice) => notice.code),
    ['nothing-grows'],
  );
  const behind = {
    table: gpt([M, 100 * M], [101 * M, M, biosBoot]),
    size: GiB,
    types: { 'disk1.part1': 'ext4' },
    targets,
  };
  t.deepEqual(step(plan(inputOf(behind)), 'grow'), []);
  const error = t.throws<RemetalError>(() => plan(inputOf({ ...behind, wishes: { grow: 'disk1.part1' } })));
  t.is(error.code, 'grow-impossible');
});

const mbr: MbrTable = {
  kind: 'mbr',
  diskSignature: 7,
  partitions: [
    { number: 1, start: M, length: 300 * M, type: 0x83, active: true },
    { number: 2, start: 301 * M + 2046, length: 700 * M, type: 0x05, active: false },
    { number: 5, start: 302 * M, length: 400 * M, type: 0x83, active: false, ebr: 301 * M + 2046 },
    { number: 6, start: 703 * M, length: 100 * M, type: 0x82, active: false, ebr: 702 * M },
  ],
};

test('MBR: a growing logical partition stretches its container, a growing primary moves it', (t) => {
  const source = {
    table: mbr,
    size: GiB,
    types: { 'disk1.part1': 'ext4', 'disk1.part5': 'xfs', 'disk1.part6': 'swap' },
    targets: [target({ size: 2 * GiB })],
  };
  const logical = plan(inputOf(source));
  const extra = (2048 - 1002) * M;
  t.deepEqual(partitions(logical), [
    [1, M, 300 * M],
    [2, 301 * M + 2046, 700 * M + extra],
    [5, 302 * M, 400 * M + extra],
    [6, 703 * M + extra, 100 * M],
  ]);
  t.is(step(logical, 'grow')[0]!.by, 'xfs_growfs');
  const primary = plan(inputOf({ ...source, wishes: { grow: 'disk1.part1' } }));
  t.deepEqual(partitions(primary), [
    [1, M, 300 * M + extra],
    [2, 301 * M + 2046 + extra, 700 * M],
    [5, 302 * M + extra, 400 * M],
    [6, 703 * M + extra, 100 * M],
  ]);
  t.is(step(primary, 'table')[0]!.start, 301 * M + 2046 + extra);
});

test('MBR reaches no further than 2 TiB', (t) => {
  const made = plan(
    inputOf({
      table: { ...mbr, partitions: mbr.partitions.slice(0, 1) },
      size: GiB,
      types: { 'disk1.part1': 'ext4' },
      targets: [target({ size: 4096 * GiB })],
    }),
  );
  t.true(made.notices.some((notice) => notice.code === 'mbr-limit'));
  const [, start, length] = partitions(made)[0]!;
  t.is(start + length, Math.floor((0xffff_ffff - 301 * M) / M) * M + 301 * M);
});

test('a disk without a table: grown, or as it is with the journal behind it, or smaller where the file system is', (t) => {
  const source = { table: { kind: 'none' as const }, size: GiB, types: { 'disk1.whole': 'ext4' } };
  const grown = plan(inputOf({ ...source, targets: [target({ size: 2 * GiB })] }));
  t.like(step(grown, 'grow')[0], { start: 0, count: 2048 * M, oldCount: 1024 * M });
  t.is(grown.journal, null);
  t.deepEqual(kinds(grown), ['wipe', 'volume', 'grow']);
  const kept = plan(inputOf({ ...source, targets: [target({ size: 2 * GiB })], wishes: { grow: 'none' } }));
  t.deepEqual(kept.journal, { disk: 'disk1', start: 2048 * M - 128, count: 128 });
  const unknown = t.throws<RemetalError>(() =>
    plan(inputOf({ ...source, types: {}, targets: [target({ size: GiB - 512 })] })),
  );
  t.is(unknown.facts['missingSectors'], 1);
  const input = inputOf({ ...source, targets: [target({ size: 800 * MiB })] });
  const [whole] = input.layout.volumes;
  const small = {
    ...input,
    layout: {
      ...input.layout,
      volumes: [{ ...whole!, filesystem: { ...whole!.filesystem!, size: 800 * MiB } }],
    },
  };
  t.deepEqual(step(plan(small), 'volume')[0]!.segments, [{ disk: 'disk1', start: 0, count: 800 * M }]);
});

test('only chosen volumes: the table whole, the boot sectors with it, the others empty and said', (t) => {
  const made = plan(
    inputOf({ ...server, targets: [target({ size: GiB })], wishes: { volumes: ['disk1.part4'] } }),
  );
  t.deepEqual(
    [...step(made, 'volume'), ...step(made, 'boot')].map(({ volume }) => volume),
    ['disk1.part4', 'disk1.boot'],
  );
  t.is(partitions(made).length, 5);
  t.deepEqual(
    made.notices.map((notice) => notice.code),
    Array.from({ length: 4 }, () => 'volume-left-empty'),
  );
  t.deepEqual(step(made, 'efi'), []);
});

test('signatures of earlier contents are wiped wherever nothing is written', (t) => {
  const made = plan(inputOf({ ...server, targets: [target({ size: GiB })] }));
  const swap = step(made, 'wipe').find(({ what }) => what.endsWith('partition 5'));
  t.deepEqual(swap!.ranges, [
    { start: 762 * M + 8, count: M - 8 },
    { start: 961 * M, count: M },
  ]);
  // Both ends of the disk go whole, but for the journal: an earlier table must not stay in force.
  t.deepEqual(step(made, 'wipe')[0]!.ranges, [
    { start: 0, count: M - 128 },
    { start: 1023 * M, count: M },
  ]);
});

test('a set whose parts do not belong together is refused', (t) => {
  const input = inputOf({ ...server, targets: [target({ size: GiB })] });
  const refused = (changed: Partial<typeof input>): string =>
    t.throws<RemetalError>(() => plan({ ...input, ...changed })).code;
  const withMap = (facts: object): typeof input.maps =>
    input.maps.map((map) => (map.volume === 'disk1.part4' ? { ...map, ...facts } : map));
  t.is(refused({ maps: input.maps.slice(1) }), 'record-missing');
  t.is(refused({ maps: withMap({ size: 512 }) }), 'record-damaged');
  t.is(refused({ maps: withMap({ data: [{ start: 0, length: GiB }] }) }), 'record-damaged');
  t.is(refused({ maps: withMap({ data: [{ start: 3, length: 512 }] }) }), 'record-damaged');
  t.is(
    refused({
      maps: withMap({
        data: [
          { start: 512, length: 512 },
          { start: 0, length: 512 },
        ],
      }),
    }),
    'record-damaged',
  );
  const volumes = input.layout.volumes.map((volume) =>
    volume.id === 'disk1.part5' ? { ...volume, segments: input.layout.volumes[4]!.segments } : volume,
  );
  const maps = input.maps.map((map) =>
    map.volume === 'disk1.part5' ? { ...map, size: 600 * MiB, data: [] } : map,
  );
  t.is(refused({ layout: { ...input.layout, volumes }, maps }), 'layout-damaged');
  t.is(refused({ wishes: { ...input.wishes, volumes: ['nope'] } }), 'volume-not-found');
  t.is(refused({ wishes: { ...input.wishes, targets: { disk9: { only: true } } } }), 'target-not-found');
});

const hashOf = (facts: object, holds: string[] = []): string =>
  plan(
    inputOf({
      ...server,
      types: { 'disk1.part4': 'ntfs' },
      targets: [target({ size: 2 * GiB, path: '/dev/sda', ...facts }, { holds })],
      wishes: { release: ['all'] },
    }),
  ).hash;

test('the hash stays when a target is renamed or half written, and changes with another disk', (t) => {
  t.is(hashOf({}), hashOf({ path: '/dev/sdb' }, ['data of unknown kind']));
  t.not(hashOf({}), hashOf({ serial: 'S2' }));
  t.not(hashOf({ serial: null }), hashOf({ serial: null, path: '/dev/sdb' }));
});

test('a changed or unknown document is refused', (t) => {
  const made = plan(inputOf({ ...server, targets: [target({ size: GiB })] }));
  t.deepEqual(parsePlan(JSON.parse(JSON.stringify(made))), made);
  for (const json of [null, {}, { ...made, version: 2 }, { ...made, bytes: 1 }, { ...made, extra: 1 }]) {
    t.is(t.throws<RemetalError>(() => parsePlan(json)).code, 'plan-unreadable');
  }
});

test('the description names every step, every loss and the hash', (t) => {
  const made = plan(
    inputOf({
      ...server,
      targets: [target({ size: 2 * GiB, path: '/dev/vda', serial: 'XYZ' }, { holds: ['ext4 "old"'] })],
      wishes: { release: ['XYZ'] },
    }),
  );
  const lines = describePlan(made);
  t.true(lines.some((line) => line.includes('WILL BE LOST: ext4 "old"')));
  t.true(lines.some((line) => /grow disk1\.part4 \(ext4, resize2fs\): from 600 MiB to 1\.65 GiB/.test(line)));
  t.is(lines.filter((line) => /^ *\d+\. /.test(line)).length, made.steps.length);
  t.is(lines.at(-1), `plan ${made.hash}`);
});
