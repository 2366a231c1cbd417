import { readFileSync } from 'node:fs';
import test from 'ava';
import { findingKinds, openNetwareVolume, type FindingCode } from '../../../src/filesystem/netware/index.ts';
import type { VolumeDefinition } from '../../../src/layout/netware/index.ts';
import { memoryDevice } from '../devices.ts';
import { named, recordOf, VolumeMaker, type Field } from './maker.ts';
import { all } from './volumes.ts';

const none = 0xff_ff_ff_ff;
const block4k = 4096;

function fileRecord(number: number, name: string, ...fields: readonly Field[]): Buffer {
  return named(0, 0, name, [52, 4, none], [120, 4, number], ...fields);
}

/** A sound volume: two files of three blocks, a directory, trustees, a deleted file, LONG names, tails. */
class Sound {
  readonly maker = new VolumeMaker({ volumeFlags: 0x32, nameSpaces: [0, 4], records: 192 });
  readonly a = this.maker.store(Buffer.alloc(3 * block4k, 'a'));
  readonly b = this.maker.store(Buffer.alloc(3 * block4k, 'b'));
  readonly gone = this.maker.store(Buffer.alloc(block4k, 'g'));
  readonly pieces = this.maker.store(Buffer.alloc(block4k, 'p'));
  readonly spare = this.maker.free();
  definition: VolumeDefinition = this.maker.definition;

  constructor() {
    const { maker } = this;
    maker.roots(10, [4]);
    maker.put(20, recordOf([0, 4, 0xff_ff_ff_fb], [16 + 4, 4, this.pieces]));
    maker.record(0).writeUInt32LE(20, 120);
    maker.put(1, fileRecord(1, 'A', [48, 4, 3 * block4k], [52, 4, this.a], [124, 4, 5]));
    maker.put(2, fileRecord(2, 'B', [48, 4, 3 * block4k], [52, 4, this.b], [124, 4, 6]));
    maker.put(3, named(0, 0, 'DIR', [4, 4, 0x10], [9, 1, 0x14], [44, 4, 64], [120, 4, 3], [124, 4, 7]));
    maker.put(4, fileRecord(4, 'T', [48, 4, 300], [52, 4, (0x81 * 2 ** 24) >>> 0], [124, 4, 8]));
    for (const [number, of] of [
      [5, 1],
      [6, 2],
      [7, 3],
      [8, 4],
    ] as const)
      maker.put(number, named(0, 4, `long ${of}`, [120, 4, of]));
    maker.put(
      64,
      recordOf([0, 4, 0xff_ff_ff_fe], [9, 1, 1], [12, 4, 0], [20, 4, 3], [24, -4, 5], [88, 2, 1]),
    );
    maker.put(65, recordOf([0, 4, 0xff_ff_ff_fc], [9, 1, 1], [16, -4, 5], [72, 4, 9]));
    maker.put(96, named(3, 0, 'INNER', [52, 4, none], [120, 4, 96], [124, 4, 97]));
    maker.put(97, named(3, 4, 'inner', [120, 4, 96]));
    maker.put(
      128,
      fileRecord(
        128,
        'GONE',
        [9, 1, 0x28],
        [48, 4, 100],
        [52, 4, this.gone],
        [104, 4, 0x2000_0000 + (1 << 21) + (1 << 16)],
        [124, 4, 129],
      ),
    );
    maker.put(129, named(0, 4, 'gone', [9, 1, 0x20], [120, 4, 128]));
  }

  record(number: number, ...fields: readonly Field[]): void {
    const record = this.maker.record(number);
    for (const [offset, width, value] of fields) {
      if (width === -4) record.writeUInt32BE(value, offset);
      else record.writeUIntLE(value, offset, width);
    }
  }
}

interface Case {
  readonly code: FindingCode;
  readonly title: string;
  readonly damage: (sound: Sound) => void;
  /** Damage to the bytes of the finished volume. */
  readonly after?: (sound: Sound) => void;
  /** What else comes of it. */
  readonly also?: readonly FindingCode[];
}

