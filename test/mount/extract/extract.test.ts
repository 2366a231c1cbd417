import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { intersect, normalize, total, type Extent } from '../../../src/bytes/index.ts';
import { recording } from '../../../src/disk/recording.ts';
import { RemetalError } from '../../../src/errors/index.ts';
import {
  extract,
  mountedTree,
  type Extracted,
  type ExtractRequest,
  type ExtractTotals,
} from '../../../src/mount/extract/index.ts';
import { RunTable } from '../../../src/mount/extract/run-table.ts';
import { placeBelow } from '../../../src/mount/extract/safe-path.ts';
import { Scratch } from '../../../src/mount/extract/scratch.ts';
import { attributeNames } from '../../../src/system/index.ts';
import { imageDevice } from '../../filesystem/devices.ts';
import { listedByKernel, treeOn } from '../../filesystem/tree-listing.ts';
import { requires, requiresRoot } from '../../helpers/requires.ts';
import { blankImage } from '../../helpers/server-image.ts';
import { temporary } from '../../helpers/temporary.ts';
import { noise } from '../../restore/sets.ts';
import { differences, everything, filledImage, tool } from './volumes.ts';

const MiB = 1024 * 1024;
const tools = ['mke2fs', 'mount', 'setfattr', 'getfattr', 'setfacl'];

async function extracted(
  t: ExecutionContext,
  image: string,
  request: Omit<ExtractRequest, 'tree' | 'volume'>,
  broken: readonly Extent[] = [],
): Promise<ExtractTotals & { told: Extracted[]; notices: string[] }> {
  const volume = imageDevice(t, image);
  const tree = await treeOn(volume);
  volume.broken.push(...broken);
  const told: Extracted[] = [];
  const notices: string[] = [];
  const totals = await extract({
    tree,
    volume,
    onFile: (file) => told.push(file),
    tell: ({ code }) => notices.push(code),
    ...request,
  });
  return { ...totals, told, notices };
}

const problems = (told: readonly Extracted[]): string[] =>
  told.flatMap(({ path, problem }) => (problem === null ? [] : [`${path}: ${problem.code}`])).toSorted();

/** An ext4 made without mounting anything. */
function plainImage(folder: string): { image: string; tree: string } {
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'a', 'b'), { recursive: true });
  writeFileSync(join(tree, 'a', 'b', 'one'), noise(100_000, 1));
  writeFileSync(join(tree, 'a', 'two'), noise(40_000, 2));
  writeFileSync(join(tree, 'three'), '3');
  symlinkSync('a/two', join(tree, 'link'));
  const image = blankImage(join(folder, 'image'), 16 * MiB);
  tool('mke2fs', '-q', '-F', '-t', 'ext4', '-d', tree, image);
  return { image, tree };
}

for (const args of [
  ['-t', 'ext4', '-b', '4096'],
  ['-t', 'ext4', '-b', '1024', '-O', 'inline_data', '-I', '512'],
  ['-t', 'ext2', '-b', '1024'],
]) {
  requiresRoot(...tools).serial(
    `everything comes out of a volume as the kernel shows it: mke2fs ${args.join(' ')}`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const { image, listed } = filledImage(folder, 96 * MiB, ['mke2fs', '-q', '-F', ...args], (root) =>
        everything(root, args.includes('ext4')),
      );
      const out = join(folder, 'a', 'out');
      // Rows go to temporary files and back.
      const {
        told,
        files,
        directories,
        problems: count,
      } = await extracted(t, image, {
        folder: out,
        rowsInMemory: 16,
      });
      t.deepEqual(problems(told), []);
      t.is(count, 0);
      t.is(files + directories, listed.size);
      const times = ['folder', 'large', 'link'].map(
        (name) => lstatSync(join(out, name), { bigint: true }).atimeNs,
      );
      t.deepEqual(times.slice(0, 2), [77_000_000_000n, 1_000_000_001n]);
      t.deepEqual(differences(listedByKernel(out), listed), []);
      const sparse = statSync(join(out, 'holes'));
      t.true(sparse.size === 30 * MiB && sparse.blocks * 512 < MiB, `${sparse.blocks} blocks`);
    },
  );
}

for (const [make, size, options] of [
  [['mkfs.xfs', '-q', '-f'], 320, []],
  [['mkfs.btrfs', '-q', '-f', '-m', 'dup'], 160, []],
  [['mkfs.btrfs', '-q', '-f', '-m', 'single'], 160, ['compress-force=zstd']],
  [['mke2fs', '-q', '-F', '-t', 'ext4'], 96, []],
] as const) {
  requiresRoot(make[0], ...tools.slice(1)).serial(
    `the same through a mount: ${[...make, ...options].join(' ')}`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const { image, listed } = filledImage(folder, size * MiB, make, everything, options);
      const root = join(folder, 'filled');
      tool('mount', '-o', 'loop,ro', image, root);
      t.teardown(() => tool('umount', root));
      const volume = recording(imageDevice(t, image));
      const told: Extracted[] = [];
      const out = join(folder, 'out');
      await extract({ tree: mountedTree(root), volume, folder: out, onFile: (file) => told.push(file) });
      t.deepEqual(problems(told), []);
      t.deepEqual(differences(listedByKernel(out), listed), []);
      const sparse = statSync(join(out, 'holes'));
      t.true(sparse.size === 30 * MiB && sparse.blocks * 512 < 2 * MiB, `${sparse.blocks} blocks`);
    },
  );
}

