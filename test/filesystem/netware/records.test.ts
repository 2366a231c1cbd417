import test from 'ava';
import { openNetwareVolume } from '../../../src/filesystem/netware/index.ts';
import { named, recordOf, VolumeMaker, type Field } from './maker.ts';
import { all } from './volumes.ts';

const codes = (findings: readonly { code: string }[]): string[] => findings.map(({ code }) => code);
const stamp = (value: number, of: number): Buffer =>
  recordOf([0, 4, value], [4, 4, 100], [8, 4, of], [12, 1, 4]);

/** 1995-04-03 12:30:10 as NetWare writes it. */
const someTime = ((15 << 25) | (4 << 21) | (3 << 16) | (12 << 11) | (30 << 5) | 5) >>> 0;

/** The link to a tail: piece `piece` of those of `size` units. */
const tail = (size: number, piece: number): number => ((0x80 | size) * 2 ** 24 + piece) >>> 0;

function fileRecord(number: number, name: string, ...fields: readonly Field[]): Buffer {
  return named(0, 0, name, [4, 4, 0x20], [52, 4, 0xff_ff_ff_ff], [120, 4, number], ...fields);
}

test('trustees in the record and in extensions, rights and quota', async (t) => {
  const maker = new VolumeMaker();
  maker.put(
    1,
    fileRecord(
      1,
      'A.TXT',
      [24, 4, someTime],
      [56, 4, 64],
      [60, -4, 0x0100_0001],
      [84, 2, 0x41],
      [72, -4, 7],
      [90, 2, 1],
      [96, 2, 0x1_f7],
      [98, 2, someTime >>> 16],
    ),
  );
  maker.put(
    2,
    named(
      0,
      0,
      'DIR',
      [4, 4, 0x10],
      [9, 1, 0x14],
      [48, -4, 9],
      [80, 2, 0x1_ff],
      [76, -4, 10],
      [94, 2, 0x40],
      [96, 4, 500],
      [100, 2, 0xfb],
      [120, 4, 2],
    ),
  );
  maker.put(
    64,
    recordOf(
      [0, 4, 0xff_ff_ff_fe],
      [9, 1, 16],
      [16, 4, 65],
      [20, 4, 1],
      ...Array.from({ length: 16 }, (_, i): Field => [24 + i * 4, -4, 100 + i]),
    ),
  );
  maker.put(
    65,
    recordOf([0, 4, 0xff_ff_ff_fe], [9, 1, 1], [20, 4, 1], [24, -4, 0xab_cd_ef], [88, 2, 0x1_00]),
  );
  maker.put(
    96,
    recordOf([0, 4, 0xff_ff_ff_fc], [9, 1, 2], [16, -4, 5], [72, 4, 1000], [20, -4, 6], [76, 4, 2000]),
  );
  const volume = await openNetwareVolume(maker.finish(), maker.definition);
  const [file, directory] = await all(volume.walk());
  t.is(file?.trustees.length, 2 + 16 + 1);
  t.deepEqual(file?.trustees.slice(0, 3), [
    { id: '01000001', rights: 0x41 },
    { id: '00000007', rights: 1 },
    { id: '00000064', rights: 0 },
  ]);
  t.deepEqual(file?.trustees.at(-1), { id: '00ABCDEF', rights: 0x1_00 });
  t.like(file, {
    created: '1995-04-03T12:30:10',
    accessed: '1995-04-03',
    inheritedRights: 0x1_f7,
    modified: null,
  });
  t.deepEqual(file?.records, [1, 64, 65]);
  t.like(directory, { kind: 'directory', quota: 500, inheritedRights: 0xfb, modifier: null });
  t.deepEqual(directory?.trustees, [
    { id: '00000009', rights: 0x1_ff },
    { id: '0000000A', rights: 0x40 },
  ]);
  t.deepEqual(await all(volume.spaceLimits()), [
    { directory: 0, id: '00000005', limit: 1000 },
    { directory: 0, id: '00000006', limit: 2000 },
  ]);
  t.deepEqual(await volume.check(), []);
  t.like(await volume.root(), {
    version: 4,
    nameSpaces: ['DOS'],
    owner: '00000001',
    inheritedRights: 0x1_ff,
  });
});