const cases: readonly Case[] = [
  {
    code: 'volume-definition',
    title: 'a gap between segments',
    damage: (s) => {
      s.definition = {
        ...s.definition,
        segments: [
          { firstBlock: 0, blocks: 100 },
          { firstBlock: 101, blocks: 155 },
        ],
      };
    },
  },
  {
    code: 'volume-definition',
    title: 'segments shorter than the volume',
    damage: (s) => {
      s.definition = { ...s.definition, segments: [{ firstBlock: 0, blocks: 255 }] };
    },
  },
  {
    code: 'volume-definition',
    title: 'blocks of an odd size',
    damage: (s) => {
      s.definition = { ...s.definition, blockShift: 12 };
    },
  },
  {
    code: 'fat-pointers',
    title: 'one FAT for both',
    damage: (s) => {
      s.definition = { ...s.definition, mirrorFat: 0 };
    },
    also: ['blocks-lost'],
  },
  {
    code: 'fat-pointers',
    title: 'a mirror FAT outside the volume',
    damage: (s) => {
      s.definition = { ...s.definition, mirrorFat: 4000 };
    },
    also: ['blocks-lost'],
  },
  { code: 'fat-chain', title: 'a FAT that goes on', damage: (s) => s.maker.setEntry(0, 0, 50), also: [] },
  { code: 'fat-chain', title: 'a FAT with a wrong number', damage: (s) => s.maker.setEntry(64, 3, none) },
  {
    code: 'fat-link',
    title: 'an entry of no file that leads outside',
    damage: (s) => s.maker.setEntry(s.spare, 0, 5000),
    also: ['blocks-lost'],
  },
  {
    code: 'fat-free-index',
    title: 'a free block with a number',
    damage: (s) => s.maker.setEntry(s.spare, 7, 0),
  },
  {
    code: 'fat-copies-differ',
    title: 'a stale mirror',
    damage: () => {},
    after: (s) => s.maker.bytes.writeUInt32LE(none, 64 * block4k + s.spare * 8 + 4),
    also: ['blocks-lost'],
  },
  {
    code: 'directory-copies-differ',
    title: 'a stale mirror directory',
    damage: () => {},
    after: (s) => s.maker.bytes.writeUInt32LE(7, s.definition.mirrorDirectory * block4k + 128 + 32),
  },
  {
    code: 'directory-chain',
    title: 'a mirror directory that ends early',
    damage: (s) => s.maker.setEntry(s.definition.mirrorDirectory, 0, none),
    also: ['blocks-lost'],
  },
  {
    code: 'directory-chain',
    title: 'a directory that leads into a free block',
    damage: (s) => s.maker.setEntry(s.definition.firstDirectory, 0, s.spare),
    also: ['blocks-lost'],
  },
  {
    code: 'directory-chain',
    title: 'a directory that ends in a tail',
    damage: (s) => s.maker.setEntry(s.definition.mirrorDirectory + 5, 5, 0x8100_0000),
  },
  {
    code: 'directory-chain',
    title: 'one directory for both',
    damage: (s) => {
      s.definition = { ...s.definition, mirrorDirectory: s.definition.firstDirectory };
    },
    also: ['block-doubled', 'blocks-lost'],
  },
  {
    code: 'root-record',
    title: 'no root',
    damage: (s) => s.record(0, [0, 4, 7]),
    also: ['suballocation-records', 'record-page-mixed'],
  },
  { code: 'root-flags', title: 'a volume flag nobody knows', damage: (s) => s.record(0, [23, 1, 0x72]) },
  {
    code: 'name-spaces',
    title: 'two times the same name space',
    damage: (s) => s.record(0, [11, 1, 3], [17, 1, 4]),
  },
  {
    code: 'name-spaces',
    title: 'a name space without a root record',
    damage: (s) => s.record(0, [11, 1, 3], [17, 1, 2]),
  },
  {
    code: 'name-spaces',
    title: 'name spaces without DOS',
    damage: (s) => s.record(0, [16, 1, 0x24]),
  },
  {
    code: 'record-type',
    title: 'a record of no known type',
    damage: (s) => s.record(30, [0, 4, 0xff_00_00_01]),
  },
  {
    code: 'record-parent',
    title: 'a parent beyond the directory',
    damage: (s) => s.record(1, [0, 4, 100_000]),
    also: ['record-page-mixed', 'record-orphan', 'blocks-lost', 'record-links'],
  },
  {
    code: 'record-orphan',
    title: 'a parent that is a file',
    damage: (s) => {
      s.record(96, [0, 4, 1]);
      s.record(97, [0, 4, 1]);
    },
  },
  {
    code: 'record-loop',
    title: 'a directory in itself',
    damage: (s) => s.record(3, [0, 4, 3]),
    also: ['record-page-mixed'],
  },
  {
    code: 'record-name-space',
    title: 'a name space of 11',
    damage: (s) => s.record(97, [10, 1, 11]),
    also: ['record-links'],
  },
  { code: 'record-name', title: 'a lower-case DOS name', damage: (s) => s.record(1, [12, 1, 0x61]) },
  { code: 'record-name', title: 'a name with a dot first', damage: (s) => s.record(1, [12, 1, 0x2e]) },
  { code: 'record-name', title: 'a DOS name without an end', damage: (s) => s.record(1, [11, 1, 200]) },
  { code: 'record-name', title: 'a LONG name in four extents', damage: (s) => s.record(97, [96, 1, 4]) },
  { code: 'record-trustees', title: '17 trustees', damage: (s) => s.record(64, [9, 1, 17]) },
  {
    code: 'record-trustees',
    title: 'rights that do not exist',
    damage: (s) => s.record(64, [88, 2, 0x2_00]),
  },
  {
    code: 'record-trustees',
    title: 'trustees of another',
    damage: (s) => s.record(64, [20, 4, 1]),
  },
  { code: 'record-restriction', title: '15 limits', damage: (s) => s.record(65, [9, 1, 15]) },
  {
    code: 'record-restriction',
    title: 'a limit with a value too many',
    damage: (s) => s.record(65, [4, 4, 15]),
  },
  {
    code: 'record-page',
    title: 'trustees on a foreign page',
    damage: (s) => {
      s.maker.put(98, s.maker.record(64));
      s.record(64, [0, 4, none]);
      s.maker.record(64).fill(0, 4);
      s.record(3, [44, 4, 98]);
    },
  },
  {
    code: 'record-page',
    title: 'a deleted file among live ones',
    damage: (s) => s.record(2, [9, 1, 0x38]),
    also: ['record-page-mixed'],
  },
  {
    code: 'record-page-mixed',
    title: 'files of two directories on a page',
    damage: (s) => {
      s.maker.put(30, named(3, 0, 'OTHER', [52, 4, none], [120, 4, 30]));
    },
  },
  { code: 'record-free', title: 'a free record that is not empty', damage: (s) => s.record(50, [40, 4, 1]) },
  {
    code: 'record-links',
    title: 'a name of another file',
    damage: (s) => s.record(5, [120, 4, 2]),
  },
  { code: 'record-links', title: 'a list of names that goes round', damage: (s) => s.record(5, [124, 4, 5]) },
  { code: 'record-links', title: 'a record that is another', damage: (s) => s.record(1, [120, 4, 2]) },
  { code: 'record-doubled-name', title: 'one name for two files', damage: (s) => s.record(2, [12, 1, 0x41]) },
  { code: 'record-date', title: 'a date in month 15', damage: (s) => s.record(1, [40, 4, 0x21_e1_00_00]) },
  {
    code: 'chain-range',
    title: 'a chain that leaves the volume',
    damage: (s) => s.maker.setEntry(s.a, 0, 9999),
    also: ['fat-link', 'blocks-lost'],
  },
  {
    code: 'chain-range',
    title: 'a file that begins outside the volume',
    damage: (s) => s.record(1, [52, 4, 256]),
    also: ['blocks-lost'],
  },
  {
    code: 'chain-free',
    title: 'a chain that leads into a free block',
    damage: (s) => s.maker.setEntry(s.a, 0, s.spare),
    also: ['blocks-lost'],
  },
  {
    code: 'chain-index',
    title: 'a chain that goes round',
    damage: (s) => s.maker.setEntry(s.a + 1, 1, s.a),
    also: ['blocks-lost'],
  },
  {
    code: 'chain-index',
    title: 'numbers that do not rise',
    damage: (s) => s.maker.setEntry(s.a + 2, 1, none),
    also: ['blocks-lost'],
  },
  {
    code: 'block-doubled',
    title: 'two files share a block',
    damage: (s) => s.maker.setEntry(s.a + 1, 1, s.b + 2),
    also: ['blocks-lost'],
  },
  {
    code: 'block-doubled',
    title: 'a file in the FAT',
    damage: (s) => s.record(1, [52, 4, 0x40]),
    also: ['blocks-lost'],
  },
  { code: 'beyond-size', title: 'a file longer than its size', damage: (s) => s.record(1, [48, 4, 100]) },
  { code: 'beyond-size', title: 'a tail behind the end', damage: (s) => s.record(4, [48, 4, 0]) },
  {
    code: 'blocks-lost',
    title: 'a block in use by nobody',
    damage: (s) => s.maker.setEntry(s.spare, 0, none),
  },
  {
    code: 'suballocation-records',
    title: 'no suballocation record',
    damage: (s) => s.record(0, [120, 4, 0]),
  },
  {
    code: 'suballocation-records',
    title: 'a sequence of 3',
    damage: (s) => s.record(20, [9, 1, 3]),
    also: ['tail-range', 'blocks-lost'],
  },
  {
    code: 'suballocation-records',
    title: 'a head of no size',
    damage: (s) => s.record(20, [16, 4, s.spare]),
  },
  {
    code: 'suballocation-off',
    title: 'a tail without suballocation',
    damage: (s) => s.record(0, [23, 1, 0x30]),
  },
  {
    code: 'suballocation-chain',
    title: 'pieces in a free block',
    damage: (s) => s.maker.setEntry(s.pieces, 0, 0),
    also: ['tail-range'],
  },
  {
    code: 'suballocation-chain',
    title: 'pieces of two sizes in one chain',
    damage: (s) => s.record(20, [16 + 8, 4, s.pieces]),
  },
  {
    code: 'suballocation-chain',
    title: 'pieces with a hole',
    damage: (s) => s.maker.setEntry(s.pieces, 1, none),
    also: ['tail-range', 'blocks-lost'],
  },
  {
    code: 'tail-range',
    title: 'a piece beyond its chain',
    damage: (s) => s.record(4, [52, 4, (0x81 * 2 ** 24 + 8) >>> 0]),
  },
  {
    code: 'tail-range',
    title: 'pieces as large as a block',
    damage: (s) => s.record(4, [52, 4, (0x88 * 2 ** 24) >>> 0]),
  },
  {
    code: 'tail-doubled',
    title: 'two files share a piece',
    damage: (s) => s.record(2, [52, 4, (0x81 * 2 ** 24) >>> 0], [48, 4, 200]),
    also: ['blocks-lost'],
  },
  { code: 'tail-short', title: 'a tail smaller than the rest', damage: (s) => s.record(4, [48, 4, 600]) },
  {
    code: 'tail-forbidden',
    title: 'a transactional file with a tail',
    damage: (s) => s.record(4, [4, 4, 0x1000]),
  },
];

