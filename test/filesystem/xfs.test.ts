import {
  mkdirSync,
  openSync,
  readSync,
  closeSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { subtract, total } from '../../src/bytes/index.ts';
import { crc32c } from '../../src/filesystem/checksums.ts';
import { detect } from '../../src/filesystem/index.ts';
import { trustedMap } from '../contract/filesystem.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { imageDevice, strip } from './devices.ts';
import { blank, copied, manifest, partcloneUsed, run, sourceTree, status } from './fixtures.ts';

const MiB = 1024 * 1024;

const variants: { name: string; size: number; args: string[] }[] = [
  { name: 'version 5', size: 96, args: [] },
  { name: 'two allocation groups', size: 96, args: ['-d', 'agcount=2'] },
  { name: 'five allocation groups', size: 120, args: ['-d', 'agcount=5'] },
  { name: '1 KiB blocks', size: 96, args: ['-b', 'size=1024'] },
  { name: '4 KiB sectors, striped log', size: 96, args: ['-s', 'size=4096', '-l', 'su=32k'] },
  {
    name: 'all trees, big time stamps',
    size: 96,
    args: ['-m', 'rmapbt=1,reflink=1,bigtime=1,inobtcount=1'],
  },
  {
    name: 'no sparse inodes, no free inode tree',
    size: 96,
    args: ['-m', 'finobt=0,reflink=0', '-i', 'sparse=0'],
  },
];

/** Runs `work` with the image mounted. */
function mounted<T>(image: string, options: string, work: (folder: string) => T): T {
  const folder = `${image}.mounted`;
  mkdirSync(folder, { recursive: true });
  run('mount', '-t', 'xfs', '-o', `loop${options}`, image, folder);
  try {
    return work(folder);
  } finally {
    run('umount', folder);
  }
}

/** Copies the tree in twice and takes every other file of the first copy out again. */
function fill(image: string, tree: string): void {
  mounted(image, '', (folder) => {
    for (const copy of ['one', 'two']) run('cp', '-a', tree, join(folder, copy));
    for (let d = 0; d < 8; d++) {
      const inner = join(folder, 'one', `folder ${d}`, 'a', 'b');
      for (const name of readdirSync(inner)) if (name.endsWith('3') || d % 2 === 0) rmSync(join(inner, name));
    }
  });
}

for (const { name, size, args } of variants) {
  requiresRoot('mkfs.xfs', 'xfs_repair', 'mount').serial(
    `strip and compare: ${name}`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const image = blank(join(folder, 'image'), size * MiB + 3 * 512);
      run('mkfs.xfs', '-q', ...args, image);
      fill(image, sourceTree(join(folder, 'tree')));
      const before = mounted(image, ',ro', manifest);
      const map = await trustedMap(t, imageDevice(t, image), 'xfs');
      t.true(total(map.used) < size * MiB * 0.8);
      strip(image, statSync(image).size, map.used);
      const check = status('xfs_repair', '-n', image);
      t.is(check.status, 0, check.output);
      t.deepEqual(mounted(image, ',ro', manifest), before);
    },
  );
}

requires('mkfs.xfs', 'xfs_repair').serial('version 4', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const proto = join(folder, 'proto');
  const tree = sourceTree(join(folder, 'tree'));
  writeFileSync(
    proto,
    `/dev/null\n0 0\nd--755 0 0\nlarge ---644 0 0 ${join(tree, 'large.bin')}\nother ---644 0 0 ${join(tree, 'other.bin')}\n$\n`,
  );
  const image = blank(join(folder, 'image'), 96 * MiB);
  run('mkfs.xfs', '-q', '-m', 'crc=0', '-p', proto, '-L', 'old', image);
  const map = await trustedMap(t, imageDevice(t, image), 'xfs');
  t.is((await detect(imageDevice(t, image)))?.facts.label, 'old');
  strip(image, 96 * MiB, map.used);
  const check = status('xfs_repair', '-n', image);
  t.is(check.status, 0, check.output);
});

requires('mkfs.xfs', 'xfs_db', 'partclone.xfs').serial(
  'the map agrees with xfs_db and is never smaller than partclone’s',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = blank(join(folder, 'image'), 96 * MiB);
    run('mkfs.xfs', '-q', '-d', 'agcount=3', image);
    const map = await trustedMap(t, imageDevice(t, image), 'xfs');
    const summary = run('xfs_db', '-r', '-c', 'freesp -s', image);
    const free = Number(/total free blocks (\d+)/.exec(summary)?.[1]);
    // It counts the free list, four blocks a group here, which this map keeps.
    t.is(96 * MiB - total(map.used), (free - 3 * 4) * 4096);
    const theirs = partcloneUsed('xfs', image, folder);
    t.true(theirs.length > 0);
    t.deepEqual(subtract(theirs, map.used), []);
  },
);

