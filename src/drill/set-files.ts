import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SetReader } from '../archive/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Medium } from '../medium/index.ts';
import { parsePartFileName } from '../medium/names.ts';

/**
 * The files of a set and of the earlier sets of its chain, by the path they have on this host.
 *
 * @param place A folder or a .tar file.
 * @throws `usage` for a place that has no files, `medium-not-found` for a link of the chain that is not there.
 */
export async function setFiles(place: string, medium: Medium, reader: SetReader): Promise<string[]> {
  const found = await stat(place).catch(() => null);
  if (found === null) {
    throw new RemetalError('usage', `Sets at ${place} cannot be handed to a virtual machine`, {
      hint: 'Copy the set into a folder first, or drill it without --restore.',
      facts: { place },
    });
  }
  if (!found.isDirectory()) return [place];
  const sets = await setsOfChain(medium, reader);
  const files = await readdir(place);
  return files
    .filter((file) => {
      const part = parsePartFileName(file);
      return part !== null && part.committed && sets.has(part.set);
    })
    .toSorted()
    .map((file) => join(place, file));
}

async function setsOfChain(medium: Medium, { name, head }: SetReader): Promise<Set<string>> {
  const names = new Set([name]);
  if (head.chain.length === 0) return names;
  const sets = await medium.list();
  // Who made a set is told where that costs nothing; all complete ones are handed over where it is not.
  const links = new Set(head.chain.map(({ setId }) => setId));
  for (const set of sets) {
    if (set.complete && (set.made === undefined || links.has(set.made.setId))) names.add(set.name);
  }
  return names;
}