test('the sound volume is sound', async (t) => {
  const sound = new Sound();
  const volume = await openNetwareVolume(sound.maker.finish(), sound.definition);
  t.deepEqual(await volume.check(), []);
  t.true((await volume.usedMap()).trusted);
});

for (const { code, title, damage, after, also = [] } of cases) {
  test(`${code}: ${title}`, async (t) => {
    const sound = new Sound();
    damage(sound);
    const device = sound.maker.finish();
    after?.(sound);
    const volume = await openNetwareVolume(device, sound.definition);
    const findings = await volume.check();
    const found = [...new Set(findings.map((finding) => finding.code))].toSorted();
    t.deepEqual(found, [code, ...also].toSorted(), JSON.stringify(findings, null, 1));
    for (const { message, repair, severity } of findings) {
      t.regex(message, /^[A-Z0-9].*\.$/);
      t.regex(repair, /\.$/);
      t.true(['error', 'warning', 'note'].includes(severity));
    }
    const doubtful = findings.some((finding) => findingKinds[finding.code].doubtsMap);
    const map = await volume.usedMap();
    t.is(map.trusted, !doubtful);
    if (!map.trusted) t.deepEqual(map.used, [{ start: 0, length: device.size }]);
  });
}

test('an end of the volume that is missing is told, and what is there is read', async (t) => {
  const sound = new Sound();
  const device = sound.maker.finish();
  const kept = Buffer.from(sound.maker.bytes.subarray(0, (sound.b + 1) * block4k));
  const volume = await openNetwareVolume(memoryDevice(kept), sound.definition);
  t.deepEqual(
    (await volume.check()).map(({ code }) => code),
    ['volume-short'],
  );
  t.false((await volume.usedMap()).trusted);
  const files = await all(volume.walk());
  t.deepEqual(
    await volume.read(
      files.find(({ path }) => path === '/A')!,
      { offset: 0, length: 5 },
    ),
    Buffer.from('aaaaa'),
  );
  await t.throwsAsync(
    volume.read(
      files.find(({ path }) => path === '/B')!,
      { offset: 0, length: 20_000 },
    ),
    { code: 'filesystem-damaged' },
  );
  t.true(device.size > kept.length);
});

