import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { slice, type BlockDevice } from '../../src/disk/index.ts';
import { parseBootSector, type FatGeometry } from '../../src/filesystem/fat/boot.ts';
import { FatChains } from '../../src/filesystem/fat/table.ts';
import { FatWalk } from '../../src/filesystem/fat/walk.ts';
import { readBytes } from '../../src/filesystem/reading.ts';
import { trustedMap } from '../contract/filesystem.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import {
  asFile,
  bytesOf,
  content,
  everythingIn,
  fatImage,
  fillAsDos,
  growFat,
  onDisk,
  putting,
  runAll,
  type FatImage,
  type Outcome,
} from './fat-fixtures.ts';
import { manifest, run, status } from './fixtures.ts';

const MiB = 1024 * 1024;
const guard = MiB;

/** Boot code of nobody knows whom: what is to be kept as it is. */
function withBootCode(bytes: Buffer): Buffer {
  bytes.fill(0, 62, 510);
  content(448, 99).copy(bytes, 62);
  return bytes;
}

interface Grown extends Outcome {
  readonly volume: BlockDevice;
  readonly geometry: FatGeometry;
  readonly boot: Buffer;
}

/** Grows an image in the middle of a disk and checks all that must hold whatever became of it. */
async function grown(
  t: ExecutionContext<any>,
  image: FatImage,
  size: number,
  options: { readonly bytes?: Buffer; readonly fat32?: boolean; readonly sectorSize?: number } = {},
): Promise<Grown> {
  const bytes = options.bytes ?? bytesOf(image);
  const disk = await onDisk(bytes, size, guard, options.sectorSize ?? 512);
  const before = await everythingIn(slice(disk, guard, image.size));
  t.true(before.length > 5);
  const volume = slice(disk, guard, size);
  const outcome = await growFat(volume, image.size, options.fat32);
  t.deepEqual(await everythingIn(volume), before, 'every entry and every content in its order');
  for (const at of [0, guard + size]) {
    t.true(
      (await readBytes(disk, at, guard)).every((byte) => byte === 0x5a),
      'nothing beside the volume',
    );
  }
  const boot = await readBytes(volume, 0, 512);
  const geometry = parseBootSector(boot)!;
  t.is(geometry.facts.uuid, 'CAFE-0815');
  const alone = await asFile(volume, join(image.folder, 'grown'));
  const check = ['fsck.fat', '-n', alone];
  if (outcome.layout !== null) {
    t.is(boot.readUInt32LE(28), 2048, 'hidden sectors');
    t.deepEqual([boot.readUInt16LE(24), boot.readUInt16LE(26)], [63, 255]);
    t.is(geometry.facts.size, outcome.layout.size);
    t.is(geometry.facts.type, outcome.layout.type);
    await trustedMap(t, volume, geometry.facts.type);
    // The tools of another house find it sound, read it, and find room for one file more.
    const shown = runAll(
      check,
      putting({ ...image, path: alone }, '/', { 'NEW.TXT': content(40_000, 8) }),
      check,
      ['mdir', '-a', '-i', alone, '::/'],
      ['mattrib', '-i', alone, '::/IO.SYS'],
    );
    t.regex(shown, / is BOOT[^]*IO +SYS[^]*NWSERVER +<DIR>[^]*NEW +TXT[^]* SHR /);
  } else runAll(check);
  return { ...outcome, volume, geometry, boot };
}

/** The clusters of a file in the root, in the order of its chain. */
async function clustersOf({ volume, geometry }: Grown, name: string): Promise<number[]> {
  const chains = new FatChains(volume, geometry);
  for await (const { file } of new FatWalk(volume, geometry).tree(false)) {
    if (file.name !== name) continue;
    const out: number[] = [];
    for (let at = file.firstCluster; ;) {
      out.push(at);
      const entry = await chains.entry(at);
      if (entry.kind !== 'next') return out;
      at = entry.cluster;
    }
  }
  return [];
}

