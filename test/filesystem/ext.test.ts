import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { subtract, total } from '../../src/bytes/index.ts';
import { detect } from '../../src/filesystem/index.ts';
import { trustedMap } from '../contract/filesystem.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { imageDevice, strip } from './devices.ts';
import { blank, copied, manifest, partcloneUsed, run, sourceTree, status } from './fixtures.ts';

const MiB = 1024 * 1024;

/** Everything mke2fs can do to where blocks lie and how they are accounted for. */
const variants: { name: string; type: string; args: string[] }[] = [
  { name: 'ext2, 1 KiB blocks', type: 'ext2', args: ['-b', '1024'] },
  { name: 'ext2, revision 0', type: 'ext2', args: ['-r', '0', '-b', '1024'] },
  {
    name: 'ext2, no sparse superblocks',
    type: 'ext2',
    args: ['-b', '2048', '-g', '2048', '-O', '^sparse_super,^resize_inode'],
  },
  { name: 'ext3', type: 'ext3', args: [] },
  { name: 'ext4', type: 'ext4', args: ['-b', '4096', '-g', '2048'] },
  { name: 'ext4, 1 KiB blocks', type: 'ext4', args: ['-b', '1024'] },
  { name: 'ext4, 2 KiB blocks', type: 'ext4', args: ['-b', '2048', '-g', '4096'] },
  { name: 'ext4, 32 bits', type: 'ext4', args: ['-O', '^64bit'] },
  { name: 'ext4, no checksums', type: 'ext4', args: ['-O', '^metadata_csum,^64bit', '-b', '1024'] },
  { name: 'ext4, CRC-16 descriptors', type: 'ext4', args: ['-O', '^metadata_csum,uninit_bg', '-b', '1024'] },
  {
    name: 'ext4, CRC-16 descriptors, 32 bits',
    type: 'ext4',
    args: ['-O', '^metadata_csum,uninit_bg,^64bit', '-b', '1024'],
  },
  { name: 'ext4, clusters', type: 'ext4', args: ['-O', 'bigalloc', '-b', '4096', '-g', '16384'] },
  { name: 'ext4, clusters of 64 KiB', type: 'ext4', args: ['-O', 'bigalloc', '-b', '4096', '-C', '65536'] },
  {
    name: 'ext4, clusters, 1 KiB blocks',
    type: 'ext4',
    args: ['-O', 'bigalloc', '-b', '1024', '-C', '8192'],
  },
  { name: 'ext4, meta block groups', type: 'ext4', args: ['-O', 'meta_bg,^resize_inode', '-b', '1024'] },
  {
    name: 'ext4, meta block groups, no flex',
    type: 'ext4',
    args: ['-O', 'meta_bg,^resize_inode,^flex_bg', '-b', '1024', '-g', '1024'],
  },
  { name: 'ext4, two backups', type: 'ext4', args: ['-O', 'sparse_super2', '-b', '1024'] },
  { name: 'ext4, inline data', type: 'ext4', args: ['-O', 'inline_data', '-I', '1024'] },
  { name: 'ext4, large inodes, few of them', type: 'ext4', args: ['-I', '512', '-i', '65536'] },
  {
    name: 'ext4, many small groups',
    type: 'ext4',
    args: ['-O', '^flex_bg,^resize_inode', '-b', '1024', '-g', '256'],
  },
  { name: 'ext4, no journal, multi-mount protection', type: 'ext4', args: ['-O', '^has_journal,mmp'] },
  {
    name: 'ext4, seed in the superblock',
    type: 'ext4',
    args: ['-O', 'metadata_csum_seed,^dir_index,large_dir,ea_inode,orphan_file'],
  },
];
const scratch = mkdtempSync(join(tmpdir(), 'remetal-test-'));
const tree = join(scratch, 'tree');
test.before(() => void sourceTree(tree));
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));
const size = 64 * MiB + 512 * 3;

/** Writes the tree, takes out some files again and fragments what is left. */
function fill(image: string, args: string[]): void {
  run('mke2fs', '-q', '-F', ...args, '-d', tree, image);
  const commands = join(scratch, 'commands');
  writeFileSync(
    commands,
    `rm "folder 1/a/b/file-3"
rm "folder 2/a/b/file-9"
rm "folder 5/a/b/file-11"
rm large.bin
write "${join(tree, 'large.bin')}" again.bin
rm other.bin
`,
  );
  run('debugfs', '-w', '-f', commands, image);
}

function dumped(image: string, into: string): string[] {
  mkdirSync(into);
  run('debugfs', '-R', `rdump / "${into}"`, image);
  return manifest(into);
}

