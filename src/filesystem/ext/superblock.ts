import type { FilesystemFacts } from '../../layout/layout.ts';
import { crc32c } from '../checksums.ts';
import { labelText, uuidText } from '../text.ts';
import {
  compat,
  incompat,
  knownIncompat,
  knownRoCompat,
  namesOf,
  incompatNames,
  roCompat,
  roCompatNames,
} from './features.ts';

/*
 * Offsets and meanings: the Linux kernel's documentation, Documentation/filesystems/ext4 (super.rst,
 * blockgroup.rst), checked against mke2fs and dumpe2fs of e2fsprogs 1.47. All fields little-endian.
 */

/** Where the superblock lies, and how long it is. */
export const superblockOffset = 1024;
export const superblockLength = 1024;

/** More block groups than this (256 TiB in the usual geometry) are not mapped: their table would fill memory. */
const mostGroups = 2 ** 21;

/** What the superblock says, as numbers. Blocks are file system blocks, counted from the volume's start. */
export interface ExtSuperblock {
  readonly facts: FilesystemFacts;
  readonly blockSize: number;
  readonly blocks: number;
  /** In blocks, also where clusters are allocated. */
  readonly freeBlocks: number;
  /** The first block that belongs to group 0; blocks before it are outside any bitmap. */
  readonly firstBlock: number;
  readonly blocksPerGroup: number;
  /** Bits in a block bitmap; equal to `blocksPerGroup` unless bigalloc. */
  readonly clustersPerGroup: number;
  /** Blocks a bit stands for. */
  readonly clusterRatio: number;
  readonly groups: number;
  readonly inodes: number;
  readonly inodesPerGroup: number;
  readonly inodeSize: number;
  readonly firstInode: number;
  readonly descriptorSize: number;
  readonly reservedGdtBlocks: number;
  readonly firstMetaGroup: number;
  readonly backupGroups: readonly [number, number];
  readonly journalInode: number;
  readonly mmpBlock: number;
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
  readonly uuid: Buffer;
  /** Start value of every CRC-32C of this file system. */
  readonly checksumSeed: number;
  /** Whether the log must be replayed before the bitmaps are true. */
  readonly needsRecovery: boolean;
  /** Why the structures may not be read at all, a plain sentence; null where they may. */
  readonly unreadable: string | null;
  /** Why the bitmaps may not be believed although they can be read; null where they may. */
  readonly distrust: string | null;
}

/** True when `flag` is set in `word`: bit tests that survive bit 31. */
export const has = (word: number, flag: number): boolean => (word & flag) !== 0;

/**
 * The superblock in `bytes` (the 1024 bytes at offset 1024), or null where there is none. Everything
 * but the magic may be hostile: a geometry that contradicts itself is returned with `unreadable` set.
 */
export function parseSuperblock(bytes: Buffer): ExtSuperblock | null {
  if (bytes.length < superblockLength || bytes.readUInt16LE(0x38) !== 0xef_53) return null;
  const shift = bytes.readUInt32LE(0x18);
  if (shift > 6) return null;
  const blockSize = 1024 << shift;
  const dynamic = bytes.readUInt32LE(0x4c) >= 1;
  const features = {
    compat: dynamic ? bytes.readUInt32LE(0x5c) : 0,
    incompat: dynamic ? bytes.readUInt32LE(0x60) : 0,
    roCompat: dynamic ? bytes.readUInt32LE(0x64) : 0,
  };
  const wide = has(features.incompat, incompat.bits64);
  const high = (at: number): number => (wide ? bytes.readUInt32LE(at) * 2 ** 32 : 0);
  const bigalloc = has(features.roCompat, roCompat.bigalloc);
  const clusterShift = bytes.readUInt32LE(0x1c);
  const clusterRatio =
    bigalloc && clusterShift >= shift && clusterShift < 32 ? 2 ** (clusterShift - shift) : 1;
  const blocks = bytes.readUInt32LE(0x04) + high(0x150);
  const firstBlock = bytes.readUInt32LE(0x14);
  const blocksPerGroup = bytes.readUInt32LE(0x20);
  const groups = Math.ceil((blocks - firstBlock) / blocksPerGroup);
  const uuid = Buffer.from(bytes.subarray(0x68, 0x78));
  const parsed = {
    blockSize,
    blocks,
    freeBlocks: bytes.readUInt32LE(0x0c) + high(0x158),
    firstBlock,
    blocksPerGroup,
    clustersPerGroup: bigalloc ? bytes.readUInt32LE(0x24) : blocksPerGroup,
    clusterRatio,
    groups,
    inodes: bytes.readUInt32LE(0x00),
    inodesPerGroup: bytes.readUInt32LE(0x28),
    inodeSize: dynamic ? bytes.readUInt16LE(0x58) : 128,
    firstInode: dynamic ? bytes.readUInt32LE(0x54) : 11,
    descriptorSize: wide ? bytes.readUInt16LE(0xfe) : 32,
    reservedGdtBlocks: bytes.readUInt16LE(0xce),
    firstMetaGroup: bytes.readUInt32LE(0x104),
    backupGroups: [bytes.readUInt32LE(0x24c), bytes.readUInt32LE(0x250)] as const,
    journalInode: bytes.readUInt32LE(0xe0),
    mmpBlock: has(features.incompat, incompat.mmp) ? Number(bytes.readBigUInt64LE(0x168)) : 0,
    ...features,
    uuid,
    checksumSeed: has(features.incompat, incompat.csumSeed)
      ? bytes.readUInt32LE(0x270)
      : crc32c(0xff_ff_ff_ff, uuid),
    needsRecovery: has(features.incompat, incompat.recover),
  };
  const claimed = blocks * blockSize;
  const facts: FilesystemFacts = {
    type: typeOf(features),
    uuid: uuidText(uuid),
    label: labelText(bytes.subarray(0x78, 0x88)),
    size: Number.isSafeInteger(claimed) ? claimed : 0,
    blockSize,
  };
  const state = {
    word: bytes.readUInt16LE(0x3a),
    checksumWrong: superblockChecksumWrong(bytes, features.roCompat),
  };
  return {
    facts,
    ...parsed,
    unreadable: unreadableBecause(parsed, { bigalloc, clusterShift, shift }),
    distrust: distrustBecause(parsed, state),
  };
}