requiresRoot('mkfs.xfs', 'xfs_io', 'xfs_db', 'mount').serial(
  'a free space tree of several levels',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = blank(join(folder, 'image'), 96 * MiB);
    run('mkfs.xfs', '-q', '-b', 'size=1024', '-d', 'agcount=2', image);
    const holes = join(folder, 'holes');
    writeFileSync(holes, Array.from({ length: 3000 }, (_, i) => `fpunch ${i * 2048} 1024\n`).join(''));
    mounted(image, '', (mount) => {
      writeFileSync(join(mount, 'comb'), Buffer.alloc(3000 * 2048, 1));
      run('sync', '-f', mount);
      run('sh', '-c', `xfs_io "${join(mount, 'comb')}" < "${holes}"`);
    });
    const levels = [0, 1].map((ag) =>
      Number(/bnolevel = (\d+)/.exec(run('xfs_db', '-r', '-c', `agf ${ag}`, '-c', 'print', image))?.[1]),
    );
    t.true(Math.max(...levels) > 1);
    const before = mounted(image, ',ro', manifest);
    const map = await trustedMap(t, imageDevice(t, image), 'xfs');
    t.true(map.used.length > 2500);
    strip(image, 96 * MiB, map.used);
    const check = status('xfs_repair', '-n', image);
    t.is(check.status, 0, check.output);
    t.deepEqual(mounted(image, ',ro', manifest), before);
  },
);

requiresRoot('mkfs.xfs', 'xfs_logprint', 'mount').serial(
  'a log with changes in it makes the map untrusted',
  async (t: ExecutionContext) => {
    const image = blank(join(temporary(t), 'image'), 96 * MiB);
    run('mkfs.xfs', '-q', image);
    const reason = async (path: string): Promise<string | null | undefined> =>
      (await (await detect(imageDevice(t, path)))?.usedMap())?.reason;
    const torn = `${image}.torn`;
    mounted(image, '', (folder) => {
      writeFileSync(join(folder, 'a'), 'b');
      run('sync', '-f', folder);
      copied(image, torn);
    });
    t.regex((await reason(torn)) ?? 'trusted', /not cleanly unmounted/);
    t.is(await reason(image), null);
    // Enough work to send the log round its ring; its first block then is of a later pass.
    mounted(image, '', (folder) => {
      run(
        'sh',
        '-c',
        `cd "${folder}" && for d in 1 2 3; do mkdir $d && (cd $d && seq 6000 | xargs touch); rm -r $d; done; sync -f .`,
      );
    });
    const printed = run('xfs_logprint', '-t', image);
    t.regex(printed, /state: <CLEAN>/);
    const start = Buffer.alloc(8);
    const fd = openSync(image, 'r');
    readSync(fd, start, 0, 8, Number(/daddr: (\d+)/.exec(printed)?.[1]) * 512);
    closeSync(fd);
    t.true(start.readUInt32BE(start.readUInt32BE(0) === 0xfe_ed_ba_be ? 4 : 0) > 1, 'the log went round');
    t.is(await reason(image), null);
  },
);

const word = (value: number): Buffer =>
  Buffer.from([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);

/** Writes bytes into the superblock and makes its checksum right again. */
function patchSuperblock(image: string, offset: number, bytes: Buffer): void {
  const fd = openSync(image, 'r+');
  try {
    const sector = Buffer.alloc(512);
    readSync(fd, sector, 0, 512, 0);
    bytes.copy(sector, offset);
    sector.writeUInt32LE(0, 224);
    sector.writeUInt32LE(~crc32c(0xff_ff_ff_ff, sector) >>> 0, 224);
    writeSync(fd, sector, 0, 512, 0);
  } finally {
    closeSync(fd);
  }
}

requires('mkfs.xfs').serial('what is not known or not right is taken whole', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const image = blank(join(folder, 'image'), 96 * MiB);
  run('mkfs.xfs', '-q', '-L', 'root', image);
  const cases: [RegExp, number, Buffer][] = [
    [/needing repair/, 216, word(0x1b)],
    [/Feature metadir is not known/, 216, word(0x1_0b)],
    [/Feature incompat 0x80000000 is not known/, 216, word(0x80_00_00_0b)],
    [/Feature ro_compat 0x10 is not known/, 212, word(0x1d)],
    [/XFS version 6 is not known/, 100, Buffer.from([0xb4, 0xa6])],
    [/realtime/, 20, word(5)],
    [/another device/, 48, Buffer.alloc(8)],
    [/places the log outside/, 48, Buffer.alloc(8, 0x7f)],
    [/never completely made/, 126, Buffer.from([1])],
    [/superblock 1234$/, 148, word(1234)],
    [/checksum or owner of the free space header/, 32, Buffer.alloc(16, 3)],
  ];
  const whole = [{ start: 0, length: 96 * MiB }];
  for (const [reason, offset, bytes] of cases) {
    const copy = join(folder, 'copy');
    copied(image, copy);
    patchSuperblock(copy, offset, bytes);
    const filesystem = await detect(imageDevice(t, copy));
    t.is(filesystem?.facts.label, 'root');
    const map = await filesystem?.usedMap();
    t.regex(map?.reason ?? 'trusted', reason);
    t.deepEqual(map?.used, whole);
  }
  const copy = join(folder, 'copy');
  copied(image, copy);
  const fd = openSync(copy, 'r+');
  writeSync(fd, Buffer.from([9]), 0, 1, 4096 + 100);
  closeSync(fd);
  const map = await (await detect(imageDevice(t, copy)))?.usedMap();
  t.regex(map?.reason ?? 'trusted', /checksum or owner of a block of the free space tree/);
});
