import type { Extent } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import { RemetalError } from '../../errors/index.ts';
import { crc16, crc32c } from '../checksums.ts';
import { largestRead, readBytes, readTolerant } from '../reading.ts';
import { compat, incompat, roCompat } from './features.ts';
import { has, type ExtSuperblock } from './superblock.ts';

/*
 * Block group descriptors. Offsets: the Linux kernel's documentation, ext4/group_descr.rst; where the
 * descriptors lie with meta_bg and bigalloc: ext4/blockgroup.rst, checked against dumpe2fs.
 */

const flagInodeUninit = 1;
const flagBlockUninit = 2;

/** The descriptors of all groups, column by column: one object a group would be ten times the memory. */
export interface GroupTable {
  readonly blockBitmap: Float64Array;
  readonly inodeBitmap: Float64Array;
  readonly inodeTable: Float64Array;
  /** Free allocation units: clusters with bigalloc, else blocks. */
  readonly free: Uint32Array;
  /** Inodes at the end of the group's table that were never used. */
  readonly inodesUnused: Uint32Array;
  readonly blockUninit: Uint8Array;
  readonly inodeUninit: Uint8Array;
  readonly blockBitmapSum: Uint32Array;
  readonly inodeBitmapSum: Uint32Array;
  /** Blocks the primary descriptors lie in, ascending. */
  readonly descriptorBlocks: readonly Extent[];
  /** The first group whose descriptor fails its checksum or points outside, and how; null where none. */
  readonly problem: string | null;
}

/** Whether descriptors carry checksums, and with them the flags that a group's bitmaps are unwritten. */
export function groupsHaveChecksums(sb: ExtSuperblock): boolean {
  return has(sb.roCompat, roCompat.gdtCsum | roCompat.metadataCsum);
}

/** The first block of a group. */
export function groupStart(sb: ExtSuperblock, group: number): number {
  return sb.firstBlock + group * sb.blocksPerGroup;
}

/** Bits of the group's block bitmap that stand for something: the last group is shorter. */
export function groupBits(sb: ExtSuperblock, group: number): number {
  const blocks = Math.min(sb.blocksPerGroup, sb.blocks - groupStart(sb, group));
  return Math.ceil(blocks / sb.clusterRatio);
}

/** Blocks of a group's inode table. */
export function inodeTableBlocks(sb: ExtSuperblock): number {
  return Math.ceil((sb.inodesPerGroup * sb.inodeSize) / sb.blockSize);
}

function isPowerOf(n: number, base: number): boolean {
  let rest = n;
  while (rest % base === 0) rest /= base;
  return rest === 1;
}

/** Whether the group begins with a copy of the superblock. */
export function hasSuperblock(sb: ExtSuperblock, group: number): boolean {
  if (group === 0) return true;
  if (has(sb.compat, compat.sparseSuper2)) return sb.backupGroups.includes(group);
  if (group === 1 || !has(sb.roCompat, roCompat.sparseSuper)) return true;
  return isPowerOf(group, 3) || isPowerOf(group, 5) || isPowerOf(group, 7);
}

const descriptorsPerBlock = (sb: ExtSuperblock): number => Math.floor(sb.blockSize / sb.descriptorSize);

/** Blocks the whole descriptor table takes. */
function tableBlocks(sb: ExtSuperblock): number {
  return Math.ceil(sb.groups / descriptorsPerBlock(sb));
}

/**
 * Where 1 KiB blocks are counted from 0 (bigalloc), the boot sectors still take the first of them, so
 * group 0 and its structures begin at block 1.
 */
function superblockBlock(sb: ExtSuperblock, group: number): number {
  const start = groupStart(sb, group);
  return start === 0 && sb.blockSize === 1024 ? 1 : start;
}

/** The block that holds primary descriptor block number `index`. */
function descriptorBlock(sb: ExtSuperblock, index: number): number {
  if (!has(sb.incompat, incompat.metaBg) || index < sb.firstMetaGroup)
    return superblockBlock(sb, 0) + 1 + index;
  const group = index * descriptorsPerBlock(sb);
  return superblockBlock(sb, group) + (hasSuperblock(sb, group) ? 1 : 0);
}

/** Superblock and descriptor copies at the start of a group, with the blocks reserved for growing. */
export function groupHeader(sb: ExtSuperblock, group: number): Extent | null {
  const start = groupStart(sb, group);
  const perBlock = descriptorsPerBlock(sb);
  const withMeta = has(sb.incompat, incompat.metaBg);
  const copied = hasSuperblock(sb, group);
  const metaGroup = Math.floor(group / perBlock);
  let length = superblockBlock(sb, group) - start + (copied ? 1 : 0);
  if (withMeta && metaGroup >= sb.firstMetaGroup) {
    const place = group % perBlock;
    if (place === 0 || place === 1 || place === perBlock - 1) length++;
  } else if (copied) {
    length +=
      (withMeta ? Math.min(sb.firstMetaGroup, tableBlocks(sb)) : tableBlocks(sb)) + sb.reservedGdtBlocks;
  }
  return length > 0 ? { start, length } : null;
}

