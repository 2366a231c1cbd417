import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SetReader } from '../archive/index.ts';
import { RemetalError } from '../errors/index.ts';
import { parsePartFileName } from '../medium/names.ts';

/**
 * The files of a set and of the earlier sets of its chain, by the path they have on this host.
 *
 * @param places Folders and .tar files: that of the set, then those where earlier sets lie.
 * @throws `usage` for a place that has no files.
 */
export async function setFiles(
  places: readonly string[],
  { name, head }: Pick<SetReader, 'name' | 'head'>,
): Promise<string[]> {
  const sets = new Set([name, ...head.chain.map((link) => link.name)]);
  const files = new Map<string, string>();
  for (const place of places) {
    for (const file of await filesAt(place)) {
      const part = parsePartFileName(file.name);
      // Where a set lies twice, the first one is what the set was opened with.
      if (part === null || !part.committed || !sets.has(part.set) || files.has(file.name)) continue;
      files.set(file.name, file.path);
    }
  }
  return [...files.values()];
}

async function filesAt(place: string): Promise<{ name: string; path: string }[]> {
  const found = await stat(place).catch(() => null);
  if (found === null) {
    throw new RemetalError('usage', `Sets at ${place} cannot be handed to a virtual machine`, {
      hint: 'Copy the set into a folder first, or drill it without --restore.',
      facts: { place },
    });
  }
  if (!found.isDirectory()) return [{ name: place.split('/').at(-1)!, path: place }];
  const names = await readdir(place);
  return names.toSorted().map((name) => ({ name, path: join(place, name) }));
}
