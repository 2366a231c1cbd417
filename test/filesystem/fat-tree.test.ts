import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { alignOutward, normalize, subtract } from '../../src/bytes/index.ts';
import { recording } from '../../src/disk/recording.ts';
import { detect } from '../../src/filesystem/index.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { imageDevice, memoryDevice } from './devices.ts';
import { content, fatImage, type FatImage } from './fat-fixtures.ts';
import { run } from './fixtures.ts';
import { contentByRuns, survivesAll, treeOn, walked } from './tree-listing.ts';

const MiB = 1024 * 1024;
const mtools = (...command: string[]): string => run('env', 'LC_ALL=C.UTF-8', 'TZ=UTC', ...command);
const inside = (folder: string): string[] => readdirSync(folder).map((name) => join(folder, name));
const kinds: [kind: string, size: number, ...args: string[]][] = [
  ['12', 8],
  ['16', 40],
  ['32', 80],
  ['32', 300, '-S', '4096'],
];

/** Folders, long names, names of one half of the alphabet, files in pieces; what is older than others has its own time. */
function fill({ folder, path }: FatImage): void {
  const tree = join(folder, 'tree');
  const names = [
    'SHORT.TXT',
    'lower.txt',
    'A long name, with a comma.text',
    'Größe 漢字.txt',
    'emoji 😀🎉 beyond.txt',
    'empty',
  ];
  mkdirSync(join(tree, 'deep', 'er', 'and Deeper'), { recursive: true });
  for (const [i, name] of names.entries()) {
    for (const inner of ['', 'deep', 'deep/er/and Deeper']) {
      const at = join(tree, inner, name);
      writeFileSync(at, content(name === 'empty' ? 0 : i * 9000 + inner.length, i));
      utimesSync(at, 1_000_000_000 + i * 100_000, 1_000_000_000 + i * 100_000 + inner.length * 2);
    }
  }
  mkdirSync(join(tree, 'many'));
  for (let i = 0; i < 60; i++) writeFileSync(join(tree, 'many', `number ${i} of many`), `${i}`);
  mtools('mcopy', '-s', '-m', '-Q', '-i', path, ...inside(tree), '::/');
  const gone = Array.from({ length: 30 }, (_, i) => `::/many/number ${i * 2} of many`);
  mtools('mdel', '-i', path, ...gone);
  writeFileSync(join(folder, 'pieces'), content(400_000, 99));
  mtools('mcopy', '-i', path, join(folder, 'pieces'), '::/many/in pieces');
  mtools('mattrib', '+r', '+h', '+s', '-i', path, '::/SHORT.TXT');
}

for (const [kind, size, ...args] of kinds) {
  requires('mkfs.fat', 'mcopy', 'mdir', 'mattrib').serial(
    `what mtools takes out of a volume: FAT${kind} ${args.join(' ')}`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const image = fatImage(folder, size * MiB, '-F', kind, ...args);
      fill(image);
      const out = join(folder, 'out');
      mkdirSync(out);
      mtools('mcopy', '-s', '-m', '-n', '-i', image.path, '::/*', out);
      const device = imageDevice(t, image.path, args.includes('4096') ? 4096 : 512);
      const tree = await treeOn(device);
      const files = await walked(tree);
      const byPath = new Map(files.map((file) => [file.path, file]));
      t.is(byPath.size, files.length);
      t.is(new Set(files.map(({ id }) => id)).size, files.length);
      let expected = 1;
      const visit = async (path: string): Promise<void> => {
        for (const name of readdirSync(out + path)) {
          const at = `${path}/${name}`;
          const stat = lstatSync(out + at);
          const file = byPath.get(at);
          expected++;
          t.is(file?.kind, stat.isDirectory() ? 'directory' : 'file', at);
          if (file === undefined) continue;
          if (stat.isDirectory()) {
            await visit(at);
            continue;
          }
          t.is(file.size, stat.size, at);
          t.is(file.modified?.seconds, stat.mtimeMs / 1000, at);
          t.true((await contentByRuns(device, tree, file)).equals(readFileSync(out + at)), at);
        }
      };
      await visit('');
      t.is(files.length, expected);
      const bare = mtools('mdir', '-/', '-b', '-a', '-i', image.path, '::/').trim().split('\n');
      t.deepEqual(
        files
          .filter(({ path }) => path !== '/')
          .map(({ path, kind: is }) => `::${path}${is === 'directory' ? '/' : ''}`)
          .toSorted(),
        bare.toSorted(),
      );
      t.like(byPath.get('/SHORT.TXT'), { more: { attributes: 'RHSA' }, mode: null, owner: null, links: 1 });
      const { created, accessed } = byPath.get('/lower.txt')!;
      t.deepEqual(created, { seconds: 1_000_100_000, nanoseconds: 0 });
      t.is((accessed?.seconds ?? 1) % 86_400, 0, 'a day');
      const pieces = [];
      for await (const piece of tree.runs(byPath.get('/many/in pieces')!)) pieces.push(piece);
      // On FAT32 mtools goes on behind what it wrote last.
      t.is(pieces.length > 1, kind !== '32', 'a file in pieces');
      t.deepEqual(
        (await walked(tree, { paths: ['DEEP/er', '/größe 漢字.TXT'] })).map(({ path }) => path).slice(0, 3),
        ['/Größe 漢字.txt', '/deep/er', '/deep/er/and Deeper'],
      );
      await t.throwsAsync(walked(tree, { paths: ['deep/none'] }), { code: 'path-not-found' });
    },
  );
}