function superblockChecksumWrong(bytes: Buffer, flags: number): boolean {
  return (
    has(flags, roCompat.metadataCsum) &&
    crc32c(0xff_ff_ff_ff, bytes.subarray(0, 0x3fc)) !== bytes.readUInt32LE(0x3fc)
  );
}

const powerOfTwo = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n));

function unreadableBecause(
  sb: Pick<
    ExtSuperblock,
    | 'blocks'
    | 'blockSize'
    | 'firstBlock'
    | 'blocksPerGroup'
    | 'clustersPerGroup'
    | 'clusterRatio'
    | 'groups'
    | 'inodes'
    | 'inodesPerGroup'
    | 'inodeSize'
    | 'descriptorSize'
    | 'incompat'
    | 'roCompat'
  >,
  cluster: { bigalloc: boolean; clusterShift: number; shift: number },
): string | null {
  if (has(sb.incompat, incompat.journalDev)) return 'This is an external journal: every sector is taken';
  const unknownIncompat = (sb.incompat & ~knownIncompat) >>> 0;
  if (unknownIncompat !== 0) {
    return `Feature ${namesOf(unknownIncompat, incompatNames)} is not known: every sector is taken`;
  }
  const unknownRoCompat = (sb.roCompat & ~knownRoCompat) >>> 0;
  if (unknownRoCompat !== 0) {
    return `Feature ${namesOf(unknownRoCompat, roCompatNames)} is not known: every sector is taken`;
  }
  const sound =
    sb.firstBlock <= 1 &&
    sb.blocks > sb.firstBlock &&
    Number.isSafeInteger(sb.blocks * sb.blockSize) &&
    (!cluster.bigalloc ||
      (cluster.clusterShift >= cluster.shift && cluster.clusterShift - cluster.shift <= 20)) &&
    sb.clustersPerGroup >= 64 &&
    sb.clustersPerGroup <= sb.blockSize * 8 &&
    sb.clustersPerGroup % 8 === 0 &&
    sb.blocksPerGroup === sb.clustersPerGroup * sb.clusterRatio &&
    sb.inodesPerGroup > 0 &&
    sb.inodesPerGroup <= sb.blockSize * 8 &&
    powerOfTwo(sb.inodeSize) &&
    sb.inodeSize >= 128 &&
    sb.inodeSize <= sb.blockSize &&
    powerOfTwo(sb.descriptorSize) &&
    sb.descriptorSize >= (has(sb.incompat, incompat.bits64) ? 64 : 32) &&
    sb.descriptorSize <= 1024 &&
    sb.inodes === sb.groups * sb.inodesPerGroup;
  if (!sound) return 'The superblock contradicts itself: every sector is taken';
  if (sb.groups > mostGroups) return `The file system has ${sb.groups} block groups, more than are mapped`;
  return null;
}

function distrustBecause(
  sb: Pick<ExtSuperblock, 'needsRecovery' | 'incompat'>,
  state: { word: number; checksumWrong: boolean },
): string | null {
  if (state.checksumWrong) return 'The checksum of the superblock is wrong';
  if (sb.needsRecovery)
    return 'The file system needs recovery: its journal holds changes not yet written home';
  if (has(state.word, 2)) return 'The file system is marked as having errors';
  if (!has(state.word, 1)) return 'The file system was not cleanly unmounted';
  return null;
}

/** The name `blkid` and `mount -t` use: what the oldest kernel driver that takes all features is called. */
function typeOf(features: { compat: number; incompat: number; roCompat: number }): string {
  if (has(features.incompat, incompat.journalDev)) return 'jbd';
  const plain = incompat.filetype | incompat.recover | incompat.metaBg;
  const plainRo = roCompat.sparseSuper | roCompat.largeFile | roCompat.btreeDir;
  if ((features.incompat & ~plain) !== 0 || (features.roCompat & ~plainRo) !== 0) return 'ext4';
  return has(features.compat, compat.hasJournal) ? 'ext3' : 'ext2';
}
