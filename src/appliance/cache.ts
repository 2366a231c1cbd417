import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, copyFile, link, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** A step of the build, for the one who draws it. */
export interface BuildStep {
  readonly stage: 'packages' | 'unpack' | 'root' | 'agent' | 'settings' | 'image' | 'lists';
  /** `reused`: found in the cache, nothing was done. */
  readonly state: 'started' | 'done' | 'reused';
  readonly detail: string;
}

export type OnStep = (step: BuildStep) => void;

/** Where stages keep what they made: `${XDG_CACHE_HOME:-~/.cache}/remetal`. */
export function defaultCache(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'remetal');
}

/** SHA-256 over any JSON value, hex: the key of a stage's inputs. */
export function keyOf(...inputs: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
}

/** SHA-256 of a file, hex. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** Every file under a folder, relative, sorted; nothing when the folder is not there. */
export async function filesUnder(folder: string): Promise<string[]> {
  if (!(await exists(folder))) return [];
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

/** The contents of a folder as one key: names and hashes of all files in it. */
export async function keyOfFolder(folder: string): Promise<string> {
  const names = await filesUnder(folder);
  const hashes = await Promise.all(names.map((name) => hashFile(join(folder, name))));
  return keyOf(names, hashes);
}

export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * The folder of a stage, made by `make` when the cache has none for this key. It is made beside its
 * place and renamed when whole, so that a build that was cut off leaves nothing that looks finished,
 * and two builds at once do not disturb each other.
 */
export async function cached(request: {
  readonly cache: string;
  readonly name: string;
  readonly key: string;
  readonly make: (folder: string) => Promise<void>;
}): Promise<{ folder: string; reused: boolean }> {
  const folder = join(request.cache, request.name, request.key.slice(0, 24));
  if (await exists(folder)) return { folder, reused: true };
  const scratch = `${folder}.${randomBytes(4).toString('hex')}.partial`;
  await mkdir(dirname(folder), { recursive: true });
  await mkdir(scratch);
  try {
    await request.make(scratch);
    await rename(scratch, folder).catch(async (error: unknown) => {
      if (!(await exists(folder))) throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return { folder, reused: false };
}

/** A second name for a file where the file system allows one, a copy elsewhere. The folder must be there. */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to));
}

/** The files of a folder under a second folder, by `linkOrCopy`. */
export async function linkFolder(from: string, to: string): Promise<void> {
  for (const name of await filesUnder(from)) {
    await mkdir(dirname(join(to, name)), { recursive: true });
    await linkOrCopy(join(from, name), join(to, name));
  }
}

/** Runs `work` with a scratch folder inside the cache, so that links to what the cache holds are possible. */
export async function inScratch<T>(cache: string, work: (scratch: string) => Promise<T>): Promise<T> {
  await mkdir(join(cache, 'scratch'), { recursive: true });
  const scratch = await mkdtemp(join(cache, 'scratch', 'build-'));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