requires('mkfs.fat', 'mcopy').serial(
  'walking and asking for the runs reads nothing but the control set',
  async (t: ExecutionContext) => {
    for (const [kind, size, ...args] of kinds) {
      const image = fatImage(temporary(t), size * MiB, '-F', kind, ...args);
      fill(image);
      const device = recording(imageDevice(t, image.path, args.includes('4096') ? 4096 : 512));
      const filesystem = await detect(device);
      const control = (await filesystem?.controlSet()) ?? [];
      const before = device.accesses.length;
      const tree = await filesystem?.tree?.();
      if (tree === undefined) throw new Error('no tree');
      for (const file of await walked(tree)) for await (const _ of tree.runs(file));
      const read = device.accesses.slice(before).map(({ offset, length }) => ({ start: offset, length }));
      t.deepEqual(subtract(normalize(read), alignOutward(control, device.sectorSize, device.size)), [], kind);
    }
  },
);

requires('mkfs.fat', 'mcopy').serial(
  'damage is told, and all else is listed',
  async (t: ExecutionContext) => {
    const image = fatImage(temporary(t), 20 * MiB, '-F', '16');
    fill(image);
    const bytes = readFileSync(image.path);
    const whole = await walked(await treeOn(memoryDevice(bytes)));
    const cluster = (path: string): [entry: number, first: number] => {
      const entry = whole.find((file) => file.path === path)?.id ?? 0;
      return [entry, bytes.readUInt16LE(entry + 26)];
    };
    const fat = bytes.readUInt16LE(14) * 512;
    const [, deep] = cluster('/deep');
    const [inner] = cluster('/deep/er/and Deeper');
    const [, pieces] = cluster('/many/in pieces');
    const [, many] = cluster('/many');
    // A directory that leads back up, a file that runs in a circle, a directory that does.
    bytes.writeUInt16LE(deep, inner + 26);
    bytes.writeUInt16LE(pieces, fat + bytes.readUInt16LE(fat + pieces * 2) * 2);
    const device = memoryDevice(bytes);
    const tree = await treeOn(device);
    const lost: string[] = [];
    const left = await walked(tree, { onLost: (path, error) => lost.push(`${path}: ${error.message}`) });
    t.deepEqual(lost, ['/deep/er/and Deeper: The FAT file system is damaged: a directory has two names']);
    t.deepEqual(
      left.map(({ path }) => path),
      whole.map(({ path }) => path).filter((path) => !path.startsWith('/deep/er/and Deeper')),
    );
    const circling = left.find(({ path }) => path === '/many/in pieces')!;
    await t.throwsAsync(contentByRuns(device, tree, circling), {
      code: 'filesystem-damaged',
      message: /circle/,
    });
    bytes.writeUInt16LE(many, fat + many * 2);
    await t.throwsAsync(walked(await treeOn(memoryDevice(bytes))), { code: 'filesystem-damaged' });
  },
);

requires('mkfs.fat', 'mcopy').serial(
  'hostile structures end, and only in errors that have a code',
  async (t: ExecutionContext) => {
    for (const [kind, size] of [
      ['12', 2],
      ['16', 6],
      ['32', 36],
    ] as const) {
      const image = fatImage(temporary(t), size * MiB, '-F', kind, '-s', '1');
      fill({ ...image, size: statSync(image.path).size });
      const bytes = readFileSync(image.path);
      const near = bytes.lastIndexOf('SHORT   TXT') + 100_000;
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              at: fc.integer({ min: 11, max: Math.min(near, bytes.length - 60_000) }),
              change: fc.uint8Array({ minLength: 1, maxLength: 16 }),
              stride: fc.constantFrom(0, 32, 64, 512),
            }),
            { minLength: 1, maxLength: 12 },
          ),
          async (damages) => {
            const broken = Buffer.from(bytes);
            for (const { at, change, stride } of damages) {
              for (let i = 0; i < (stride === 0 ? 1 : 100); i++) broken.set(change, at + i * stride);
            }
            await survivesAll(memoryDevice(broken));
          },
        ),
        { numRuns: 15 },
      );
    }
    t.pass();
  },
);
