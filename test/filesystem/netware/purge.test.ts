import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { memoryDisk, openDisk, recording, type BlockDevice } from '../../../src/disk/index.ts';
import {
  carryOutPurge,
  openNetwareVolume,
  type Finding,
  type NetwareFile,
  type NetwareFileSystem,
} from '../../../src/filesystem/netware/index.ts';
import { readTable } from '../../../src/layout/index.ts';
import {
  logicalOf,
  readNetware,
  volumeDevice,
  type VolumeDefinition,
} from '../../../src/layout/netware/index.ts';
import { makeNetware, type EntryWish, type VolumeWish } from '../../fixtures/netware-maker.ts';
import { requires } from '../../helpers/requires.ts';
import { temporary } from '../../helpers/temporary.ts';
import { named, recordOf, VolumeMaker, type Field } from './maker.ts';
import { RawVolume } from './raw-volume.ts';
import { all, volumeOf } from './volumes.ts';

interface Bare {
  readonly device: BlockDevice;
  readonly definition: VolumeDefinition;
}

async function bytesOf(device: BlockDevice): Promise<Buffer> {
  const bytes = Buffer.alloc(device.size);
  await device.read(bytes, 0);
  return bytes;
}

async function diskOf(bytes: Buffer): Promise<BlockDevice> {
  const disk = memoryDisk(bytes.length);
  await disk.write(bytes, 0);
  return disk;
}

async function contentsOf(filesystem: NetwareFileSystem, files: readonly NetwareFile[]): Promise<unknown[]> {
  const out: unknown[] = [];
  for (const file of files) {
    const hashes = [];
    for (const fork of ['data', 'resource'] as const) {
      const hash = createHash('sha256');
      for await (const piece of filesystem.stream(file, { fork })) hash.update(piece);
      hashes.push(hash.digest('hex'));
    }
    out.push({ ...file, hashes });
  }
  return out;
}

const codes = (findings: readonly Finding[]): string[] => [...new Set(findings.map(({ code }) => code))];

/** Purges a copy of the volume and compares it byte by byte with one purged without the tested code. */
async function purgesAsTheServerDoes(t: ExecutionContext<any>, { device, definition }: Bare): Promise<void> {
  const before = await openNetwareVolume(device, definition);
  const gone = await all(before.deleted());
  t.true(gone.length > 0);
  const expected = new RawVolume(await bytesOf(device), definition);
  expected.purge(gone);
  const copy = await diskOf(await bytesOf(device));
  await carryOutPurge(copy, (await openNetwareVolume(copy, definition)).purge());
  t.true((await bytesOf(copy)).equals(expected.bytes), 'records and chains of deleted files, nothing else');
  const after = await openNetwareVolume(copy, definition);
  t.deepEqual(await all(after.deleted()), []);
  t.deepEqual(
    await contentsOf(after, await all(after.walk())),
    await contentsOf(before, await all(before.walk())),
  );
  t.deepEqual(codes(await after.check()), codes(await before.check()));
  const map = await after.usedMap();
  t.true(map.trusted);
  t.deepEqual(map, await before.usedMap({ keepDeleted: false }));
  t.deepEqual(await after.usedMap({ keepDeleted: true }), map, 'no block is held by deleted files');
  t.deepEqual(await all((await openNetwareVolume(copy, definition)).purge()), [], 'nothing is left to do');
}

requires('zstd')('an image with deleted files', async (t: ExecutionContext) => {
  await purgesAsTheServerDoes(t, await volumeOf('d-deleted', 'SYS'));
});

requires('zstd')('images without deleted files are left alone', async (t: ExecutionContext) => {
  for (const [image, name] of [
    ['b-suballoc64k', 'SYS'],
    ['e-long', 'SYS'],
  ] as const) {
    const { device, definition } = await volumeOf(image, name);
    const filesystem = await openNetwareVolume(device, definition);
    const [deleted] = await all(filesystem.deleted());
    if (deleted === undefined) t.deepEqual(await all(filesystem.purge()), [], image);
    else await purgesAsTheServerDoes(t, { device, definition });
  }
});

const trustees = Array.from({ length: 40 }, (_, i) => ({ id: 0x0100_0001 + i, rights: (i * 37) & 0x1_ff }));