test('sectors that cannot be read in one copy are read from the other', async (t) => {
  for (const side of ['primary', 'mirror'] as const) {
    const sound = new Sound();
    const device = sound.maker.finish();
    const { firstFat, mirrorFat, firstDirectory, mirrorDirectory } = sound.definition;
    const [fat, directory] = side === 'primary' ? [firstFat, firstDirectory] : [mirrorFat, mirrorDirectory];
    device.broken = [fat, directory, directory + 3].map((block) => ({ start: block * block4k, length: 512 }));
    const volume = await openNetwareVolume(device, sound.definition);
    t.deepEqual(
      (await all(volume.walk())).map(({ path }) => path),
      ['/A', '/B', '/DIR', '/DIR/INNER', '/T'],
    );
    t.deepEqual((await all(volume.deleted())).length, 1);
    t.deepEqual(
      [...new Set((await volume.check()).map(({ code }) => code))],
      ['fat-unreadable', 'directory-unreadable'],
    );
    t.true((await volume.usedMap()).trusted);
    const control = await volume.controlSet();
    const holds = (block: number): boolean =>
      control.some(({ start, length }) => start <= block * block4k && block * block4k < start + length);
    t.true(holds(firstDirectory));
    t.is(holds(mirrorDirectory), side === 'primary', 'a mirror that stands in is part of the control set');
    t.is(holds(mirrorFat), side === 'primary');
  }
});

