import { normalize, subtract, type Extent } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import { setRuns } from '../bitmap.ts';
import { ExtentCollector } from '../collector.ts';
import type { UsedMap } from '../filesystem.ts';
import { readBytes } from '../reading.ts';
import { wholeMap } from '../whole.ts';
import {
  bitmapSumAgrees,
  groupBits,
  groupHeader,
  groupStart,
  inodeTableBlocks,
  readGroups,
  type GroupTable,
} from './groups.ts';
import type { ExtSuperblock } from './superblock.ts';

/** Bitmaps that lie side by side (flex_bg) are read together, up to this many bytes. */
const bitmapRead = 1024 * 1024;

/**
 * The used map from the block bitmaps. Trusted only when every checksum the file system has is right,
 * each group's bitmap counts what its descriptor says, the sum is what the superblock says, and the
 * bitmaps cover the file system's own structures.
 */
export async function extUsedMap(volume: BlockDevice, sb: ExtSuperblock): Promise<UsedMap> {
  const reason = sb.unreadable ?? sb.distrust;
  if (reason !== null) return wholeMap(volume, reason);
  if (sb.blocks * sb.blockSize > volume.size) {
    return wholeMap(
      volume,
      `The file system claims ${sb.blocks * sb.blockSize} bytes and the volume has ${volume.size}`,
    );
  }
  const groups = await readGroups(volume, sb);
  if (groups.problem !== null) return wholeMap(volume, groups.problem);

  const structures = new StructureIndex(sb, groups);
  if (structures.overlap()) return wholeMap(volume, 'Bitmaps and inode tables of the block groups overlap');
  const collector = new ExtentCollector();
  const bitmaps = new BitmapReader(volume, sb, groups);
  const unit = sb.blockSize * sb.clusterRatio;
  collector.add(0, sb.firstBlock * sb.blockSize);
  let free = 0;
  for (let group = 0; group < sb.groups; group++) {
    const bits = groupBits(sb, group);
    const base = groupStart(sb, group) * sb.blockSize;
    let bitmap: Buffer | null;
    if (groups.blockUninit[group] !== 0) {
      bitmap = structures.bitmapOf(group);
    } else {
      bitmap = await bitmaps.read(group);
      const summed = bitmap.subarray(0, sb.clustersPerGroup >> 3);
      if (!bitmapSumAgrees(sb, summed, groups.blockBitmapSum[group]!)) {
        return wholeMap(volume, `The checksum of the block bitmap of group ${group} is wrong`);
      }
    }
    const used =
      bitmap === null
        ? 0
        : setRuns(bitmap, bits, (from, to) => collector.add(base + from * unit, (to - from) * unit));
    if (bits - used !== groups.free[group]) {
      return wholeMap(
        volume,
        `The bitmap of block group ${group} counts ${bits - used} free and its descriptor ${groups.free[group]}`,
      );
    }
    free += bits - used;
  }
  if (free * sb.clusterRatio !== sb.freeBlocks) {
    return wholeMap(
      volume,
      `The bitmaps count ${free * sb.clusterRatio} free blocks and the superblock ${sb.freeBlocks}`,
    );
  }
  const end = sb.blocks * sb.blockSize;
  collector.add(end, volume.size - end);
  const used = collector.extents(volume.size);
  if (subtract(structures.extents(), used).length > 0) {
    return wholeMap(volume, 'The block bitmaps call structures of the file system free');
  }
  return { used, trusted: true, reason: null };
}