/** Live and deleted files beside one another: empty, small, large, in holes, with trustees and every name. */
function entries(version: 3 | 4): EntryWish[] {
  const wishes = [1, 511, 4096, 5000, 65_535, 66_000, 150_001].flatMap((size, i): EntryWish[] => {
    const deleted = { at: `1997-03-1${i}T14:15:16`, by: 0x0100_0005 };
    const content = { noise: size, seed: i };
    return [
      { path: `KEPT/F${i}.TXT`, content, trustees: trustees.slice(0, i * 5), fragmented: i % 2 === 0 },
      { path: `KEPT/F${i}.TXT`, content, deleted, trustees: trustees.slice(0, 4), fragmented: i % 2 === 0 },
    ];
  });
  const holes = Buffer.concat([Buffer.alloc(140_000), Buffer.from('end')]);
  const deleted = { at: '1998-01-02T03:04:06', by: 1 };
  return [
    ...wishes,
    { path: 'EMPTY', deleted },
    { path: 'HOLES.DAT', content: holes, sparse: true, deleted },
    { path: 'LIVE.DAT', content: holes, sparse: true },
    ...(version === 3
      ? []
      : [false, true].map((gone): EntryWish => ({
          path: 'LONGN~1.TXT',
          names: { LONG: 'Long Name with Blanks.txt', NFS: 'long-name', MAC: 'A Mac Name' },
          content: { noise: 70_000, seed: 11 },
          resource: Buffer.from('resource '.repeat(3000)),
          ...(gone ? { deleted } : {}),
        }))),
    ...Array.from({ length: 50 }, (_, i): EntryWish => ({
      path: `KEPT/M${i}`,
      content: { noise: i * 100, seed: i },
      ...(i % 3 === 0 ? { deleted } : {}),
    })),
  ];
}

const shapes: Record<string, Partial<VolumeWish>> = {
  '3.x': { version: 3 },
  '4.x, small blocks, every name space': { spaces: ['LONG', 'NFS', 'MAC'] },
  '4.x, suballocated': { blockSize: 16_384, suballocation: true },
  '4.x, suballocated, every name space': {
    blockSize: 65_536,
    suballocation: true,
    spaces: ['MAC', 'LONG', 'NFS'],
  },
};

for (const [title, shape] of Object.entries(shapes)) {
  test(`made volumes: ${title}`, async (t) => {
    const manifest = makeNetware(temporary(t), {
      disks: [{ name: 'a.img', sectors: 60_000 }],
      volumes: [
        {
          name: 'SYS',
          blockSize: 4096,
          segments: [{ disk: 0 }],
          ...shape,
          entries: entries(shape.spaces === undefined ? 3 : 4),
        },
      ],
    });
    const disk = await openDisk(manifest.paths[0]!);
    t.teardown(() => disk.close());
    const netware = await readNetware([{ id: 'disk1', device: disk, table: (await readTable(disk)).table }]);
    const [found] = netware.volumes;
    const device = volumeDevice(found!, (partition) => logicalOf(netware, partition));
    await purgesAsTheServerDoes(t, { device, definition: found!.definition });
  });
}

const deletion: Field[] = [
  [9, 1, 0x20],
  [104, 4, 0x22_33_44_55],
];
const gone = (number: number, parent: number, name: string, ...more: readonly Field[]): Buffer =>
  named(parent, 0, name, [120, 4, number], ...deletion, ...more);
const live = (number: number, name: string, ...more: readonly Field[]): Buffer =>
  named(0, 0, name, [52, 4, 0xff_ff_ff_ff], [120, 4, number], ...more);

/** A LONG name that goes on in records of the extended directory. */
const longName = (of: number, at: number, extents: number, ...more: readonly Field[]): Buffer =>
  named(0, 4, 'x'.repeat(80), [92, 4, at], [96, 1, extents], [97, 1, 90], [120, 4, of], ...more);
/** The rest of a LONG name. */
const restOf = (mark: number): Buffer => recordOf([0, 4, 0xab_a1_21_90], [4, 4, 100], [16, 4, mark]);
/** A further record of trustees. */
const moreTrustees = (of: number, next: number): Buffer =>
  recordOf([0, 4, 0xff_ff_ff_fe], [9, 1, 1], [16, 4, next], [20, 4, of], [24, -4, 7], [88, 2, 1]);