requires('mke2fs')(
  'what is there already is left alone, or replaced on request',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const { image, tree } = plainImage(folder);
    const out = join(folder, 'out');
    mkdirSync(join(out, 'a'), { recursive: true });
    mkdirSync(join(out, 'three'));
    writeFileSync(join(out, 'a', 'two'), 'mine');
    symlinkSync('/dev/null', join(out, 'link'));
    const first = await extracted(t, image, { folder: out });
    t.deepEqual(problems(first.told), ['/a/two: file-exists', '/link: file-exists', '/three: file-exists']);
    t.is(readFileSync(join(out, 'a', 'two'), 'utf8'), 'mine');
    t.is(readlinkSync(join(out, 'link')), '/dev/null');
    t.deepEqual(readFileSync(join(out, 'a', 'b', 'one')), readFileSync(join(tree, 'a', 'b', 'one')));
    const second = await extracted(t, image, { folder: out, overwrite: true });
    t.deepEqual(problems(second.told), ['/three: file-exists'], 'a directory is never replaced by a file');
    t.deepEqual(readFileSync(join(out, 'a', 'two')), readFileSync(join(tree, 'a', 'two')));
    t.is(readlinkSync(join(out, 'link')), 'a/two');
    t.deepEqual(readdirSync(out).toSorted(), ['a', 'link', 'lost+found', 'three']);
  },
);

requires('mke2fs')('no link leads out of the folder', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const { image } = plainImage(folder);
  const [out, elsewhere] = [join(folder, 'out'), join(folder, 'elsewhere')];
  mkdirSync(out);
  mkdirSync(join(elsewhere, 'b'), { recursive: true });
  symlinkSync(elsewhere, join(out, 'a'));
  const { told } = await extracted(t, image, { folder: out, overwrite: true });
  t.deepEqual(problems(told), [
    '/a/b/one: file-exists',
    '/a/b: file-exists',
    '/a/two: file-exists',
    '/a: file-exists',
  ]);
  t.deepEqual(readdirSync(elsewhere, { recursive: true }), ['b']);
});

requires('mke2fs')('paths, what is not there, and names left off', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const { image, tree } = plainImage(folder);
  const out = join(folder, 'out');
  const { told, files } = await extracted(t, image, {
    folder: out,
    paths: ['/a/b', 'three', '/nothing', '/a/no'],
    strip: 1,
  });
  t.deepEqual(problems(told), ['/a/no: path-not-found', '/nothing: path-not-found']);
  t.is(files, 2);
  t.deepEqual(readdirSync(out, { recursive: true }).map(String).toSorted(), ['b', 'b/one', 'three']);
  t.deepEqual(readFileSync(join(out, 'b', 'one')), readFileSync(join(tree, 'a', 'b', 'one')));
});

requires('mke2fs', 'debugfs')('a file that cannot be read stops no other', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const { image, tree } = plainImage(folder);
  const block = Number(tool('debugfs', '-R', 'bmap /a/b/one 3', image).trim());
  const broken = [{ start: block * 1024, length: 1024 }];
  const [out, kept] = [join(folder, 'out'), join(folder, 'kept')];
  const { told, problems: count } = await extracted(t, image, { folder: out }, broken);
  t.is(count, 1);
  t.deepEqual(problems(told), ['/a/b/one: disk-read-failed']);
  t.false(existsSync(join(out, 'a', 'b', 'one')));
  t.deepEqual(readFileSync(join(out, 'a', 'two')), readFileSync(join(tree, 'a', 'two')));
  const again = await extracted(t, image, { folder: kept, damaged: true }, broken);
  t.deepEqual(problems(again.told), ['/a/b/one: disk-read-failed']);
  t.is(statSync(join(kept, 'a', 'b', 'one')).size, 100_000);
});

requires('mke2fs')(
  'an extraction that is interrupted leaves nothing half-written',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const { image, tree } = plainImage(folder);
    const out = join(folder, 'out');
    const ending = new AbortController();
    await t.throwsAsync(
      extracted(t, image, {
        folder: out,
        signal: ending.signal,
        onProgress: () => ending.abort(new RemetalError('interrupted', 'Enough.')),
      }),
      { code: 'interrupted' },
    );
    const found = readdirSync(out, { recursive: true }).map(String).toSorted();
    t.false(
      found.some((name) => name.includes('remetal')),
      found.join(' '),
    );
    const files = found.filter((name) => lstatSync(join(out, name)).isFile());
    t.is(files.length, 1);
    for (const name of files) t.deepEqual(readFileSync(join(out, name)), readFileSync(join(tree, name)));
  },
);

