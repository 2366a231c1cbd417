import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { alignOutward, normalize, subtract } from '../../src/bytes/index.ts';
import { recording } from '../../src/disk/recording.ts';
import { detect } from '../../src/filesystem/index.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { imageDevice, memoryDevice } from './devices.ts';
import { blank, run, sourceTree } from './fixtures.ts';
import { contentByRuns, listedByKernel, listedByTree, survivesAll, treeOn, walked } from './tree-listing.ts';

const MiB = 1024 * 1024;

/** What `sourceTree` lacks: everything a file can be and have, made in a mounted volume. */
function makeRichTree(folder: string, attributes: boolean): void {
  const at = (...names: string[]): string => join(folder, ...names);
  mkdirSync(at('rich', 'many'), { recursive: true });
  for (let i = 0; i < 1200; i++) writeFileSync(at('rich', 'many', `file number ${i}`), '');
  for (const [name, type, ...device] of [
    ['pipe', 'p'],
    ['tty', 'c', '4', '64'],
    ['disk', 'b', '8', '17'],
    ['wide', 'b', '259', '70000'],
  ] as const) {
    run('mknod', at('rich', name), type, ...device);
  }
  writeFileSync(
    Buffer.concat([Buffer.from(at('rich/')), Buffer.from([0xe4, 0xff, 0x62])]),
    'bytes for a name',
  );
  writeFileSync(at('rich', 'special'), 'x');
  chownSync(at('rich', 'special'), 100_001, 4_000_000_000);
  chmodSync(at('rich', 'special'), 0o6751);
  utimesSync(at('rich', 'special'), -86_400.5, 4_000_000_000.25);
  writeFileSync(at('rich', 'tiny'), 'tiny');
  writeFileSync(at('rich', 'inline'), 'i'.repeat(150));
  symlinkSync('x'.repeat(59), at('rich', 'longest fast link'));
  symlinkSync('y'.repeat(60), at('rich', 'shortest slow link'));
  symlinkSync(`${'z/'.repeat(450)}z`, at('rich', 'slow link'));
  // Pieces far apart need a tree of several nodes, in either form.
  const scattered = openSync(at('rich', 'scattered'), 'w');
  for (let i = 0; i < 600; i++) writeSync(scattered, `piece ${i}`, i * 20_000 + (i % 7));
  writeSync(scattered, 'far away', 90 * MiB);
  closeSync(scattered);
  if (!attributes) return;
  run('fallocate', '-l', '300000', at('rich', 'unwritten'));
  const written = openSync(at('rich', 'unwritten'), 'r+');
  writeSync(written, 'in the middle', 150_000);
  closeSync(written);
  run('fallocate', '-n', '-l', '400000', at('rich', 'tiny'));
  run('chattr', '+Ad', at('rich', 'inline'));
}

function addAttributes(folder: string): void {
  const at = (name: string): string => join(folder, 'rich', name);
  run('setfattr', '-n', 'user.short', '-v', 'in the inode', at('special'));
  run('setfattr', '-n', 'trusted.long', '-v', 'l'.repeat(700), at('special'));
  run('setfattr', '-n', 'security.custom', '-v', '0x00ff10', at('special'));
  run('setfattr', '-n', 'user.empty', at('special'));
  run('setfacl', '-m', 'u:1234:rwx,u:70000:r,g:55:-,m::rx', at('special'));
  run('setfacl', '-m', 'u:7:rx,d:u:8:rwx,d:g::r', at('many'));
  run('setfattr', '-n', 'user.of-a-directory', '-v', 'yes', folder);
  run('setfattr', '-h', '-n', 'trusted.of-a-link', '-v', 'yes', at('slow link'));
  linkSync(at('special'), join(folder, 'rich', 'many', 'second name'));
}

const variants: [type: string, ...args: string[]][] = [
  ['ext2', '-b', '1024', '-I', '128'],
  ['ext3', '-b', '1024'],
  ['ext4', '-b', '1024'],
  ['ext4', '-b', '4096', '-O', 'metadata_csum,64bit', '-I', '512'],
  ['ext4', '-b', '4096', '-O', 'inline_data,ea_inode', '-I', '512'],
  ['ext4', '-b', '4096', '-O', 'bigalloc'],
];