async function purged(maker: VolumeMaker): Promise<{ bytes: Buffer; after: NetwareFileSystem }> {
  const disk = await diskOf(await bytesOf(maker.finish()));
  await carryOutPurge(disk, (await openNetwareVolume(disk, maker.definition)).purge());
  return { bytes: await bytesOf(disk), after: await openNetwareVolume(disk, maker.definition) };
}

test('rests of long names go with their files, those of live files and extended attributes stay', async (t) => {
  const extended = [
    Buffer.alloc(128),
    restOf(0x41),
    Buffer.alloc(128, 'b'),
    restOf(0x43),
    recordOf([0, 4, 0x13_57_9a_ce], [8, 4, 32]),
    restOf(0x44),
    recordOf([0, 4, 0x53_46_54_4e], [16, 4, 0x45]),
  ];
  const maker = new VolumeMaker({ nameSpaces: [0, 4], extended });
  maker.roots(10, [4]);
  maker.put(1, live(1, 'LIVE', [124, 4, 2]));
  maker.put(2, longName(1, 3, 1));
  maker.put(32, gone(32, 0, 'GONE', [52, 4, 0xff_ff_ff_ff], [112, 4, 4], [124, 4, 33]));
  maker.put(33, longName(32, 1, 2, [9, 1, 0x20]));
  // Two deleted files that lead to what is a live file's, and to what is no rest of theirs.
  maker.put(34, gone(34, 0, 'SHARED', [52, 4, 0xff_ff_ff_ff], [124, 4, 35]));
  maker.put(35, longName(34, 3, 1, [9, 1, 0x20]));
  maker.put(36, gone(36, 0, 'ASTRAY', [52, 4, 0xff_ff_ff_ff], [124, 4, 37]));
  maker.put(37, longName(36, 6, 1, [9, 1, 0x20]));
  const { after, bytes } = await purged(maker);
  t.deepEqual(await after.check(), []);
  const raw = new RawVolume(bytes, maker.definition);
  const root = bytes.subarray(maker.definition.firstDirectory * 4096);
  for (const first of [root.readUInt32LE(104), root.readUInt32LE(108)]) {
    const [block] = raw.chain(first);
    const records = Array.from({ length: extended.length }, (_, i) =>
      bytes.subarray(block! * 4096 + i * 128, block! * 4096 + (i + 1) * 128),
    );
    const wanted = extended.map((record, i) => (i === 1 || i === 2 ? Buffer.alloc(128) : record));
    t.deepEqual(records, wanted);
  }
  const [file] = await all(after.walk());
  t.is(file?.names.LONG?.length, 81);
});

test('a name or trustees a live file leads to stay, whomever they say they belong to', async (t) => {
  const maker = new VolumeMaker({ nameSpaces: [0, 1] });
  maker.roots(10, [1]);
  const fork = maker.store(Buffer.alloc(5000, 'r'));
  maker.put(1, live(1, 'LIVE', [124, 4, 33]));
  maker.put(32, gone(32, 0, 'GONE', [52, 4, maker.store(Buffer.alloc(9000, 'd'))], [48, 4, 9000]));
  maker.put(33, named(0, 1, 'gone', [44, 4, fork], [48, 4, 5000], [120, 4, 32]));
  const { after, bytes } = await purged(maker);
  t.deepEqual(await all(after.deleted()), []);
  const at = maker.definition.firstDirectory * 4096 + 33 * 128;
  t.true(bytes.subarray(at, at + 128).equals(maker.record(33)));
  t.deepEqual(new RawVolume(bytes, maker.definition).chain(fork), [fork, fork + 1]);
  t.deepEqual(codes(await after.check()), ['record-links']);
});

test('trustees of a deleted file go in both pieces of their list, those of a live one stay', async (t) => {
  const maker = new VolumeMaker();
  maker.put(1, live(1, 'LIVE', [56, 4, 2]));
  maker.put(2, moreTrustees(1, 0));
  maker.put(32, gone(32, 0, 'GONE', [52, 4, 0xff_ff_ff_ff], [56, 4, 33]));
  maker.put(33, moreTrustees(32, 34));
  maker.put(34, moreTrustees(32, 0));
  for (const number of [35, 36, 37]) maker.put(number, gone(number, 0, `GONE${number}`));
  const device = maker.finish();
  await purgesAsTheServerDoes(t, { device, definition: maker.definition });
  const [file] = await all((await openNetwareVolume(device, maker.definition)).walk());
  t.deepEqual(file?.records, [1, 2]);
});

