import { RemetalError } from '../../errors/index.ts';
import { readBytes } from '../reading.ts';
import { hasBlocks, inodeBlocks, inodeFlags, type ExtInode, type ExtVolume } from './inode.ts';
import { has } from './superblock.ts';
import { deepest, extentMagic, inside, longestWritten } from './tree.ts';

/*
 * Which block of a file lies in which block of the volume: extent trees and the older indirect blocks.
 * Source: the Linux kernel's documentation, ext4/ifork.rst. `tree.ts` tells only which blocks an inode owns.
 */

/** Blocks of a file in a row. */
export interface Mapped {
  /** First block of the file. */
  readonly block: number;
  readonly length: number;
  /** First block of the volume; null where they were allocated and never written. */
  readonly start: number | null;
}

/** The walk down one tree: no block of it may be met twice, and blocks of the file only ascend. */
interface Descent {
  readonly context: ExtVolume;
  readonly inode: ExtInode;
  readonly seen: Set<number>;
  /** The first block of the file that may come next. */
  next: number;
}

/**
 * Where the blocks of an inode lie, ascending in the file; what is left out is a hole. Throws
 * `filesystem-damaged` for a tree that contradicts itself, `disk-read-failed` as the device does.
 */
export async function* mappedBlocks(context: ExtVolume, inode: ExtInode): AsyncGenerator<Mapped> {
  if (!hasBlocks(inode)) return;
  const descent: Descent = { context, inode, seen: new Set(), next: 0 };
  const runs = has(inode.flags, inodeFlags.extents)
    ? extentNode(descent, inodeBlocks(inode), null)
    : pointers(descent);
  let last = null as Mapped | null;
  for await (const run of runs) {
    if (run.block < descent.next || run.block + run.length > 2 ** 32) {
      throw damaged(inode, 'blocks of it overlap or stand in the wrong order');
    }
    descent.next = run.block + run.length;
    if (last !== null && continues(last, run)) {
      last = { ...last, length: last.length + run.length };
      continue;
    }
    if (last !== null) yield last;
    last = run;
  }
  if (last !== null) yield last;
}

function continues(last: Mapped, run: Mapped): boolean {
  if (run.block !== last.block + last.length) return false;
  return last.start === null ? run.start === null : run.start === last.start + last.length;
}

export function damaged(inode: Pick<ExtInode, 'number'>, what: string): RemetalError {
  return new RemetalError('filesystem-damaged', `Inode ${inode.number} is damaged: ${what}`, {
    facts: { inode: inode.number },
  });
}

async function treeBlock({ context, inode, seen }: Descent, block: number): Promise<Buffer> {
  if (!inside(context, block, 1)) throw damaged(inode, 'its tree of blocks leaves the file system');
  if (seen.has(block)) throw damaged(inode, 'its tree of blocks runs in a circle');
  seen.add(block);
  const { blockSize } = context.sb;
  return await readBytes(context.volume, block * blockSize, blockSize);
}

async function* extentNode(descent: Descent, node: Buffer, above: number | null): AsyncGenerator<Mapped> {
  const { context, inode } = descent;
  const depth = node.readUInt16LE(6);
  const entries = node.readUInt16LE(2);
  const sound =
    node.readUInt16LE(0) === extentMagic &&
    (above === null ? depth <= deepest : depth === above - 1) &&
    entries <= Math.floor((node.length - 12) / 12);
  if (!sound) throw damaged(inode, 'a node of its extent tree is none');
  for (let at = 12; at <= entries * 12; at += 12) {
    if (depth > 0) {
      const child = node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32;
      yield* extentNode(descent, await treeBlock(descent, child), depth);
      continue;
    }
    const stored = node.readUInt16LE(at + 4);
    const unwritten = stored > longestWritten;
    const length = unwritten ? stored - longestWritten : stored;
    const start = node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32;
    if (length === 0 || !inside(context, start, length)) {
      throw damaged(inode, 'an extent of it leaves the file system');
    }
    yield { block: node.readUInt32LE(at), length, start: unwritten ? null : start };
  }
}

async function* pointers(descent: Descent): AsyncGenerator<Mapped> {
  const { context, inode } = descent;
  const root = inodeBlocks(inode);
  // What was allocated behind the end is nobody's, and a damaged tree may go on without one.
  const end = Math.ceil(inode.size / context.sb.blockSize);
  for (let block = 0; block < 12; block++) yield* pointed(descent, root.readUInt32LE(block * 4), block);
  let block = 12;
  for (let level = 1; level <= 3 && block < end; level++) {
    const pointer = root.readUInt32LE((11 + level) * 4);
    yield* indirect(descent, { pointer, level, block, end });
    block += (context.sb.blockSize / 4) ** level;
  }
}

function* pointed({ context, inode }: Descent, start: number, block: number): Generator<Mapped> {
  if (start === 0) return;
  if (!inside(context, start, 1)) throw damaged(inode, 'a block of it lies outside the file system');
  yield { block, length: 1, start };
}

async function* indirect(
  descent: Descent,
  at: { readonly pointer: number; readonly level: number; readonly block: number; readonly end: number },
): AsyncGenerator<Mapped> {
  if (at.pointer === 0) return;
  const table = await treeBlock(descent, at.pointer);
  const step = (table.length / 4) ** (at.level - 1);
  for (let i = 0; i < table.length / 4; i++) {
    const block = at.block + i * step;
    if (block >= at.end) return;
    const pointer = table.readUInt32LE(i * 4);
    if (at.level === 1) yield* pointed(descent, pointer, block);
    else yield* indirect(descent, { ...at, pointer, level: at.level - 1, block });
  }
}
