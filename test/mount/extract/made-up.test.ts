import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { FileRun, TreeFile } from '../../../src/filesystem/index.ts';
import { extract, type Extracted, type VolumeTree } from '../../../src/mount/extract/index.ts';
import { memoryDevice } from '../../filesystem/devices.ts';
import { temporary } from '../../helpers/temporary.ts';
import { noise } from '../../restore/sets.ts';

const MiB = 1024 * 1024;

interface MadeUp {
  readonly path: string;
  readonly kind?: TreeFile['kind'];
  readonly size?: number;
  readonly runs?: readonly FileRun[];
  readonly target?: string;
  readonly id?: number;
  readonly links?: number;
  readonly mode?: number;
  readonly owner?: TreeFile['owner'];
}

/** A tree as only a hostile or a very odd volume would have it. */
function treeOf(entries: readonly MadeUp[]): VolumeTree {
  const known = new WeakMap<TreeFile, MadeUp>();
  return {
    pending: null,
    async *walk() {
      for (const [index, entry] of entries.entries()) {
        const file: TreeFile = {
          path: entry.path,
          rawPath: null,
          kind: entry.kind ?? 'file',
          id: entry.id ?? index + 1,
          links: entry.links ?? 1,
          size: entry.size ?? 0,
          mode: entry.mode ?? 0o644,
          owner: entry.owner ?? null,
          modified: { seconds: 1_000_000_000, nanoseconds: 0 },
          accessed: null,
          changed: null,
          created: null,
          device: null,
          more: {},
        };
        known.set(file, entry);
        yield file;
        await Promise.resolve();
      }
    },
    async *runs(file) {
      yield* known.get(file)?.runs ?? [];
      await Promise.resolve();
    },
    target: (file) => Promise.resolve(Buffer.from(known.get(file)?.target ?? '')),
    attributes: () => Promise.resolve([]),
  };
}

async function told(
  folder: string,
  entries: readonly MadeUp[],
  volume = memoryDevice(noise(MiB, 1)),
): Promise<string[]> {
  const out: Extracted[] = [];
  await extract({ tree: treeOf(entries), volume, folder, onFile: (file) => out.push(file) });
  return out.map(({ path, written, problem }) => `${path} ${problem?.code ?? written}`);
}

test('paths that lead elsewhere, and links they would go through, write nothing outside', async (t) => {
  const above = temporary(t);
  const [folder, elsewhere] = [join(above, 'out'), join(above, 'elsewhere')];
  mkdirSync(elsewhere);
  const runs = [{ offset: 0, length: 10, start: 512 }];
  const lines = await told(folder, [
    { path: '/../elsewhere/one', size: 10, runs },
    { path: '/a/../../../elsewhere/two', size: 10, runs },
    { path: '/trap', kind: 'link', target: elsewhere },
    { path: '/trap/three', size: 10, runs },
    { path: '/trap', kind: 'directory' },
    { path: '/trap/four', kind: 'directory' },
    { path: '/file', size: 10, runs },
    { path: '/file/below', size: 10, runs },
    { path: '/zero\0byte', size: 10, runs },
    { path: `/${'x'.repeat(300)}`, size: 10, runs },
  ]);
  t.deepEqual(
    lines.toSorted(),
    [
      '/../elsewhere/one %2E%2E/elsewhere/one',
      '/a/../../../elsewhere/two a/%2E%2E/%2E%2E/%2E%2E/elsewhere/two',
      '/file file-exists',
      '/file/below file/below',
      '/trap file-exists',
      '/trap trap',
      '/trap/four file-exists',
      '/trap/three file-exists',
      `/${'x'.repeat(300)} ENAMETOOLONG`,
      '/zero\0byte zero%00byte',
    ].toSorted(),
  );
  t.deepEqual(readdirSync(elsewhere), []);
  t.deepEqual(readdirSync(above).toSorted(), ['elsewhere', 'out']);
  t.is(readlinkSync(join(folder, 'trap')), elsewhere);
});

test('runs that make no sense are the problem of their file alone', async (t) => {
  const folder = join(temporary(t), 'out');
  const lines = await told(folder, [
    { path: '/outside', size: 5000, runs: [{ offset: 0, length: 5000, start: MiB - 100 }] },
    { path: '/before', size: 5000, runs: [{ offset: -3, length: 5000, start: 10 }] },
    { path: '/longer', size: 7, runs: [{ offset: 0, length: 4096, start: 100 }] },
    { path: '/inline', size: 3, runs: [{ offset: 0, length: 3, start: null, inline: Buffer.from('abc') }] },
    { path: '/hole', size: 100_000 },
  ]);
  t.deepEqual(lines.toSorted(), [
    '/before filesystem-damaged',
    '/hole hole',
    '/inline inline',
    '/longer longer',
    '/outside filesystem-damaged',
  ]);
  t.deepEqual(readFileSync(join(folder, 'longer')), noise(MiB, 1).subarray(100, 107));
  t.is(readFileSync(join(folder, 'inline'), 'utf8'), 'abc');
  t.like(statSync(join(folder, 'hole')), { size: 100_000, blocks: 0 });
  t.false(existsSync(join(folder, 'outside')));
});

test('files that share their bytes all get them, and a further name of a lost file is told', async (t) => {
  const folder = join(temporary(t), 'out');
  const volume = memoryDevice(noise(MiB, 1));
  const lost = { offset: 0, length: 4096, start: 600_064 };
  volume.broken.push({ start: 600_064, length: 512 });
  const lines = await told(
    folder,
    [
      { path: '/one', size: 300_000, runs: [{ offset: 0, length: 300_000, start: 1000 }] },
      { path: '/two', size: 100, runs: [{ offset: 0, length: 100, start: 200_000 }] },
      { path: '/lost', id: 9, links: 2, size: 4096, runs: [lost] },
      { path: '/lost again', id: 9, links: 2, size: 4096, runs: [lost] },
    ],
    volume,
  );
  t.deepEqual(lines.toSorted(), [
    '/lost again target-unwritable',
    '/lost disk-read-failed',
    '/one one',
    '/two two',
  ]);
  t.deepEqual(readFileSync(join(folder, 'one')), noise(MiB, 1).subarray(1000, 301_000));
  t.deepEqual(readFileSync(join(folder, 'two')), noise(MiB, 1).subarray(200_000, 200_100));
});

test('few files are open at a time, however many are written', async (t) => {
  const folder = join(temporary(t), 'out');
  const [files, pieces, length] = [600, 4, 400];
  const bytes = noise(MiB, 4);
  const volume = memoryDevice(bytes);
  // The first pieces of all files come before the second ones of any.
  const entries = Array.from({ length: files }, (_, file) => ({
    path: `/folder ${file % 90}/file ${file}`,
    size: pieces * length,
    runs: Array.from({ length: pieces }, (__, piece) => ({
      offset: piece * length,
      length,
      start: (piece * files + file) * length,
    })),
  }));
  let [most, reports] = [0, 0];
  const before = readdirSync('/proc/self/fd').length;
  await extract({
    tree: treeOf(entries),
    volume,
    folder,
    rowsInMemory: 500,
    onProgress: () => {
      if (reports++ % 20 === 0) most = Math.max(most, readdirSync('/proc/self/fd').length);
    },
  });
  t.true(most - before < 150, `${most - before} more than before`);
  for (const { path, runs } of entries) {
    const wanted = Buffer.concat(runs.map(({ start }) => bytes.subarray(start, start + length)));
    if (path.endsWith('7')) t.deepEqual(readFileSync(join(folder, path)), wanted);
    else t.is(lstatSync(join(folder, path)).size, pieces * length);
  }
});