const kiB = 1024;
const cases: {
  name: string;
  size: number;
  args: string[];
  /** MiB; what it becomes: kind, bytes of a cluster, MiB of the file system when that is less. */
  to: [size: number, kind: number, cluster: number, limited?: number][];
  code?: boolean;
  fat32?: boolean;
  sectorSize?: number;
}[] = [
  {
    name: 'FAT12',
    size: 8,
    args: ['-F', '12', '-s', '4'],
    to: [
      [8, 12, 2 * kiB],
      [9, 12, 4 * kiB],
      [100, 12, 32 * kiB],
      [200, 16, 4 * kiB],
    ],
  },
  {
    name: 'FAT12 with boot code',
    code: true,
    size: 8,
    args: ['-F', '12', '-s', '8'],
    to: [[200, 12, 32 * kiB, 127]],
  },
  {
    name: 'FAT12 with boot code, FAT32 wished for',
    code: true,
    fat32: true,
    size: 8,
    args: ['-F', '12', '-s', '4'],
    to: [
      [12, 12, 4 * kiB],
      [200, 32, 2 * kiB],
    ],
  },
  {
    name: 'FAT16',
    size: 20,
    args: ['-F', '16', '-s', '2'],
    to: [
      [21, 16, 1 * kiB],
      [70, 16, 2 * kiB],
      [300, 16, 8 * kiB],
      [2047, 16, 32 * kiB],
      [3000, 32, 1 * kiB],
    ],
  },
  {
    name: 'FAT16 with boot code',
    code: true,
    size: 20,
    args: ['-F', '16', '-s', '2'],
    to: [
      [60, 16, 1 * kiB],
      [3000, 16, 32 * kiB, 2047],
    ],
  },
  {
    name: 'FAT16 with boot code, FAT32 wished for',
    code: true,
    fat32: true,
    size: 20,
    args: ['-F', '16', '-s', '2', '-r', '112'],
    to: [
      [60, 16, 1 * kiB],
      [130, 32, 1 * kiB],
    ],
  },
  {
    name: 'FAT16, one table, reserved sectors',
    size: 20,
    args: ['-F', '16', '-s', '4', '-f', '1', '-R', '8'],
    to: [
      [33, 16, 2 * kiB],
      [400, 16, 8 * kiB],
    ],
  },
  {
    name: 'FAT16, 4 KiB sectors',
    sectorSize: 4096,
    size: 40,
    args: ['-F', '16', '-s', '1', '-S', '4096'],
    to: [
      [90, 16, 4 * kiB],
      [600, 16, 16 * kiB],
    ],
  },
  {
    name: 'FAT32',
    size: 80,
    args: ['-F', '32', '-s', '1'],
    to: [
      [81, 32, 512],
      [300, 32, 512],
    ],
  },
  {
    name: 'FAT32, 4 KiB sectors',
    sectorSize: 4096,
    size: 270,
    args: ['-F', '32', '-s', '1', '-S', '4096'],
    to: [[500, 32, 4 * kiB]],
  },
];

for (const { name, size, args, to, code, fat32, sectorSize } of cases) {
  requires(
    'mkfs.fat',
    'fsck.fat',
    'mcopy',
    'mattrib',
  )(`grows with all it holds: ${name}`, async (t: ExecutionContext) => {
    const image = fatImage(temporary(t), size * MiB, ...args);
    fillAsDos(image, { rounds: 3, largest: 60_000 });
    const bytes = code === true ? withBootCode(bytesOf(image)) : bytesOf(image);
    const old = parseBootSector(bytes)!;
    for (const [room, kind, cluster, limited] of to) {
      const result = await grown(t, image, room * MiB, {
        bytes,
        fat32: fat32 === true,
        sectorSize: sectorSize ?? 512,
      });
      if (room === size) {
        t.is(result.layout, null);
        continue;
      }
      const { geometry, boot } = result;
      const { rootCluster } = old;
      t.is(geometry.facts.type, `fat${kind}`, `${room} MiB`);
      t.is(geometry.clusterSize, cluster, `${room} MiB`);
      const filled = geometry.facts.size / MiB;
      if (limited === undefined) t.is(geometry.facts.size, room * MiB);
      else t.true(filled > limited - 2 && filled < limited + 1, `${filled} MiB`);
      const system = await clustersOf(result, 'IO.SYS');
      t.deepEqual(
        system,
        system.map((_, i) => i + (rootCluster > 0 ? 3 : 2)),
        'IO.SYS in one piece at the start',
      );
      if (old.kind !== 32 && kind !== 32) {
        t.deepEqual(boot.subarray(62, 510), bytes.subarray(62, 510), 'boot code');
        t.deepEqual(boot.subarray(36, 54), bytes.subarray(36, 54), 'drive, serial and label');
      }
    }
  });
}

