import { largestRead, readTolerant } from '../reading.ts';
import { inlineRest, inodeBlocks, inodeFlags, type ExtInode, type ExtVolume } from './inode.ts';
import { has } from './superblock.ts';
import { eachRun, type BlockRun } from './tree.ts';

/*
 * Directories. Source: the Linux kernel's documentation, ext4/directory.rst. The blocks of a hash
 * tree look like directory blocks whose one entry is free, so a plain walk over all blocks finds all names.
 */

export interface DirectoryEntry {
  readonly inode: number;
  /** Without an encoding, as on disk. */
  readonly name: Buffer;
}

/** The entries of one directory block; stops at the first that makes no sense, of which `onNonsense` is told. */
export function* entriesOf(block: Buffer, onNonsense?: () => void): Generator<DirectoryEntry> {
  for (let at = 0; at + 8 <= block.length;) {
    const stored = block.readUInt16LE(at + 4);
    // Lengths that do not fit 16 bits, on 64 KiB blocks only: the low two bits are the high ones.
    const length =
      stored === 0 || stored === 65_535 ? block.length - at : (stored & 65_532) | ((stored & 3) << 16);
    const nameLength = block.readUInt8(at + 6);
    if (length < 8 || at + length > block.length || nameLength + 8 > length) {
      onNonsense?.();
      return;
    }
    const inode = block.readUInt32LE(at);
    if (inode !== 0 && nameLength > 0) {
      yield { inode, name: block.subarray(at + 8, at + 8 + nameLength) };
    }
    at += length;
  }
}

/**
 * Calls `visit` for each entry of a directory until it answers `true`, with `.` and `..` where they
 * are stored.
 */
export async function eachEntry(
  context: ExtVolume,
  directory: ExtInode,
  visit: (entry: DirectoryEntry) => boolean | void,
): Promise<void> {
  if (has(directory.flags, inodeFlags.inlineData)) {
    const head = inodeBlocks(directory);
    const up = { inode: head.readUInt32LE(0), name: Buffer.from('..') };
    if (visit(up) === true) return;
    for (const part of [head.subarray(4), inlineRest(directory)]) {
      for (const entry of entriesOf(part)) if (visit(entry) === true) return;
    }
    return;
  }
  const runs: BlockRun[] = [];
  await eachRun(context, directory, { seen: new Set(), visit: (run) => void (run.tree || runs.push(run)) });
  const { blockSize } = context.sb;
  const most = Math.floor(largestRead / 4 / blockSize);
  for (const run of runs) {
    for (let done = 0; done < run.length; done += most) {
      const length = Math.min(most, run.length - done) * blockSize;
      context.blocksLeft -= length / blockSize;
      if (context.blocksLeft < 0) return;
      const offset = (run.start + done) * blockSize;
      const bytes = await readTolerant(context.volume, { offset, length, unit: blockSize });
      for (let at = 0; at < length; at += blockSize) {
        for (const entry of entriesOf(bytes.subarray(at, at + blockSize))) {
          if (visit(entry) === true) return;
        }
      }
    }
  }
}