test('names, trustees and limits that no list leads to go with the file they name', async (t) => {
  const maker = new VolumeMaker({ nameSpaces: [0, 1] });
  maker.roots(10, [1]);
  const fork = maker.store(Buffer.alloc(5000, 'r'));
  maker.put(32, gone(32, 0, 'GONE', [52, 4, 0xff_ff_ff_ff]));
  maker.put(33, named(0, 1, 'gone', [44, 4, fork], [48, 4, 5000], [120, 4, 32]));
  maker.put(34, recordOf([0, 4, 0xff_ff_ff_fe], [9, 1, 1], [20, 4, 32], [24, -4, 7], [88, 2, 1]));
  maker.put(35, gone(35, 0, 'DIR', [4, 4, 0x10]));
  maker.put(36, recordOf([0, 4, 0xff_ff_ff_fc], [9, 1, 1], [12, 4, 35], [16, -4, 7], [72, 4, 5]));
  const { after } = await purged(maker);
  t.deepEqual(await after.check(), []);
  t.deepEqual(await all(after.deleted()), []);
  t.deepEqual(await all(after.spaceLimits()), []);
});

test('a deleted directory with a live file in it stays', async (t) => {
  const maker = new VolumeMaker();
  maker.put(32, gone(32, 0, 'DIR', [4, 4, 0x10]));
  maker.put(33, gone(33, 0, 'DIR2', [4, 4, 0x10]));
  maker.put(1, named(32, 0, 'FILE', [52, 4, 0xff_ff_ff_ff], [120, 4, 1]));
  const { after } = await purged(maker);
  t.deepEqual(
    (await all(after.deleted())).map(({ path }) => path),
    ['/DIR'],
  );
});

test('the resource fork of a live file is live, though its record is marked deleted', async (t) => {
  const maker = new VolumeMaker({ nameSpaces: [0, 1] });
  maker.roots(10, [1]);
  const fork = maker.store(Buffer.alloc(5000, 'r'));
  maker.put(1, live(1, 'LIVE', [124, 4, 2]));
  maker.put(2, named(0, 1, 'live', [9, 1, 0x20], [44, 4, fork], [48, 4, 5000], [120, 4, 1]));
  const volume = await openNetwareVolume(maker.finish(), maker.definition);
  const { used, trusted } = await volume.usedMap();
  t.true(trusted);
  t.true(used.some(({ start, length }) => start <= fork * 4096 && fork * 4096 + 8192 <= start + length));
  t.deepEqual(await all(volume.purge()), []);
});

test('where a live file claims a block of a deleted one nothing is purged', async (t) => {
  for (const shared of [0, 1, 2]) {
    const maker = new VolumeMaker();
    const first = maker.store(Buffer.alloc(3 * 4096, 'd'));
    maker.put(1, live(1, 'LIVE', [52, 4, first + shared], [48, 4, 3 * 4096]));
    maker.put(32, gone(32, 0, 'GONE', [52, 4, first], [48, 4, 3 * 4096]));
    const volume = await openNetwareVolume(maker.finish(), maker.definition);
    t.false((await volume.usedMap()).trusted);
    t.deepEqual(await all(volume.purge()), []);
  }
});

test('a block is written once, with all that is freed in it', async (t) => {
  const maker = new VolumeMaker({ blocks: 4096, records: 1024 });
  for (let number = 64; number < 1024; number += 2) {
    maker.put(
      number,
      gone(number, 0, `F${number}`, [52, 4, maker.store(Buffer.alloc(100, 'd'))], [48, 4, 100]),
    );
  }
  const disk = await diskOf(await bytesOf(maker.finish()));
  const volume = await openNetwareVolume(disk, maker.definition);
  await volume.check();
  const device = recording(disk);
  await carryOutPurge(device, volume.purge());
  const writes = device.accesses.filter(({ call }) => call === 'write');
  t.is(device.accesses.at(-1)?.call, 'flush');
  t.is(new Set(writes.map(({ offset }) => offset)).size, writes.length);
  t.true(writes.every(({ length }) => length === 4096));
  t.is((await all((await openNetwareVolume(disk, maker.definition)).deleted())).length, 0);
});
