import { execFileSync } from 'node:child_process';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { hash } from 'node:crypto';
import { noise } from '../restore/sets.ts';

const MiB = 1024 * 1024;

export const environment = {
  ...process.env,
  PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
  LC_ALL: 'C',
};

export function tool(program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The file systems an image can be made of here, and what makes each on a device or file. */
export const makers: Readonly<Record<string, { readonly size: number; readonly make: readonly string[] }>> = {
  ext4: { size: 48 * MiB, make: ['mkfs.ext4', '-q', '-F', '-L', 'cellar'] },
  xfs: { size: 320 * MiB, make: ['mkfs.xfs', '-q', '-f', '-L', 'cellar'] },
  btrfs: { size: 128 * MiB, make: ['mkfs.btrfs', '-q', '-f', '-L', 'cellar'] },
  ntfs: { size: 48 * MiB, make: ['mkfs.ntfs', '-q', '-F', '-Q', '-L', 'cellar'] },
};

/** A tree of folders, files large and small, sparse ones and links. */
export function plant(root: string, folders = 12, filesEach = 25): void {
  for (let folder = 0; folder < folders; folder++) {
    const path = join(root, `folder ${folder}`, 'deep');
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < filesEach; file++) {
      writeFileSync(join(path, `file-${file}.txt`), noise((file * 977) % 20_000, folder * 100 + file));
    }
    symlinkSync('deep/file-1.txt', join(root, `folder ${folder}`, 'link'));
  }
  writeFileSync(join(root, 'large'), noise(3 * MiB, 7));
  const sparse = openSync(join(root, 'sparse'), 'w');
  closeSync(sparse);
  truncateSync(join(root, 'sparse'), 5 * MiB);
}

/** Makes an image of a file system with `fill` applied to it, through a loop mount. Needs root. */
export function madeImage(folder: string, type: string, fill: (root: string) => void = plant): string {
  const { size, make } = makers[type]!;
  const image = join(folder, `${type}.img`);
  const at = join(folder, `${type}.mnt`);
  closeSync(openSync(image, 'w'));
  truncateSync(image, size);
  tool(make[0]!, ...make.slice(1), image);
  mkdirSync(at);
  tool('mount', ...(type === 'ntfs' ? ['-t', 'ntfs-3g'] : []), '-o', 'loop', image, at);
  try {
    fill(at);
  } finally {
    tool('umount', at);
  }
  return image;
}

/** Every entry of a tree with what identifies it, one a line. */
export function listing(root: string, under = ''): string[] {
  const lines: string[] = [];
  for (const name of readdirSync(join(root, under)).toSorted()) {
    const path = join(under, name);
    const full = join(root, path);
    const facts = lstatSync(full);
    const head = `${path} ${facts.mode.toString(8)} ${facts.uid} ${facts.nlink} ${Math.floor(facts.mtimeMs)}`;
    if (facts.isDirectory()) lines.push(head, ...listing(root, path));
    else if (facts.isSymbolicLink()) lines.push(`${head} -> ${readlinkSync(full)}`);
    else lines.push(`${head} ${facts.size} ${hash('sha256', readFileSync(full))}`);
  }
  return lines;
}

/** The listing of an image itself, mounted through a loop device. */
export function listingOf(image: string, type: string, folder: string): string[] {
  const at = join(folder, `${type}.look`);
  mkdirSync(at, { recursive: true });
  const options: Readonly<Record<string, string>> = {
    ext4: 'loop,ro,noload',
    xfs: 'loop,ro,norecovery,nouuid',
  };
  tool('mount', ...(type === 'ntfs' ? ['-t', 'ntfs-3g'] : []), '-o', options[type] ?? 'loop,ro', image, at);
  try {
    return listing(at);
  } finally {
    tool('umount', at);
  }
}

/** What is attached or mounted in or from a folder, and processes that speak of it. */
export function leftovers(folder: string): string[] {
  const loops = tool('losetup', '-n', '-O', 'NAME,BACK-FILE')
    .split('\n')
    .filter((line) => line.includes(folder));
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder));
  // The words of a process that waits for a mount may not be had without waiting too: its name first.
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => textOf(`/proc/${pid}/comm`) === 'nbdfuse\n')
    .map((pid) => textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' '))
    .filter((words) => words.includes(folder));
  return [...loops, ...mounted, ...processes];
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
