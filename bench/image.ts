import { lstat, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run } from '../src/system/index.ts';

const GiB = 2 ** 30;

/** Where images are kept between runs: outside the checkout. */
export const cacheFolder = join(
  process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  'remetal',
  'bench',
);

/** Files below `folder`, in the order of their paths, until they add up to `limit` bytes. */
async function someOf(folder: string, limit: number): Promise<string[]> {
  const chosen: string[] = [];
  let bytes = 0;
  const walk = async (at: string): Promise<void> => {
    for (const entry of (await readdir(at, { withFileTypes: true })).toSorted((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      if (bytes >= limit) return;
      const path = join(at, entry.name);
      if (entry.isDirectory()) {
        await walk(path);
      } else if (entry.isFile() || entry.isSymbolicLink()) {
        chosen.push(path);
        bytes += (await lstat(path)).size;
      }
    }
  };
  await walk(folder);
  return chosen;
}

/**
 * A 6 GiB ext4 image with about 2.6 GB of this machine's own programs and libraries, made once and
 * kept. `mkfs.ext4 -d` needs no root.
 */
export async function realImage(): Promise<string> {
  const path = join(cacheFolder, 'real-6g.img');
  if ((await stat(path).catch(() => null))?.size === 6 * GiB) return path;
  await mkdir(cacheFolder, { recursive: true });
  const staging = join(cacheFolder, 'staging');
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging);
  const files = await someOf('/usr', 2.5 * 1e9);
  const list = files.map((file) => file.slice(1)).join('\0');
  const args = ['-C', '/', '--null', '--no-recursion', '-T', '-', '-cf', join(cacheFolder, 'staging.tar')];
  await run('tar', args, { input: list });
  await run('tar', ['-C', staging, '--no-same-owner', '-xf', join(cacheFolder, 'staging.tar')]);
  const making = `${path}.part`;
  await rm(making, { force: true });
  await run('mkfs.ext4', ['-q', '-F', '-L', 'bench', '-d', staging, making, '6G']);
  await rename(making, path);
  await rm(staging, { recursive: true, force: true });
  await rm(join(cacheFolder, 'staging.tar'), { force: true });
  return path;
}

/** A sparse disk of 2 TiB with an empty ext4 on it: nearly nothing used, very much to keep account of. */
export async function hugeImage(): Promise<string> {
  const path = join(cacheFolder, 'sparse-2t.img');
  if ((await stat(path).catch(() => null))?.size === 2048 * GiB) return path;
  await mkdir(cacheFolder, { recursive: true });
  const making = `${path}.part`;
  await rm(making, { force: true });
  await run('mkfs.ext4', ['-q', '-F', '-L', 'huge', making, '2T']);
  await rename(making, path);
  return path;
}