requires(
  'mkfs.fat',
  'fsck.fat',
  'mcopy',
  'mattrib',
)(
  'bad clusters are forgotten, deleted files stay deleted, lost chains stay lost',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const list = join(folder, 'bad');
    // Blocks of 1 KiB.
    writeFileSync(list, '9000\n9001\n12000\n');
    const image = fatImage(folder, 20 * MiB, '-F', '16', '-s', '2', '-l', list);
    fillAsDos(image, { rounds: 1, largest: 50_000 });
    const bytes = bytesOf(image);
    const geometry = parseBootSector(bytes)!;
    const table = bytes.subarray(geometry.fatOffset, geometry.fatOffset + geometry.fatLength);
    t.true(table.includes(Buffer.from('f7ff', 'hex')));
    // A chain of three that no name leads to.
    const lost = geometry.clusters - 10;
    for (let copy = 0; copy < 2; copy++) {
      const at = geometry.fatOffset + copy * geometry.fatLength + lost * 2;
      bytes.writeUInt16LE(lost + 1, at);
      bytes.writeUInt16LE(lost + 2, at + 2);
      bytes.writeUInt16LE(0xffff, at + 4);
    }
    for (const size of [50, 120]) {
      const disk = await onDisk(bytes, size * MiB, guard, 512);
      const volume = slice(disk, guard, size * MiB);
      const before = await everythingIn(volume);
      const { layout } = await growFat(volume, image.size);
      t.is(layout?.type, 'fat16');
      t.deepEqual(await everythingIn(volume), before);
      const check = status('fsck.fat', '-n', await asFile(volume, join(folder, 'grown')));
      t.regex(check.output, /Reclaimed [23] unused cluster/);
      t.notRegex(check.output, /bad/i);
    }
  },
);

/** Makes every cluster from `from` on a chain of its own: mtools would take an hour to write so many files. */
function crowd(bytes: Buffer, from: number): void {
  const { fatOffset, fatLength, clusters } = parseBootSector(bytes)!;
  for (let cluster = from; cluster < clusters + 2; cluster++) {
    for (let copy = 0; copy < 2; copy++) {
      bytes.writeUInt16LE(0xffff, fatOffset + copy * fatLength + cluster * 2);
    }
  }
}

requires(
  'mkfs.fat',
  'fsck.fat',
  'mcopy',
)(
  'where larger clusters have no room for all files the old ones stay, or everything does',
  async (t: ExecutionContext) => {
    // 65,508 clusters of 512 bytes are what a FAT16 is made with; the second has more.
    for (const [size, expected] of [
      [32 * MiB, 512],
      [66_160 * 512, null],
    ] as const) {
      const image = fatImage(temporary(t), size, '-F', '16', '-s', '1', '-r', '2048', '-g', '2/1');
      runAll(putting(image, '/', { 'IO.SYS': content(20_000, 1) }));
      const bytes = bytesOf(image);
      crowd(bytes, 200);
      const disk = await onDisk(bytes, 40 * MiB, guard, 512);
      const volume = slice(disk, guard, 40 * MiB);
      const before = await everythingIn(volume);
      const { layout, reason } = await growFat(volume, image.size);
      t.is(layout?.blockSize ?? null, expected);
      if (layout === null) {
        t.regex(reason, /do not fit in clusters of 1024 bytes/);
        t.true((await readBytes(volume, 0, MiB)).equals(bytes.subarray(0, MiB)), 'untouched');
      } else t.true(layout.size > image.size && layout.size < 34 * MiB);
      t.deepEqual(await everythingIn(volume), before);
    }
  },
);

requires('mkfs.fat', 'fsck.fat')(
  'a FAT32 with few clusters, as Linux takes it, grows',
  async (t: ExecutionContext) => {
    const image = fatImage(temporary(t), 20 * MiB, '-F', '32');
    const volume = slice(await onDisk(bytesOf(image), 90 * MiB, guard, 512), guard, 90 * MiB);
    const { layout } = await growFat(volume, image.size);
    t.is(layout?.size, 90 * MiB);
    const check = status('fsck.fat', '-n', await asFile(volume, join(image.folder, 'grown')));
    t.is(check.status, 0, check.output);
  },
);

requires(
  'mkfs.fat',
  'mcopy',
  'fsck.fat',
)('a full volume grows, with the old clusters and with larger ones', async (t: ExecutionContext) => {
  const image = fatImage(temporary(t), 10 * MiB, '-F', '16', '-s', '2');
  fillAsDos(image, { rounds: 2, largest: 60_000 });
  const free = Number(
    /(\d+) bytes free/.exec(run('mdir', '-i', image.path, '::/').replaceAll(/(?<=\d) (?=\d)/g, ''))?.[1],
  );
  runAll(putting(image, '/', { fill: content(free - 4 * kiB, 12) }));
  const bytes = bytesOf(image);
  // What mtools reads of it, our own reading left aside.
  const read = (path: string, into: string): string[] => {
    mkdirSync(join(image.folder, into));
    run('mcopy', '-s', '-n', '-i', path, '::/*', join(image.folder, into));
    return manifest(join(image.folder, into));
  };
  const before = read(image.path, 'before');
  t.true(before.length > 30, String(before.length));
  for (const [size, cluster] of [
    [11 * MiB, 1 * kiB],
    [90 * MiB, 2 * kiB],
  ] as const) {
    const { geometry, volume } = await grown(t, image, size, { bytes });
    t.is(geometry.clusterSize, cluster);
    const after = read(await asFile(volume, join(image.folder, 'alone')), `after ${size}`);
    t.deepEqual(after, before);
  }
});