test('a 3.x volume has six trustees in a file record and its name spaces as bytes', async (t) => {
  const maker = new VolumeMaker({ version: 3, nameSpaces: [0, 2] });
  maker.roots(32, [2]);
  const ids = Array.from({ length: 6 }, (_, i): Field => [60 + i * 4, -4, i + 1]);
  const masks = Array.from({ length: 6 }, (_, i): Field => [84 + i * 2, 2, 1 << i]);
  maker.put(1, fileRecord(1, 'A', [124, 4, 2], ...ids, ...masks));
  maker.put(2, named(0, 2, 'a.unix.name', [120, 4, 1]));
  const volume = await openNetwareVolume(maker.finish(), maker.definition);
  const [file] = await all(volume.walk());
  t.deepEqual(
    file?.trustees.map(({ id, rights }) => [id, rights]),
    [
      ['00000001', 1],
      ['00000002', 2],
      ['00000003', 4],
      ['00000004', 8],
      ['00000005', 16],
      ['00000006', 32],
    ],
  );
  t.deepEqual(file?.names, { NFS: 'a.unix.name' });
  t.like(await volume.root(), { version: 3, nameSpaces: ['DOS', 'NFS'] });
  t.deepEqual(await volume.check(), []);
});

test('names in every name space, rests of long ones, resource forks', async (t) => {
  const long = `${Array.from({ length: 25 }, (_, i) => `word ${i}`).join(' ')} end`;
  const rest = stamp(0xab_a1_21_90, 1);
  const restBytes = Buffer.concat([
    rest.subarray(0, 16),
    Buffer.from(long.slice(80)),
    Buffer.alloc(256),
  ]).subarray(0, 256);
  const unix = 'unix-'.repeat(30);
  const nfs = Buffer.concat([
    stamp(0x55_4e_49_58, 1).subarray(0, 16),
    Buffer.from([unix.length - 40]),
    Buffer.from(unix.slice(40)),
    Buffer.alloc(256),
  ]).subarray(0, 256);
  const whole = Buffer.concat([
    stamp(0x53_46_54_4e, 1).subarray(0, 16),
    Buffer.from(`N${long.slice(1)}`),
    Buffer.alloc(256),
  ]).subarray(0, 256);
  const maker = new VolumeMaker({
    nameSpaces: [0, 1, 2, 4, 5],
    records: 128,
    extended: [Buffer.alloc(128), restBytes, nfs, whole],
  });
  maker.roots(32, [1, 2, 4, 5]);
  const fork = Buffer.from('resource fork '.repeat(600));
  maker.put(1, fileRecord(1, 'LONG~1', [124, 4, 2]));
  maker.put(
    2,
    named(
      0,
      1,
      Buffer.from([0x8a, 0x20, 0x4d]),
      [44, 4, maker.store(fork)],
      [48, 4, fork.length],
      [120, 4, 1],
      [124, 4, 3],
    ),
  );
  maker.put(
    3,
    named(0, 2, unix.slice(0, 40), [52, 1, unix.length], [53, 1, 2], [54, 4, 3], [120, 4, 1], [124, 4, 4]),
  );
  maker.put(
    4,
    named(
      0,
      4,
      long.slice(0, 80),
      [92, 4, 1],
      [96, 1, 2],
      [97, 1, long.length - 80],
      [120, 4, 1],
      [124, 4, 5],
    ),
  );
  maker.put(
    5,
    named(0, 5, `N${long.slice(1, 80)}`, [92, 4, 5], [96, 1, 2], [97, 1, long.length], [120, 4, 1]),
  );
  const volume = await openNetwareVolume(maker.finish(), maker.definition);
  const [file] = await all(volume.walk());
  t.deepEqual(file?.names, { MAC: '\u00E4 M', NFS: unix, LONG: long, NT: `N${long.slice(1)}` });
  t.is(file?.resourceFork?.size, fork.length);
  t.deepEqual(await volume.read(file!, { offset: 0, length: 100_000, fork: 'resource' }), fork);
  t.deepEqual(
    await volume.read(file!, { offset: 4090, length: 20, fork: 'resource' }),
    fork.subarray(4090, 4110),
  );
  t.deepEqual(await volume.check(), []);
  const control = await volume.controlSet();
  t.true(control.length >= 2, 'the extended directory is in the control set');
});