for (const [type, ...args] of variants) {
  requiresRoot('mke2fs', 'mount', 'setfattr', 'getfattr', 'setfacl', 'chattr').serial(
    `all that the kernel tells of a volume: ${type} ${args.join(' ')}`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const image = blank(join(folder, 'image'), 128 * MiB);
      run('mke2fs', '-q', '-F', '-t', type, ...args, image);
      const mount = join(folder, 'mounted');
      mkdirSync(mount);
      const mounted = <T>(options: string, work: () => T): T => {
        run('mount', '-t', type, '-o', options, image, mount);
        try {
          return work();
        } finally {
          run('umount', mount);
        }
      };
      mounted('loop', () => {
        sourceTree(join(mount, 'source'));
        makeRichTree(mount, type === 'ext4');
        addAttributes(mount);
        if (args.join(' ').includes('ea_inode')) {
          run('setfattr', '-n', 'user.huge', '-v', 'h'.repeat(30_000), join(mount, 'rich', 'inline'));
        }
      });
      const expected = mounted('loop,ro,noatime', () => listedByKernel(mount));

      const device = imageDevice(t, image);
      const filesystem = await detect(device);
      const control = (await filesystem?.controlSet()) ?? [];
      const tree = await treeOn(device);
      t.is(tree.pending, null);
      const found = await listedByTree(device, tree);
      t.deepEqual([...found.keys()], [...expected.keys()]);
      t.true(found.size > 1300, `${found.size} files`);
      for (const [path, { created, ...want }] of expected) {
        const { created: ours, ...have } = found.get(path)!;
        t.deepEqual(have, want, path);
        // Where no birth is stored, Node gives something else in its place.
        if (ours !== null) t.is(ours, String(created), path);
      }
      const [special] = await walked(tree, { paths: ['/rich/special'] });
      t.is(special?.created === null, args.includes('128'));

      const watched = recording(device);
      const probed = await detect(watched);
      const probes = watched.accesses.length;
      const again = await probed?.tree?.();
      if (again === undefined) throw new Error('no tree');
      for (const file of await walked(again)) {
        await again.attributes(file);
        for await (const _ of again.runs(file));
        if (file.kind === 'link') await again.target(file);
      }
      const read = normalize(
        watched.accesses.slice(probes).map(({ offset, length }) => ({ start: offset, length })),
      );
      const allowed = alignOutward(control, device.sectorSize, device.size);
      t.deepEqual(subtract(read, allowed), [], 'nothing but the control set is read');
    },
  );
}

requires('mke2fs', 'debugfs').serial(
  'indirect blocks, as debugfs lists and dumps them',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = blank(join(folder, 'image'), 64 * MiB);
    run('mke2fs', '-q', '-F', '-t', 'ext2', '-b', '1024', '-d', sourceTree(join(folder, 'tree')), image);
    const sparse = join(folder, 'sparse');
    const fd = openSync(sparse, 'w');
    for (const [at, words] of [
      [0, 'direct'],
      [11 * 1024, 'the last direct block'],
      [12 * 1024, 'the first single one'],
      [(12 + 255) * 1024 + 1020, 'across into the double ones'],
      [(12 + 256 + 65_535) * 1024, 'the last double one'],
      [(12 + 256 + 65_536) * 1024 + 5, 'the first triple one'],
      [300_000_000, 'the end'],
    ] as const) {
      writeSync(fd, words, at);
    }
    closeSync(fd);
    run('debugfs', '-w', '-R', `write ${sparse} sparse`, image);
    const device = imageDevice(t, image);
    const tree = await treeOn(device);
    for (const file of await walked(tree, { paths: ['sparse', 'large.bin', 'other.bin', 'holes'] })) {
      const dumped = join(folder, 'dumped');
      run('debugfs', '-R', `dump ${file.path} ${dumped}`, image);
      t.true((await contentByRuns(device, tree, file)).equals(readFileSync(dumped)), file.path);
      const blocks: number[] = [];
      for await (const { start, length } of tree.runs(file)) {
        if (start === null) continue;
        for (let done = 0; done < length; done += 1024) blocks.push((start + done) / 1024);
      }
      // debugfs names the blocks of pointers as well.
      const owned = new Set(
        run('debugfs', '-R', `blocks ${file.path}`, image).trim().split(/ +/).map(Number),
      );
      t.true(blocks.length > 0 && blocks.every((block) => owned.has(block)), file.path);
    }
  },
);

