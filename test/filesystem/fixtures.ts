import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Extent } from '../../src/bytes/index.ts';

/** The three names the makers of XFS test with: mkfs.xfs then makes volumes below 300 MB. */
const small = { TEST_DIR: '/', TEST_DEV: '/', QA_CHECK_FS: '1' };
const environment = {
  ...process.env,
  ...small,
  PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
  LC_ALL: 'C',
};

/** Runs a program, fails on any status but 0, returns what it printed. */
export function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    env: environment,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** As `run`, with the status beside the output. */
export function status(program: string, ...args: string[]): { status: number | null; output: string } {
  const result = spawnSync(program, args, { env: environment, encoding: 'utf8' });
  return { status: result.status, output: `${result.stdout}${result.stderr}` };
}

/** A sparse image file of `size` bytes. */
export function blank(path: string, size: number): string {
  writeFileSync(path, '');
  truncateSync(path, size);
  return path;
}

/** A sparse copy of an image. */
export function copied(image: string, to: string): string {
  run('cp', '--sparse=always', image, to);
  return to;
}

/** Bytes that no two files share, so that a block in the wrong place shows. */
function content(seed: string, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) parts.push(createHash('sha256').update(`${seed} ${i}`).digest());
  return Buffer.concat(parts).subarray(0, length);
}

/**
 * A small tree with what servers have: nested folders, many small files, two larger ones, hard links,
 * short and long symbolic links, holes, long names and names beyond ASCII.
 */
export function sourceTree(folder: string): string {
  mkdirSync(folder);
  for (let d = 0; d < 8; d++) {
    const inner = join(folder, `folder ${d}`, 'a', 'b');
    mkdirSync(inner, { recursive: true });
    for (let f = 0; f < 12; f++)
      writeFileSync(join(inner, `file-${f}`), content(`${d}/${f}`, 100 + d * f * 97));
  }
  writeFileSync(join(folder, 'large.bin'), content('large', 900_000));
  writeFileSync(join(folder, 'other.bin'), content('other', 300_000));
  writeFileSync(join(folder, 'Größe 漢字.txt'), 'words');
  writeFileSync(join(folder, 'n'.repeat(255)), 'a long name');
  writeFileSync(join(folder, 'holes'), 'start');
  truncateSync(join(folder, 'holes'), 500_000);
  linkSync(join(folder, 'other.bin'), join(folder, 'folder 3', 'other again.bin'));
  symlinkSync('large.bin', join(folder, 'short link'));
  symlinkSync(`${'x/'.repeat(60)}target`, join(folder, 'long link'));
  return folder;
}

/** One line an entry: path, kind, and a hash of what it holds. */
export function manifest(folder: string): string[] {
  const lines: string[] = [];
  const visit = (path: string): void => {
    for (const name of readdirSync(join(folder, path)).toSorted()) {
      const inner = join(path, name);
      const at = join(folder, inner);
      const stat = lstatSync(at);
      if (stat.isSymbolicLink()) lines.push(`${inner} -> ${readlinkSync(at)}`);
      else if (stat.isDirectory()) lines.push(`${inner}/`);
      else lines.push(`${inner} ${stat.size} ${createHash('sha256').update(readFileSync(at)).digest('hex')}`);
      if (stat.isDirectory()) visit(inner);
    }
  };
  visit('');
  return lines;
}

/** The used byte extents partclone finds, `+` lines of its domain map. */
export function partcloneUsed(kind: string, image: string, scratch: string): Extent[] {
  const map = join(scratch, 'domain');
  run(`partclone.${kind}`, '-D', '-s', image, '-O', map, '-L', join(scratch, 'log'), '-F', '-q');
  const out: Extent[] = [];
  for (const line of readFileSync(map, 'utf8').split('\n')) {
    const [start, length, mark] = line.trim().split(/\s+/);
    if (mark === '+') out.push({ start: Number(start), length: Number(length) });
  }
  return out;
}