test('bytes of DOS names above 7F are code page 437', async (t) => {
  const maker = new VolumeMaker();
  maker.put(1, named(0, 0, Buffer.from([0x9a, 0x42, 0x45, 0x52]), [52, 4, 0xff_ff_ff_ff], [120, 4, 1]));
  const volume = await openNetwareVolume(maker.finish(), maker.definition);
  t.deepEqual(
    (await all(volume.walk())).map(({ path }) => path),
    ['/\u00DCBER'],
  );
  t.deepEqual(await volume.check(), []);
});

test('compressed and migrated files are named; compressed data is read as stored', async (t) => {
  const maker = new VolumeMaker({ volumeFlags: 0x34 });
  const stored = Buffer.alloc(8192, 'compressed');
  maker.put(1, fileRecord(1, 'PACKED', [4, 4, 0x400_0020], [48, 4, 100_000], [52, 4, maker.store(stored)]));
  maker.put(2, fileRecord(2, 'AWAY', [4, 4, 0x40_0020], [48, 4, 5000]));
  const volume = await openNetwareVolume(maker.finish(), maker.definition);
  const [packed, away] = await all(volume.walk());
  t.like(packed, { compressed: true, migrated: false, size: 100_000 });
  t.like(away, { compressed: false, migrated: true });
  t.is(volume.length(packed!), 8192);
  t.deepEqual(await volume.read(packed!, { offset: 0, length: 100_000 }), stored);
  t.deepEqual(codes(await volume.check()), ['compressed', 'migrated']);
  t.true((await volume.check()).every(({ severity }) => severity === 'note'));
  t.true((await volume.usedMap()).trusted);
});

test('holes at the start, inside and behind the end of a file', async (t) => {
  const maker = new VolumeMaker();
  const [a, b] = [maker.free(), maker.free()];
  maker.bytes.fill('a', a * 4096, a * 4096 + 4096);
  maker.bytes.fill('b', b * 4096, b * 4096 + 4096);
  maker.chain([a, b], [2, 5]);
  const size = 4096 * 8 + 100;
  maker.put(1, fileRecord(1, 'HOLES', [48, 4, size], [52, 4, a]));
  const volume = await openNetwareVolume(maker.finish(), maker.definition);
  const [file] = await all(volume.walk());
  const expected = Buffer.alloc(size);
  expected.fill('a', 2 * 4096, 3 * 4096);
  expected.fill('b', 5 * 4096, 6 * 4096);
  t.deepEqual(await volume.read(file!, { offset: 0, length: 100_000 }), expected);
  t.deepEqual(await volume.read(file!, { offset: 12_000, length: 9000 }), expected.subarray(12_000, 21_000));
  t.deepEqual(
    [...volume.extents(file!)].map(({ kind, length }) => [kind, length]),
    [
      ['hole', 8192],
      ['data', 4096],
      ['hole', 8192],
      ['data', 4096],
      ['hole', 2 * 4096 + 100],
    ],
  );
  t.deepEqual(await volume.check(), []);
});