test('blocks lost in both copies are told, and the rest is read', async (t) => {
  const sound = new Sound();
  const device = sound.maker.finish();
  const { firstDirectory, mirrorDirectory } = sound.definition;
  device.broken = [firstDirectory + 3, mirrorDirectory + 3].map((block) => ({
    start: block * block4k,
    length: 512,
  }));
  const volume = await openNetwareVolume(device, sound.definition);
  t.deepEqual(
    (await all(volume.walk())).map(({ path }) => path),
    ['/A', '/B', '/DIR', '/T'],
  );
  t.true((await volume.check()).some(({ code }) => code === 'directory-lost'));
  t.false((await volume.usedMap()).trusted);
});

test('a volume without a FAT or a directory throws where files are asked for, and says why', async (t) => {
  const sound = new Sound();
  const device = sound.maker.finish();
  device.broken = [
    { start: 0, length: 512 },
    { start: 64 * block4k, length: 512 },
  ];
  const volume = await openNetwareVolume(device, sound.definition);
  await t.throwsAsync(async () => all(volume.walk()), { code: 'filesystem-damaged' });
  await t.throwsAsync(async () => all(volume.deleted()), { code: 'filesystem-damaged' });
  t.true((await volume.check()).some(({ code }) => code === 'fat-lost'));
  t.false((await volume.usedMap()).trusted);
  t.deepEqual(
    await volume.controlSet(),
    [
      { start: 0, length: block4k },
      { start: 64 * block4k, length: block4k },
    ].slice(0, 1),
  );
});

test('findings of one kind without end are counted', async (t) => {
  const maker = new VolumeMaker({ records: 512 });
  for (let number = 1; number < 512; number++) maker.record(number).writeUInt32LE(5, 20);
  const volume = await openNetwareVolume(maker.finish(), maker.definition);
  const findings = await volume.check();
  t.is(findings.length, 201);
  t.deepEqual(findings.at(-1)?.facts, { count: 511 });
  t.regex(findings.at(-1)!.message, /311 more/);
});

test('docs/netware.md names every finding, how bad it is, and whether it costs the map its trust', (t) => {
  const page = readFileSync(new URL('../../../docs/netware.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (error|warning|note)(, \*\*m\*\*)? \| .+ \|$/gm)];
  t.deepEqual(
    rows.map(([, code, severity, map]) => [code, severity, map !== undefined]),
    Object.entries(findingKinds).map(([code, { severity, doubtsMap }]) => [code, severity, doubtsMap]),
  );
});

test('names and trustees may go with their deleted file, or carry what they had before', async (t) => {
  const sound = new Sound();
  // The name has neither the mark of the deleted nor the directory it was in; trustees went along.
  sound.record(129, [0, 4, 77], [9, 1, 0x10]);
  sound.record(128, [56, 4, 130]);
  sound.maker.put(130, recordOf([0, 4, 0xff_ff_ff_fe], [9, 1, 1], [20, 4, 128], [24, -4, 5], [88, 2, 1]));
  const volume = await openNetwareVolume(sound.maker.finish(), sound.definition);
  t.deepEqual(await volume.check(), []);
  const [gone] = await all(volume.deleted());
  t.like(gone, { path: '/GONE', names: { LONG: 'gone' }, trustees: [{ id: '00000005', rights: 1 }] });
});