requires('mke2fs').serial(
  'paths that are asked for, and those that are not there',
  async (t: ExecutionContext) => {
    const { image } = plain(t);
    const tree = await treeOn(imageDevice(t, image));
    const paths = async (...asked: string[]): Promise<string[]> =>
      (await walked(tree, { paths: asked })).map(({ path }) => path);
    t.deepEqual(await paths('folder 1/a/b/file-3', '/large.bin'), ['/large.bin', '/folder 1/a/b/file-3']);
    t.deepEqual((await paths('/folder 2')).slice(0, 4), [
      '/folder 2',
      '/folder 2/a',
      '/folder 2/a/b',
      '/folder 2/a/b/file-0',
    ]);
    t.deepEqual(await paths('/folder 2', 'folder 2/a/b/file-1'), await paths('/folder 2/'));
    t.deepEqual(
      await paths('/'),
      (await walked(tree)).map(({ path }) => path),
    );
    t.is((await paths('/')).length, new Set(await paths('/')).size);
    const missing = await t.throwsAsync(paths('/large.bin', '/no/such', 'folder 2/none', 'large.bin/below'));
    t.like(missing, {
      code: 'path-not-found',
      facts: { paths: ['/no/such', 'folder 2/none', 'large.bin/below'] },
    });
    const stopped = new AbortController();
    stopped.abort(new Error('stopped'));
    await t.throwsAsync(walked(tree, { signal: stopped.signal }), { message: 'stopped' });
  },
);

function plain(
  t: ExecutionContext,
  args: readonly string[] = ['-t', 'ext4'],
): { image: string; folder: string } {
  const folder = temporary(t);
  const image = blank(join(folder, 'image'), 16 * MiB);
  run('mke2fs', '-q', '-F', '-b', '1024', ...args, '-d', sourceTree(join(folder, 'tree')), image);
  return { image, folder };
}

requires('mke2fs', 'debugfs').serial(
  'what is damaged is told, and all else is listed',
  async (t: ExecutionContext) => {
    const { image, folder } = plain(t);
    const whole = await walked(await treeOn(imageDevice(t, image)));
    const commands = join(folder, 'commands');
    writeFileSync(
      commands,
      [
        'link "folder 1" "folder 1/a/loop"',
        'link large.bin "folder 2/slash"',
        'set_inode_field "folder 3/a" links_count 0',
        'set_inode_field other.bin mode 0170644',
        'feature needs_recovery',
      ].join('\n'),
    );
    run('debugfs', '-w', '-f', commands, image);
    const content = readFileSync(image);
    const name = content.indexOf('slash');
    content.write('../up', name);
    const device = memoryDevice(content);
    const tree = await treeOn(device);
    t.is(tree.pending, null, 'nothing is in the journal');
    t.true((tree.journal?.length ?? 0) > 0);
    await t.throwsAsync(walked(tree), { code: 'filesystem-damaged' });
    const lost: string[] = [];
    const left = await walked(tree, { onLost: (path, error) => lost.push(`${path}: ${error.message}`) });
    t.deepEqual(
      lost.map((line) => line.replace(/ Inode \d+ is damaged/, '')),
      [
        '/other.bin:: it is of no kind that is known',
        '/folder 1/a/loop:: the directory has two names',
        '/folder 2:: a name in it holds a slash or a zero',
        '/folder 3/a:: a name leads to it and it is free',
        '/folder 3/other again.bin:: it is of no kind that is known',
      ],
    );
    const gone = new Set(['/other.bin', '/folder 3/other again.bin']);
    const expected = whole
      .map(({ path }) => path)
      .filter((path) => !gone.has(path) && !path.startsWith('/folder 3/a'));
    t.deepEqual(
      left.map(({ path }) => path),
      expected,
    );
  },
);

requires('mke2fs').serial(
  'hostile structures end, and only in errors that have a code',
  async (t: ExecutionContext) => {
    for (const [type, inodeSize] of [
      ['ext2', '128'],
      ['ext4', '256'],
    ] as const) {
      const { image } = plain(t, ['-t', type, '-I', inodeSize, '-O', '^metadata_csum']);
      const content = readFileSync(image);
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              at: fc.integer({ min: 1024, max: 1_400_000 }),
              bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }),
              stride: fc.constantFrom(0, 128, 256, 1024),
            }),
            { minLength: 1, maxLength: 12 },
          ),
          async (damages) => {
            const broken = Buffer.from(content);
            for (const { at, bytes, stride } of damages) {
              for (let i = 0; i < (stride === 0 ? 1 : 200); i++) broken.set(bytes, at + i * stride);
            }
            await survivesAll(memoryDevice(broken));
          },
        ),
        { numRuns: 60 },
      );
    }
    t.pass();
  },
);