for (const { name, type, args } of variants) {
  requires('mke2fs', 'debugfs', 'e2fsck').serial(
    `strip and compare: ${name}`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const image = blank(join(folder, 'image'), size);
      fill(image, ['-t', type, ...args]);
      const before = dumped(image, join(folder, 'before'));
      t.true(before.length > 100);

      const map = await trustedMap(t, imageDevice(t, image), type);
      t.true(total(map.used) < size * 0.6, 'most of the volume is free');
      strip(image, size, map.used);

      const check = status('e2fsck', '-f', '-n', image);
      t.is(check.status, 0, check.output);
      t.deepEqual(dumped(image, join(folder, 'after')), before);
    },
  );
}

requires('mke2fs', 'debugfs', 'partclone.extfs').serial(
  'the used map is never smaller than partclone’s',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    for (const [type, blockSize] of [
      ['ext2', '1024'],
      ['ext4', '4096'],
    ] as const) {
      const image = blank(join(folder, 'image'), 200 * MiB);
      fill(image, ['-t', type, '-b', blockSize]);
      const map = await trustedMap(t, imageDevice(t, image), type);
      const theirs = partcloneUsed('extfs', image, folder);
      t.true(theirs.length > 0);
      t.deepEqual(subtract(theirs, map.used), []);
      t.true(total(map.used) - total(theirs) <= 1024, 'nothing more than the boot block is added');
    }
  },
);

requires('mke2fs', 'debugfs')('read errors, 4096-byte sectors and labels', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const image = blank(join(folder, 'image'), 64 * MiB);
  run(
    'mke2fs',
    '-q',
    '-F',
    '-t',
    'ext4',
    '-b',
    '1024',
    '-L',
    'Wörter',
    '-U',
    '0f0e0d0c-0b0a-0908-0706-050403020100',
    image,
  );
  const map = await trustedMap(t, imageDevice(t, image), 'ext4');
  const coarse = imageDevice(t, image, 4096);
  const filesystem = await detect(coarse);
  t.deepEqual(filesystem?.facts, {
    type: 'ext4',
    uuid: '0f0e0d0c-0b0a-0908-0706-050403020100',
    label: 'Wörter',
    size: 64 * MiB,
    blockSize: 1024,
  });
  t.deepEqual(await filesystem?.usedMap(), map);
  const broken = imageDevice(t, image);
  const bitmap = Number(/Block bitmap at (\d+)/.exec(run('dumpe2fs', image))?.[1]) * 1024;
  broken.broken.push({ start: bitmap, length: 512 });
  const doubtful = await (await detect(broken))?.usedMap();
  t.false(doubtful?.trusted);
  t.regex(doubtful?.reason ?? '', /could not be read/);
});

requires('mke2fs').serial('a 2 TiB volume is mapped in well under a second', async (t: ExecutionContext) => {
  const image = blank(join(temporary(t), 'image'), 2 * 1024 * 1024 * MiB);
  run('mke2fs', '-q', '-F', '-t', 'ext4', '-E', 'lazy_itable_init=1,nodiscard', image);
  const volume = imageDevice(t, image);
  const began = performance.now();
  const map = await (await detect(volume))?.usedMap();
  t.true(performance.now() - began < 3000);
  t.is(map?.reason, null);
  t.true(volume.reads < 1500, `${volume.reads} reads`);
});

requires('mke2fs', 'debugfs', 'e2fsck').serial(
  'a volume without its bitmaps’ truth is taken whole',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = blank(join(folder, 'image'), 64 * MiB);
    run('mke2fs', '-q', '-F', '-t', 'ext4', '-b', '4096', image);
    const reasons: [RegExp, string[]][] = [
      [/needs recovery/, ['feature needs_recovery']],
      [/errors/, ['ssv state 2']],
      [/not cleanly unmounted/, ['ssv state 0']],
      [/descriptor \d+/, ['set_bg 0 free_blocks_count 5', 'set_bg 0 checksum calc']],
      [/superblock \d+/, ['ssv free_blocks_count 77']],
      [/Feature compression is not known/, ['feature compression']],
      [/Feature 0x40000000 is not known/, ['ssv feature_incompat 0x400002c2']],
      [/Feature replica is not known/, ['ssv feature_ro_compat 0x86b']],
      [/external journal/, ['ssv feature_incompat 8']],
      [/contradicts itself/, ['ssv inodes_per_group 0']],
      [/points outside/, ['set_bg 0 inode_table 4000000', 'set_bg 0 checksum calc']],
      [/checksum of the descriptor of block group 0/, ['set_bg 0 checksum 1']],
      [/claims \d+ bytes/, ['ssv blocks_count 20000']],
    ];
    for (const [reason, commands] of reasons) {
      const copy = join(folder, 'copy');
      copied(image, copy);
      for (const command of commands) status('debugfs', '-w', '-R', command, copy);
      const map = await (await detect(imageDevice(t, copy)))?.usedMap();
      t.regex(map?.reason ?? 'trusted', reason, commands.join('; '));
      t.deepEqual(map?.used, [{ start: 0, length: 64 * MiB }]);
    }
  },
);