test('deleted files: paths they had, or DELETED.SAV; the map with and without them', async (t) => {
  const maker = new VolumeMaker();
  const content = Buffer.alloc(10_000, 'gone');
  const first = maker.store(content);
  const deletion: Field[] = [
    [9, 1, 0x01],
    [104, 4, someTime],
    [108, -4, 0xa0_00_00_01],
    [116, 4, 3],
  ];
  maker.put(1, named(0, 0, 'DIR', [4, 4, 0x10], [9, 1, 0x14], [120, 4, 1]));
  const gone = (number: number, parent: number, name: string, ...more: readonly Field[]): void =>
    maker.put(number, named(parent, 0, name, [120, 4, number], ...deletion, ...more));
  gone(32, 1, 'OLD.TXT', [48, 4, content.length], [52, 4, first]);
  gone(33, 77, 'LOST.TXT', [52, 4, 0xff_ff_ff_ff]);
  const device = maker.finish();
  const volume = await openNetwareVolume(device, maker.definition);
  t.deepEqual(
    (await all(volume.walk())).map(({ path }) => path),
    ['/DIR'],
  );
  const files = await all(volume.deleted());
  t.deepEqual(
    files.map(({ path, deletion: how }) => [path, how]),
    [
      ['/DIR/OLD.TXT', { at: '1995-04-03T12:30:10', by: 'A0000001', sequence: 3 }],
      ['/DELETED.SAV/LOST.TXT', { at: '1995-04-03T12:30:10', by: 'A0000001', sequence: 3 }],
    ],
  );
  t.deepEqual(await volume.read(files[0]!, { offset: 0, length: 20_000 }), content);
  t.deepEqual(await volume.check(), []);
  const bytes = async (keepDeleted: boolean): Promise<number> => {
    const map = await volume.usedMap({ keepDeleted });
    t.true(map.trusted);
    return map.used.reduce((sum, { length }) => sum + length, 0);
  };
  t.is((await bytes(true)) - (await bytes(false)), 3 * 4096);
  const keeping = await openNetwareVolume(device, maker.definition, { keepDeleted: true });
  t.deepEqual(await keeping.usedMap(), await volume.usedMap({ keepDeleted: true }));
  t.deepEqual(await volume.filesIn([{ start: first * 4096, length: 1 }]), [
    { path: '/DIR/OLD.TXT', inode: 32, part: 'data' },
  ]);
});

test('suballocated tails: one across two blocks, and a whole file in a piece', async (t) => {
  const maker = new VolumeMaker({ volumeFlags: 0x32 });
  const [one, two] = [maker.free(), maker.free()];
  maker.chain([one, two]);
  for (let at = 0; at < 8192; at++) maker.bytes[one * 4096 + at] = (at * 7) % 251;
  // Pieces of three units: the third reaches from byte 3072 to 4608, into the second block.
  maker.put(64, recordOf([0, 4, 0xff_ff_ff_fb], [16 + 3 * 4, 4, one]));
  maker.record(0).writeUInt32LE(64, 120);
  const block = maker.free();
  maker.bytes.fill('x', block * 4096, block * 4096 + 4096);
  maker.chain([block], [0], tail(3, 2));
  maker.put(1, fileRecord(1, 'TAILED', [48, 4, 4096 + 1500], [52, 4, block]));
  maker.put(2, fileRecord(2, 'SMALL', [48, 4, 1111], [52, 4, tail(3, 0)]));
  const volume = await openNetwareVolume(maker.finish(), maker.definition);
  const [tailed, small] = await all(volume.walk());
  const pieces = maker.bytes.subarray(one * 4096, one * 4096 + 8192);
  t.deepEqual(
    await volume.read(tailed!, { offset: 0, length: 9000 }),
    Buffer.concat([Buffer.alloc(4096, 'x'), pieces.subarray(3072, 3072 + 1500)]),
  );
  t.deepEqual(await volume.read(small!, { offset: 0, length: 9000 }), pieces.subarray(0, 1111));
  t.deepEqual(await volume.check(), []);
  const hit = await volume.filesIn([{ start: one * 4096 + 3072, length: 512 }]);
  t.deepEqual(hit, [{ path: '/TAILED', inode: 1, part: 'data' }]);
});
