import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where slow things are kept between runs, outside the checkout. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'remetal', 'rig');
}

const staleMs = 7 * 24 * 3600 * 1000;

/** A short key over everything a cached thing is made from. */
export function keyOf(...inputs: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(`${input.length}\n`).update(input);
  return hash.digest('hex').slice(0, 16);
}

/* Another process may have made the same in the meantime; a folder that is not empty is never replaced. */
function put(growing: string, wanted: string): void {
  try {
    renameSync(growing, wanted);
  } catch (error) {
    if (!existsSync(wanted)) throw error;
    rmSync(growing, { recursive: true });
  }
}

/**
 * The folder `<name>-<key>` of the cache, made by `make` when it is not there yet. `make` fills a
 * folder under another name, so that one cut off half-way is never taken for a whole one. Folders of
 * the same name that nobody has used for a week are removed.
 */
export async function cached(
  name: string,
  key: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const parent = cacheFolder();
  const wanted = join(parent, `${name}-${key}`);
  if (existsSync(wanted)) {
    const now = new Date();
    utimesSync(wanted, now, now);
    return wanted;
  }
  mkdirSync(parent, { recursive: true });
  const growing = mkdtempSync(join(parent, `${name}.growing-`));
  try {
    await make(growing);
    put(growing, wanted);
  } catch (error) {
    rmSync(growing, { recursive: true, force: true });
    throw error;
  }
  for (const other of readdirSync(parent)) {
    const path = join(parent, other);
    if (other.startsWith(`${name}-`) && Date.now() - statSync(path).mtimeMs > staleMs) {
      rmSync(path, { recursive: true, force: true });
    }
  }
  return wanted;
}