requiresRoot('mke2fs', 'mount').serial(
  'where there is no room left, what was written is whole and nothing else is there',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const { image, tree } = plainImage(folder);
    const out = join(folder, 'out');
    mkdirSync(out);
    tool('mount', '-t', 'tmpfs', '-o', 'size=120k', 'none', out);
    t.teardown(() => tool('umount', out));
    await t.throwsAsync(extracted(t, image, { folder: out }), { code: 'target-unwritable' });
    const found = readdirSync(out, { recursive: true }).map(String);
    t.false(
      found.some((name) => name.includes('remetal')),
      found.join(' '),
    );
    for (const name of found.filter((each) => lstatSync(join(out, each)).isFile())) {
      t.deepEqual(readFileSync(join(out, name)), readFileSync(join(tree, name)));
    }
  },
);

requiresRoot('mkfs.xfs', ...tools).serial(
  'an attribute that is too large for where it would be written is told of its file',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const { image } = filledImage(folder, 320 * MiB, ['mkfs.xfs', '-q', '-f'], (root) => {
      writeFileSync(join(root, 'file'), 'here');
      tool('setfattr', '-n', 'user.huge', '-v', 'h'.repeat(50_000), join(root, 'file'));
      tool('setfattr', '-n', 'user.small', '-v', 's', join(root, 'file'));
      tool('touch', '-d', '2001-01-01 UTC', join(root, 'file'));
    });
    const root = join(folder, 'filled');
    tool('mount', '-o', 'loop,ro', image, root);
    t.teardown(() => tool('umount', root));
    // An ext4 without attributes in inodes of their own has room for a block of them.
    const small = filledImage(
      join(folder, 'small'),
      16 * MiB,
      ['mke2fs', '-q', '-F', '-t', 'ext4'],
      () => {},
    );
    const target = join(folder, 'small', 'filled');
    tool('mount', '-o', 'loop', small.image, target);
    t.teardown(() => tool('umount', target));
    const told: Extracted[] = [];
    const out = join(target, 'out');
    await extract({
      tree: mountedTree(root),
      volume: imageDevice(t, image),
      folder: out,
      onFile: (file) => told.push(file),
    });
    t.deepEqual(problems(told), ['/file: target-unwritable']);
    t.is(readFileSync(join(out, 'file'), 'utf8'), 'here');
    t.is(statSync(join(out, 'file')).mtimeMs, Date.UTC(2001, 0, 1));
    t.deepEqual(await attributeNames(join(out, 'file')), ['user.small']);
  },
);

test('a path of a volume never leads out of the folder it is written to', (t) => {
  t.is(placeBelow('/../../etc/passwd', 0, false), '%2E%2E/%2E%2E/etc/passwd');
  t.is(placeBelow('//a/./b\0c', 0, false), 'a/%2E/b%00c');
  t.is(placeBelow('/...', 0, false), '...');
  t.is(placeBelow('/a/b/c', 2, false), 'c');
  t.is(placeBelow('/a/b/c', 9, false), 'c');
  t.is(placeBelow('/a/b/c', 9, true), '');
  t.is(placeBelow('/', 0, true), '');
});

async function rowsOf(table: RunTable, from: number, to: number): Promise<string[]> {
  const out: string[] = [];
  for await (const run of table.within(from, to)) out.push(JSON.stringify(run));
  return out.toSorted();
}

test('rows that go to temporary files are found as those in memory', async (t) => {
  const folder = temporary(t);
  let scratches = 0;
  const openScratch = (): Promise<Scratch> => Scratch.open(folder, `${scratches++}`);
  const [small, large] = [
    new RunTable({ openScratch, rowsInMemory: 100 }),
    new RunTable({ openScratch, rowsInMemory: 100_000 }),
  ];
  const runs = Array.from({ length: 9000 }, (_, file) => ({
    file,
    offset: file * 3,
    length: 1 + ((file * 7919) % 300) + (file % 1000 === 0 ? 40 * MiB : 0),
    start: (file * 104_729) % 1_000_000,
  }));
  for (const table of [small, large]) {
    for (const run of runs) await table.add(run);
    await table.seal();
  }
  for (const [from, to] of [
    [0, 1],
    [500_000, 500_300],
    [999_000, 1_000_000],
    [30 * MiB, 30 * MiB + 1],
  ] as const) {
    const wanted = runs
      .filter(({ start, length }) => start < to && start + length > from)
      .map(({ file, offset, length, start }) => {
        const first = Math.max(start, from);
        const end = Math.min(start + length, to);
        return JSON.stringify({ file, offset: offset + first - start, length: end - first, start: first });
      });
    t.deepEqual(await rowsOf(large, from, to), wanted.toSorted());
    t.deepEqual(await rowsOf(small, from, to), wanted.toSorted());
  }
  t.deepEqual(small.extents(10_000), large.extents(10_000));
  const covered = total(intersect(small.extents(3), normalize(runs)));
  t.is(covered, total(normalize(runs)));
  t.true(small.extents(3).length <= 3);
  await small.close();
  await large.close();
});
