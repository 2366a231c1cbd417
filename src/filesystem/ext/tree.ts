import { readTolerant } from '../reading.ts';
import { hasBlocks, inodeBlocks, inodeFlags, type ExtInode, type ExtVolume } from './inode.ts';
import { has } from './superblock.ts';

/*
 * Which blocks an inode owns: extent trees and the older indirect blocks. Source: the Linux kernel's
 * documentation, ext4/ifork.rst.
 */

/** A run of blocks of an inode: contents, or a block of the tree that leads to them. */
export interface BlockRun {
  readonly tree: boolean;
  readonly start: number;
  readonly length: number;
}

type Visit = (run: BlockRun) => void;

export const extentMagic = 0xf3_0a;
export const deepest = 5;
/** Longer extents are unwritten ones: their length is stored that much larger. */
export const longestWritten = 32_768;

/**
 * Calls `visit` for every run of blocks the inode owns. `seen` holds the tree blocks met so far in the
 * whole walk: on a sound file system each belongs to one inode, so a second visit is a cycle or a
 * cross-link and is not followed. Pointers that leave the file system are passed over.
 */
export async function eachRun(
  context: ExtVolume,
  inode: ExtInode,
  walk: { seen: Set<number>; visit: Visit },
): Promise<void> {
  if (!hasBlocks(inode)) return;
  const root = inodeBlocks(inode);
  if (has(inode.flags, inodeFlags.extents)) {
    await extentNode(context, root, { ...walk, depth: null });
    return;
  }
  const runs = new PointerRuns(context, walk.visit);
  for (let i = 0; i < 12; i++) runs.add(root.readUInt32LE(i * 4));
  for (let level = 1; level <= 3; level++) {
    await indirectBlock(context, root.readUInt32LE((11 + level) * 4), { ...walk, level, runs });
  }
  runs.end();
}

export function inside({ sb }: ExtVolume, start: number, length: number): boolean {
  return start > 0 && start >= sb.firstBlock && start + length <= sb.blocks;
}

/** The block, once: null where it lies outside or was visited before. */
async function treeBlock(
  context: ExtVolume,
  block: number,
  walk: { seen: Set<number>; visit: Visit },
): Promise<Buffer | null> {
  if (!inside(context, block, 1) || walk.seen.has(block)) return null;
  walk.seen.add(block);
  walk.visit({ tree: true, start: block, length: 1 });
  const { blockSize } = context.sb;
  return await readTolerant(context.volume, {
    offset: block * blockSize,
    length: blockSize,
    unit: blockSize,
  });
}

async function extentNode(
  context: ExtVolume,
  node: Buffer,
  walk: { seen: Set<number>; visit: Visit; depth: number | null },
): Promise<void> {
  const depth = node.readUInt16LE(6);
  if (node.readUInt16LE(0) !== extentMagic || depth > deepest) return;
  if (walk.depth !== null && depth !== walk.depth) return;
  const entries = Math.min(node.readUInt16LE(2), Math.floor((node.length - 12) / 12));
  for (let i = 1; i <= entries; i++) {
    const at = i * 12;
    if (depth > 0) {
      const child = await treeBlock(
        context,
        node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32,
        walk,
      );
      if (child !== null) await extentNode(context, child, { ...walk, depth: depth - 1 });
      continue;
    }
    const stored = node.readUInt16LE(at + 4);
    const length = stored > longestWritten ? stored - longestWritten : stored;
    const start = node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32;
    if (length > 0 && inside(context, start, length)) walk.visit({ tree: false, start, length });
  }
}

async function indirectBlock(
  context: ExtVolume,
  block: number,
  walk: { seen: Set<number>; visit: Visit; level: number; runs: PointerRuns },
): Promise<void> {
  if (block === 0) return;
  const pointers = await treeBlock(context, block, walk);
  if (pointers === null) return;
  for (let at = 0; at < pointers.length; at += 4) {
    const pointer = pointers.readUInt32LE(at);
    if (walk.level === 1) walk.runs.add(pointer);
    else await indirectBlock(context, pointer, { ...walk, level: walk.level - 1 });
  }
}

/** Joins single block pointers into runs. */
class PointerRuns {
  readonly #context: ExtVolume;
  readonly #visit: Visit;
  #start = 0;
  #length = 0;

  constructor(context: ExtVolume, visit: Visit) {
    this.#context = context;
    this.#visit = visit;
  }

  add(block: number): void {
    if (this.#length > 0 && block === this.#start + this.#length) {
      if (inside(this.#context, block, 1)) this.#length++;
      return;
    }
    this.end();
    if (!inside(this.#context, block, 1)) return;
    this.#start = block;
    this.#length = 1;
  }

  end(): void {
    if (this.#length > 0) this.#visit({ tree: false, start: this.#start, length: this.#length });
    this.#length = 0;
  }
}
