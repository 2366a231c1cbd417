import { normalize, type Extent } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import type { AffectedFile } from '../filesystem.ts';
import { RangeIndex } from '../range-index.ts';
import { eachEntry } from './directory.ts';
import { readGroups } from './groups.ts';
import {
  beginWalk,
  inodeFlags,
  inodeTableOffset,
  inodesUsed,
  readInode,
  rootInode,
  scanInodes,
  type ExtInode,
  type ExtVolume,
} from './inode.ts';
import { has, type ExtSuperblock } from './superblock.ts';
import { eachRun } from './tree.ts';

type Part = AffectedFile['part'];
interface Name {
  readonly directory: number;
  readonly name: Buffer;
}

/** A directory nested deeper than this is a loop. */
const deepest = 2048;

/**
 * The files that own a byte of `ranges`, once for each name they have. A directory, an attribute block, a
 * tree block and an inode count as metadata. Never throws for a damaged file system: what cannot be
 * read is passed over, a file whose name is lost has the path null.
 */
export async function extFilesIn(
  volume: BlockDevice,
  sb: ExtSuperblock,
  ranges: readonly Extent[],
): Promise<AffectedFile[]> {
  if (sb.unreadable !== null || ranges.length === 0) return [];
  if (sb.groups * sb.descriptorSize > volume.size) return [];
  const context = beginWalk(volume, sb, await readGroups(volume, sb, true));
  const index = new RangeIndex(ranges);
  const { hits, directories } = await findOwners(context, index);
  const lost = lostInodes(context, index);
  const names = await findNames(context, directories, (inode) => {
    if (!hits.has(inode) && lost.touches(inode, 1)) hits.set(inode, new Set(['metadata']));
    return hits.has(inode);
  });
  const paths = new Paths(context, names);
  const out: AffectedFile[] = [];
  for (const [inode, parts] of [...hits].toSorted(([a], [b]) => a - b)) {
    const found = await paths.of(inode);
    for (const path of found.length === 0 ? [null] : found) {
      for (const part of parts) out.push({ path, inode, part });
    }
  }
  return out;
}

async function findOwners(
  context: ExtVolume,
  index: RangeIndex,
): Promise<{ hits: Map<number, Set<Part>>; directories: number[] }> {
  const { blockSize, inodeSize } = context.sb;
  const hits = new Map<number, Set<Part>>();
  const directories: number[] = [];
  const seen = new Set<number>();
  await scanInodes(context, async (inode) => {
    const directory = inode.type === 'directory';
    if (directory) directories.push(inode.number);
    const parts = new Set<Part>();
    if (index.touches(inode.offset, inodeSize)) parts.add('metadata');
    if (inode.xattrBlock !== 0 && index.touches(inode.xattrBlock * blockSize, blockSize))
      parts.add('metadata');
    await eachRun(context, inode, {
      seen,
      visit(run) {
        if (!index.touches(run.start * blockSize, run.length * blockSize)) return;
        parts.add(run.tree || directory ? 'metadata' : 'data');
      },
    });
    if (parts.size > 0) hits.set(inode.number, parts);
  });
  return { hits, directories };
}

/**
 * The numbers of all inodes whose record lies in the ranges: the record may be unreadable or zeros by
 * now, but where a name still leads to it, the file is hit.
 */
function lostInodes(context: ExtVolume, index: RangeIndex): RangeIndex {
  const { sb } = context;
  const numbers: Extent[] = [];
  for (let group = 0; group < sb.groups; group++) {
    const table = inodeTableOffset(context, group);
    const used = inodesUsed(context, group);
    if (table === null || used === 0) continue;
    for (const { start, length } of index.within(table, used * sb.inodeSize)) {
      const first = Math.floor((start - table) / sb.inodeSize);
      const end = Math.ceil((start + length - table) / sb.inodeSize);
      numbers.push({ start: group * sb.inodesPerGroup + first + 1, length: end - first });
    }
  }
  return new RangeIndex(normalize(numbers));
}

async function findNames(
  context: ExtVolume,
  directories: readonly number[],
  wanted: (inode: number) => boolean,
): Promise<Map<number, Name[]>> {
  const names = new Map<number, Name[]>();
  for (const number of directories) {
    const directory = await readInode(context, number);
    if (directory?.type !== 'directory') continue;
    await eachEntry(context, directory, ({ inode, name }) => {
      if (isDots(name) || !wanted(inode)) return;
      const known = names.get(inode) ?? [];
      known.push({ directory: number, name: readable(directory, name) });
      names.set(inode, known);
    });
  }
  return names;
}

const isDots = (name: Buffer): boolean => name.equals(Buffer.from('.')) || name.equals(Buffer.from('..'));

/** The name, copied out of the block it was read in; empty for one that is encrypted. */
function readable(directory: ExtInode, name: Buffer): Buffer {
  return has(directory.flags, inodeFlags.encrypt) ? Buffer.alloc(0) : Buffer.from(name);
}

/** Turns names into paths, looking up each directory above once. */
class Paths {
  readonly #context: ExtVolume;
  readonly #names: Map<number, Name[]>;
  readonly #directories = new Map<number, string | null>([[rootInode, '']]);

  constructor(context: ExtVolume, names: Map<number, Name[]>) {
    this.#context = context;
    this.#names = names;
  }

  /** Every path of an inode, sorted. */
  async of(inode: number): Promise<string[]> {
    if (inode === rootInode) return ['/'];
    const out: string[] = [];
    for (const { directory, name } of this.#names.get(inode) ?? []) {
      const above = await this.#directoryPath(directory);
      if (above !== null && name.length > 0) out.push(`${above}/${name.toString('utf8')}`);
    }
    return out.toSorted();
  }

  async #directoryPath(directory: number): Promise<string | null> {
    const chain: { directory: number; name: string | null }[] = [];
    const met = new Set<number>();
    let at = directory;
    while (!this.#directories.has(at) && !met.has(at) && chain.length < deepest) {
      met.add(at);
      const up = this.#names.get(at)?.[0] ?? (await this.#lookUp(at));
      chain.push({
        directory: at,
        name: up === null || up.name.length === 0 ? null : up.name.toString('utf8'),
      });
      at = up?.directory ?? 0;
    }
    let path = this.#directories.get(at) ?? null;
    for (const link of chain.toReversed()) {
      path = path === null || link.name === null ? null : `${path}/${link.name}`;
      this.#directories.set(link.directory, path);
    }
    return path;
  }

  /** The name of a directory, found through its `..` entry. */
  async #lookUp(number: number): Promise<Name | null> {
    const directory = await readInode(this.#context, number);
    if (directory?.type !== 'directory') return null;
    let parent = 0;
    await eachEntry(this.#context, directory, ({ inode, name }) => {
      if (!name.equals(Buffer.from('..'))) return false;
      parent = inode;
      return true;
    });
    const above = await readInode(this.#context, parent);
    if (above?.type !== 'directory') return null;
    let found: Name | null = null;
    await eachEntry(this.#context, above, ({ inode, name }) => {
      if (inode !== number || isDots(name)) return false;
      found = { directory: parent, name: readable(above, name) };
      return true;
    });
    return found;
  }
}
