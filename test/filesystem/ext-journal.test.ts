import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { alignOutward, intersect, normalize, subtract, total } from '../../src/bytes/index.ts';
import { recording } from '../../src/disk/recording.ts';
import { detect } from '../../src/filesystem/index.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { imageDevice, memoryDevice, strip } from './devices.ts';
import { blank, copied, run, sourceTree } from './fixtures.ts';
import { listedByKernel, listedByTree, survivesAll, treeOn, walked } from './tree-listing.ts';

const MiB = 1024 * 1024;
const needs = requiresRoot('mke2fs', 'mount', 'setfattr', 'getfattr');

interface Torn {
  readonly folder: string;
  /** Copied while it was mounted, and what the kernel makes of another copy. */
  readonly image: string;
  readonly replayed: string;
}

const magic = Buffer.from([0xc0, 0x3b, 0x39, 0x98]);

/** A volume that was copied in the middle of its use; `options` are those of mount. */
function torn(t: ExecutionContext, type: string, args: readonly string[], options = ''): Torn {
  const folder = temporary(t);
  const source = blank(join(folder, 'source'), 96 * MiB);
  run('mke2fs', '-q', '-F', '-t', type, ...args, '-d', sourceTree(join(folder, 'tree')), source);
  const mount = join(folder, 'mounted');
  mkdirSync(mount);
  const image = join(folder, 'torn');
  run('mount', '-t', type, '-o', `loop,noatime${options}`, source, mount);
  try {
    const at = (...names: string[]): string => join(mount, ...names);
    mkdirSync(at('new', 'deep'), { recursive: true });
    for (let i = 0; i < 400; i++) writeFileSync(at('new', `number ${i}`), `content of ${i}\n`.repeat(i % 50));
    run('sync', '-f', mount);
    // What was a directory becomes contents: its blocks in the log are taken back.
    for (let i = 0; i < 400; i += 2) rmSync(at('new', `number ${i}`));
    rmSync(at('folder 5'), { recursive: true });
    // Now nothing but the log is written; syncing all of it would write everything home.
    run('sync', at('new', 'number 1'));
    writeFileSync(at('new', 'large'), Buffer.alloc(3 * MiB, 'words of a large file '));
    writeFileSync(
      at('new', 'escaped'),
      Buffer.concat([magic, Buffer.alloc(5000, 1), magic, Buffer.alloc(9000, 2)]),
    );
    renameSync(at('folder 6'), at('new', 'deep', 'moved'));
    appendFileSync(at('new', 'number 1'), 'one line more');
    truncateSync(at('other.bin'), 100_000);
    symlinkSync('z'.repeat(300), at('new', 'link'));
    run('setfattr', '-n', 'user.late', '-v', 'v'.repeat(600), at('new', 'escaped'));
    run('sync', at('new', 'number 1'), at('new', 'large'), at('new', 'escaped'));
    copied(source, image);
  } finally {
    run('umount', mount);
  }
  const replayed = copied(image, join(folder, 'replayed'));
  run('mount', '-t', type, '-o', 'loop,noatime', replayed, mount);
  run('umount', mount);
  return { folder, image, replayed };
}

const variants: [type: string, args: string[], options?: string][] = [
  ['ext3', ['-b', '1024']],
  ['ext4', ['-b', '4096']],
  ['ext4', ['-b', '1024', '-O', '^64bit,^metadata_csum']],
  ['ext4', ['-b', '4096', '-O', '64bit,metadata_csum'], ',data=journal'],
  ['ext4', ['-b', '1024', '-O', '^metadata_csum', '-J', 'size=4'], ',data=journal,journal_checksum'],
];

for (const [type, args, options] of variants) {
  needs.serial(
    `a journal is replayed as the kernel replays it: ${type} ${args.join(' ')} ${options ?? ''}`,
    async (t: ExecutionContext) => {
      const { folder, image, replayed } = torn(t, type, args, options);
      const mount = join(folder, 'mounted');
      run('mount', '-t', type, '-o', 'loop,ro,noatime', replayed, mount);
      let expected;
      try {
        expected = listedByKernel(mount);
      } finally {
        run('umount', mount);
      }
      const device = imageDevice(t, image);
      const filesystem = await detect(device);
      t.regex((await filesystem?.usedMap())?.reason ?? '', /needs recovery/);
      const tree = await treeOn(device);
      t.is(tree.pending, null);
      const found = await listedByTree(device, tree);
      t.deepEqual([...found.keys()], [...expected.keys()]);
      for (const [path, { created: _, ...want }] of expected) {
        const { created: __, ...have } = found.get(path)!;
        t.deepEqual(have, want, path);
      }
      const control = (await filesystem?.controlSet()) ?? [];
      const journal = total(tree.journal ?? []);
      t.true(total(intersect(control, normalize(tree.journal ?? []))) < journal, 'not all of the journal');
      const listing = (path: string): string => {
        run('mount', '-t', type, '-o', 'loop,noatime', path, mount);
        try {
          return run('find', mount, '-printf', '%P %y %s %m %n %u %T@ %l\n');
        } finally {
          run('umount', mount);
        }
      };
      const stripped = copied(image, join(folder, 'stripped'));
      strip(stripped, device.size, control);
      t.is(listing(stripped), listing(replayed), 'the control set is enough for the kernel');
      const watched = recording(device);
      const probed = await detect(watched);
      const before = watched.accesses.length;
      const again = await probed?.tree?.();
      if (again === undefined) throw new Error('no tree');
      for (const file of await walked(again)) await again.attributes(file);
      const read = watched.accesses.slice(before).map(({ offset, length }) => ({ start: offset, length }));
      t.deepEqual(subtract(normalize(read), alignOutward(control, device.sectorSize, device.size)), []);
    },
  );
}

needs.serial(
  'a journal that makes no sense is told, and the state without it',
  async (t: ExecutionContext) => {
    const { image } = torn(t, 'ext4', ['-b', '1024']);
    const content = readFileSync(image);
    const { journal } = await treeOn(memoryDevice(content));
    const [first] = journal ?? [];
    const start = first?.start ?? 0;
    const newest = (await walked(await treeOn(memoryDevice(content)))).length;

    const broken = Buffer.from(content);
    broken.fill(0, start, start + 16);
    const without = await treeOn(memoryDevice(broken));
    t.regex(without.pending ?? '', /^The file system was in use: .*\. The journal does not begin as one\.$/);
    t.true((without.journal?.length ?? 0) > 0);
    t.not((await walked(without, { onLost: () => {} })).length, newest);

    // A block of the log that is not what its descriptor says.
    const log = content.readUInt32BE(start + 0x1c);
    const flipped = Buffer.from(content);
    flipped[start + (log + 1) * 1024 + 100]! ^= 1;
    t.regex(
      (await treeOn(memoryDevice(flipped))).pending ?? '',
      /checksum of a block in the journal is wrong/,
    );

    // Hostile numbers anywhere in the first blocks of the log.
    for (let seed = 0; seed < 40; seed++) {
      const changes = new Map<number, number>();
      let state = seed + 1;
      const next = (below: number): number =>
        (state = (Math.imul(state, 48_271) >>> 0) % 0x7f_ff_ff_ff) % below;
      for (let i = 0; i < 6; i++) {
        const at = start + next(12 * 1024);
        if (!changes.has(at)) changes.set(at, content[at]!);
        content[at] = next(256);
      }
      await survivesAll(memoryDevice(content));
      for (const [at, byte] of changes) content[at] = byte;
    }
  },
);