/** Reads block bitmaps ahead of their use as long as they lie side by side. */
class BitmapReader {
  readonly #volume: BlockDevice;
  readonly #sb: ExtSuperblock;
  readonly #groups: GroupTable;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(volume: BlockDevice, sb: ExtSuperblock, groups: GroupTable) {
    this.#volume = volume;
    this.#sb = sb;
    this.#groups = groups;
  }

  async read(group: number): Promise<Buffer> {
    const { blockSize } = this.#sb;
    const block = this.#groups.blockBitmap[group]!;
    let from = (block - this.#start) * blockSize;
    if (from < 0 || from + blockSize > this.#bytes.length) {
      this.#bytes = await readBytes(this.#volume, block * blockSize, this.#neighbours(group) * blockSize);
      this.#start = block;
      from = 0;
    }
    return this.#bytes.subarray(from, from + blockSize);
  }

  #neighbours(group: number): number {
    const { blockBitmap } = this.#groups;
    const most = bitmapRead / this.#sb.blockSize;
    let count = 1;
    while (count < most && blockBitmap[group + count] === blockBitmap[group]! + count) count++;
    return count;
  }
}

/**
 * Where the bitmaps and inode tables of all groups lie: with flex_bg mostly not in the group they
 * belong to. Each is one number, `block * 2 + isTable`, sorted.
 */
class StructureIndex {
  readonly #sb: ExtSuperblock;
  readonly #sorted: Float64Array;

  constructor(sb: ExtSuperblock, groups: GroupTable) {
    this.#sb = sb;
    this.#sorted = new Float64Array(sb.groups * 3);
    for (let group = 0; group < sb.groups; group++) {
      this.#sorted[group * 3] = groups.blockBitmap[group]! * 2;
      this.#sorted[group * 3 + 1] = groups.inodeBitmap[group]! * 2;
      this.#sorted[group * 3 + 2] = groups.inodeTable[group]! * 2 + 1;
    }
    this.#sorted.sort();
  }

  #lengthAt(index: number): number {
    return this.#sorted[index]! % 2 === 1 ? inodeTableBlocks(this.#sb) : 1;
  }

  /** Whether two of them claim a block: never so on a sound file system. */
  overlap(): boolean {
    for (let i = 1; i < this.#sorted.length; i++) {
      const end = Math.floor(this.#sorted[i - 1]! / 2) + this.#lengthAt(i - 1);
      if (end > Math.floor(this.#sorted[i]! / 2)) return true;
    }
    return false;
  }

  /** Byte extents of all of them, and of the headers of the groups. */
  extents(): Extent[] {
    const { blockSize } = this.#sb;
    const collector = new ExtentCollector(Infinity);
    for (let i = 0; i < this.#sorted.length; i++) {
      collector.add(Math.floor(this.#sorted[i]! / 2) * blockSize, this.#lengthAt(i) * blockSize);
    }
    const headers: Extent[] = [];
    for (let group = 0; group < this.#sb.groups; group++) {
      const header = groupHeader(this.#sb, group);
      if (header !== null)
        headers.push({ start: header.start * blockSize, length: header.length * blockSize });
    }
    return normalize([...collector.extents(Infinity), ...headers]);
  }

  /**
   * The bitmap of a group that never had one written: only structures are used. Null where the group
   * is all free.
   */
  bitmapOf(group: number): Buffer | null {
    const start = groupStart(this.#sb, group);
    const end = start + this.#sb.blocksPerGroup;
    const header = groupHeader(this.#sb, group);
    let bitmap: Buffer | null = null;
    const mark = (block: number, length: number): void => {
      const from = Math.floor((Math.max(block, start) - start) / this.#sb.clusterRatio);
      const to = Math.ceil((Math.min(block + length, end) - start) / this.#sb.clusterRatio);
      bitmap ??= Buffer.alloc(this.#sb.clustersPerGroup >> 3);
      for (let bit = from; bit < to; bit++) bitmap[bit >> 3]! |= 1 << (bit & 7);
    };
    if (header !== null) mark(header.start, header.length);
    for (let i = this.#firstEndingAfter(start); i < this.#sorted.length; i++) {
      const block = Math.floor(this.#sorted[i]! / 2);
      if (block >= end) break;
      if (block + this.#lengthAt(i) > start) mark(block, this.#lengthAt(i));
    }
    return bitmap;
  }

  /** The first member that can reach `block`: none is longer than an inode table. */
  #firstEndingAfter(block: number): number {
    const wanted = (block - inodeTableBlocks(this.#sb)) * 2;
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