/** Reads every descriptor. With `tolerant`, what cannot be read is zeros and so a group without structures. */
export async function readGroups(
  volume: BlockDevice,
  sb: ExtSuperblock,
  tolerant = false,
): Promise<GroupTable> {
  if (sb.groups * sb.descriptorSize > volume.size) {
    throw new RemetalError(
      'filesystem-damaged',
      `${volume.name}: the group descriptors do not fit the volume`,
    );
  }
  const columns = {
    blockBitmap: new Float64Array(sb.groups),
    inodeBitmap: new Float64Array(sb.groups),
    inodeTable: new Float64Array(sb.groups),
    free: new Uint32Array(sb.groups),
    inodesUnused: new Uint32Array(sb.groups),
    blockUninit: new Uint8Array(sb.groups),
    inodeUninit: new Uint8Array(sb.groups),
    blockBitmapSum: new Uint32Array(sb.groups),
    inodeBitmapSum: new Uint32Array(sb.groups),
  };
  let problem: string | null = null;
  const perBlock = descriptorsPerBlock(sb);
  const flagged = groupsHaveChecksums(sb);
  const descriptorBlocks: Extent[] = [];
  const runs = descriptorRuns(sb);
  for (const run of runs) {
    descriptorBlocks.push({ start: run.start, length: run.length });
    const at = { offset: run.start * sb.blockSize, length: run.length * sb.blockSize, unit: sb.blockSize };
    const bytes = tolerant ? await readTolerant(volume, at) : await readBytes(volume, at.offset, at.length);
    const end = Math.min(sb.groups, (run.index + run.length) * perBlock);
    for (let group = run.index * perBlock; group < end; group++) {
      const from = (group - run.index * perBlock) * sb.descriptorSize;
      const raw = bytes.subarray(from, from + sb.descriptorSize);
      fill(columns, { group, raw, flagged });
      problem ??= descriptorProblem(sb, columns, { group, raw });
    }
  }
  return { ...columns, descriptorBlocks, problem };
}

/** The primary descriptor blocks as runs of neighbours, none longer than a read may be. */
function* descriptorRuns(sb: ExtSuperblock): Generator<{ index: number; start: number; length: number }> {
  const most = Math.floor(largestRead / sb.blockSize);
  const blocks = tableBlocks(sb);
  let index = 0;
  while (index < blocks) {
    const start = descriptorBlock(sb, index);
    let length = 1;
    while (
      length < most &&
      index + length < blocks &&
      descriptorBlock(sb, index + length) === start + length
    ) {
      length++;
    }
    yield { index, start, length };
    index += length;
  }
}

type Columns = Omit<{ -readonly [K in keyof GroupTable]: GroupTable[K] }, 'descriptorBlocks' | 'problem'>;

function fill(columns: Columns, at: { group: number; raw: Buffer; flagged: boolean }): void {
  const { group, raw } = at;
  const wide = raw.length >= 64;
  const pointer = (low: number): number =>
    raw.readUInt32LE(low) + (wide ? raw.readUInt32LE(low + 0x20) * 2 ** 32 : 0);
  const half = (low: number, high: number): number =>
    raw.readUInt16LE(low) + (wide ? raw.readUInt16LE(high) * 2 ** 16 : 0);
  const flags = at.flagged ? raw.readUInt16LE(0x12) : 0;
  columns.blockBitmap[group] = pointer(0);
  columns.inodeBitmap[group] = pointer(4);
  columns.inodeTable[group] = pointer(8);
  columns.free[group] = half(0x0c, 0x2c);
  columns.inodesUnused[group] = at.flagged ? half(0x1c, 0x32) : 0;
  columns.blockUninit[group] = flags & flagBlockUninit;
  columns.inodeUninit[group] = flags & flagInodeUninit;
  columns.blockBitmapSum[group] = half(0x18, 0x38);
  columns.inodeBitmapSum[group] = half(0x1a, 0x3a);
}

function descriptorProblem(
  sb: ExtSuperblock,
  columns: Columns,
  at: { group: number; raw: Buffer },
): string | null {
  const { group, raw } = at;
  if (descriptorSum(sb, group, raw) !== (groupsHaveChecksums(sb) ? raw.readUInt16LE(0x1e) : null)) {
    return `The checksum of the descriptor of block group ${group} is wrong`;
  }
  const inside = (block: number, length: number): boolean =>
    block >= sb.firstBlock && block + length <= sb.blocks;
  return inside(columns.blockBitmap[group]!, 1) &&
    inside(columns.inodeBitmap[group]!, 1) &&
    inside(columns.inodeTable[group]!, inodeTableBlocks(sb))
    ? null
    : `The descriptor of block group ${group} points outside the file system`;
}

function descriptorSum(sb: ExtSuperblock, group: number, raw: Buffer): number | null {
  const number = Buffer.alloc(4);
  number.writeUInt32LE(group);
  if (has(sb.roCompat, roCompat.metadataCsum)) {
    let crc = crc32c(crc32c(sb.checksumSeed, number), raw.subarray(0, 0x1e));
    crc = crc32c(crc, Buffer.alloc(2));
    return crc32c(crc, raw.subarray(0x20)) & 0xff_ff;
  }
  if (has(sb.roCompat, roCompat.gdtCsum)) {
    const crc = crc16(crc16(crc16(0xff_ff, sb.uuid), number), raw.subarray(0, 0x1e));
    return crc16(crc, raw.subarray(0x20));
  }
  return null;
}

/** Whether a bitmap's bytes agree with the sum its descriptor holds; true where nothing is summed. */
export function bitmapSumAgrees(sb: ExtSuperblock, bytes: Buffer, expected: number): boolean {
  if (!has(sb.roCompat, roCompat.metadataCsum)) return true;
  const mask = sb.descriptorSize >= 64 ? 0xff_ff_ff_ff : 0xff_ff;
  return (crc32c(sb.checksumSeed, bytes) & mask) >>> 0 === expected;
}
