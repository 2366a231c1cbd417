import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { fileRuns, placeHints } from '../../src/system/index.ts';
import { blankImage } from '../helpers/server-image.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

const MiB = 1024 * 1024;
const KiB = 1024;

function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
}

/** An image with a file system, mounted while the test runs. */
function mounted(t: ExecutionContext, make: string[], options = 'rw'): { image: string; root: string } {
  const folder = temporary(t);
  const image = blankImage(join(folder, 'image'), 320 * MiB);
  const [program = '', ...args] = make;
  run(program, ...args, image);
  const root = join(folder, 'root');
  mkdirSync(root);
  run('mount', '-o', `loop,${options}`, image, root);
  t.teardown(() => {
    try {
      run('umount', root);
    } catch {}
  });
  return { image, root };
}

/** What the runs of a file say it holds, read from the image; `through` read through the file. */
async function asMapped(path: string, image: string): Promise<{ bytes: Buffer; kinds: string[] }> {
  const size = statSync(path).size;
  const bytes = Buffer.alloc(size);
  const kinds: string[] = [];
  const fd = openSync(image, 'r');
  const whole = readFileSync(path);
  for (const { offset, length, start, kind } of (await fileRuns(path)) ?? []) {
    kinds.push(kind);
    const take = Math.min(length, size - offset);
    if (take <= 0 || kind === 'zeros') continue;
    if (start === null) whole.copy(bytes, offset, offset, offset + take);
    else readSync(fd, bytes, offset, take, start);
  }
  closeSync(fd);
  return { bytes, kinds };
}

function scattered(path: string): void {
  const fd = openSync(path, 'w');
  for (let i = 0; i < 40; i++) writeSync(fd, randomBytes(4096), 0, 4096, i * 64 * KiB);
  closeSync(fd);
}

for (const make of [
  ['mkfs.ext4', '-q', '-F'],
  ['mkfs.xfs', '-q', '-f'],
  ['mkfs.btrfs', '-q', '-f', '-m', 'dup'],
]) {
  requiresRoot(make[0]!, 'fallocate')(
    `where the bytes of a file lie is told as the device has them: ${make[0]}`,
    async (t: ExecutionContext) => {
      const { image, root } = mounted(t, make);
      const whole = join(root, 'whole');
      writeFileSync(whole, randomBytes(3 * MiB + 77));
      const holes = join(root, 'holes');
      scattered(holes);
      const unwritten = join(root, 'unwritten');
      run('fallocate', '-l', String(MiB), unwritten);
      writeFileSync(join(root, 'empty'), '');
      run('sync', '-f', root);
      for (const path of [whole, holes]) {
        const { bytes, kinds } = await asMapped(path, image);
        t.true(kinds.includes('plain') && !kinds.includes('through'), kinds.join(' '));
        t.true(bytes.equals(readFileSync(path)), path);
      }
      t.true(((await fileRuns(holes)) ?? []).length >= 40);
      const runs = await fileRuns(unwritten);
      t.true(runs!.length > 0 && runs!.every(({ kind, start }) => kind === 'zeros' && start === null));
      t.deepEqual(await fileRuns(join(root, 'empty')), []);
    },
  );
}

requiresRoot('mkfs.btrfs')(
  'what btrfs compresses or keeps inside its trees has no place',
  async (t: ExecutionContext) => {
    const { root } = mounted(t, ['mkfs.btrfs', '-q', '-f'], 'compress-force=zstd');
    writeFileSync(join(root, 'small'), 'small');
    writeFileSync(join(root, 'text'), 'the same again and again\n'.repeat(20_000));
    run('sync', '-f', root);
    for (const name of ['small', 'text']) {
      const runs = await fileRuns(join(root, name));
      t.true(
        runs!.length > 0 && runs!.every(({ kind, start }) => kind === 'through' && start === null),
        name,
      );
    }
  },
);

requiresRoot('mount')('a file system that keeps no places says so', async (t: ExecutionContext) => {
  const root = temporary(t);
  run('mount', '-t', 'tmpfs', 'none', root);
  t.teardown(() => run('umount', root));
  writeFileSync(join(root, 'file'), 'here');
  t.is(await fileRuns(join(root, 'file')), null);
});

for (const make of [
  ['mkfs.ntfs', '-q', '-F', '-Q'],
  ['mkfs.ext4', '-q', '-F'],
]) {
  requiresRoot(make[0]!)(`about where bytes lie is told: ${make[0]}`, async (t: ExecutionContext) => {
    const { image, root } = mounted(t, make);
    const path = join(root, 'file');
    const bytes = randomBytes(3 * MiB);
    writeFileSync(path, bytes);
    run('sync', '-f', root);
    if (make[0] === 'mkfs.ntfs') t.is(await fileRuns(path), null);
    const offsets = [0, MiB, 3 * MiB - 4096];
    const hints = await placeHints(path, offsets);
    const fd = openSync(image, 'r');
    for (const [index, offset] of offsets.entries()) {
      const found = Buffer.alloc(512);
      readSync(fd, found, 0, 512, hints[index]!);
      t.true(found.equals(bytes.subarray(offset, offset + 512)), `${offset} at ${hints[index]}`);
    }
    closeSync(fd);
    writeFileSync(join(root, 'tiny'), '');
    t.deepEqual(await placeHints(join(root, 'tiny'), [0]), [null]);
  });
}
