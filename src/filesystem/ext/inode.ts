import type { BlockDevice } from '../../disk/block-device.ts';
import { readTolerant } from '../reading.ts';
import { inodeTableBlocks, type GroupTable } from './groups.ts';
import { has, type ExtSuperblock } from './superblock.ts';

/*
 * Inodes. Offsets: the Linux kernel's documentation, ext4/inodes.rst.
 */

const tableRead = 1024 * 1024;

export const inodeFlags = {
  encrypt: 0x8_00,
  extents: 0x8_00_00,
  /** The inode holds the value of an extended attribute and has no name. */
  attributeValue: 0x20_00_00,
  inlineData: 0x10_00_00_00,
} as const;

/** Inode numbers with a meaning of their own. */
export const rootInode = 2;

/** An inode in use. `raw` is its record, of the file system's inode size. */
export interface ExtInode {
  readonly number: number;
  readonly raw: Buffer;
  /** Byte offset of the record in the volume. */
  readonly offset: number;
  readonly type: 'directory' | 'file' | 'symlink' | 'special';
  readonly size: number;
  readonly flags: number;
  /** Block of extended attributes, 0 for none. */
  readonly xattrBlock: number;
}

/** What a walk over a file system carries along. */
export interface ExtVolume {
  readonly volume: BlockDevice;
  readonly sb: ExtSuperblock;
  readonly groups: GroupTable;
  /**
   * Directory blocks that may still be read. A block belongs to one directory and is read at most for
   * its names and for the names above, so the walk over a sound file system never runs out.
   */
  blocksLeft: number;
}

/** A walk that has not begun. */
export function beginWalk(volume: BlockDevice, sb: ExtSuperblock, groups: GroupTable): ExtVolume {
  return { volume, sb, groups, blocksLeft: sb.blocks * 3 };
}

function typeOf(mode: number): ExtInode['type'] {
  const format = mode & 0xf0_00;
  if (format === 0x40_00) return 'directory';
  if (format === 0x80_00) return 'file';
  return format === 0xa0_00 ? 'symlink' : 'special';
}

/** The inode in `raw`, or null where it is free: no name leads to it any more. */
export function parseInode(raw: Buffer, at: { number: number; offset: number }): ExtInode | null {
  const links = raw.readUInt16LE(0x1a);
  const mode = raw.readUInt16LE(0);
  if (links === 0 || mode === 0) {
    // Inodes of the file system itself (resizing, journal) may have a link count and no mode.
    if (links === 0 || at.number > 11) return null;
  }
  return {
    ...at,
    raw,
    type: mode === 0 ? 'file' : typeOf(mode),
    size: raw.readUInt32LE(4) + raw.readUInt32LE(0x6c) * 2 ** 32,
    flags: raw.readUInt32LE(0x20),
    xattrBlock: raw.readUInt32LE(0x68) + raw.readUInt16LE(0x76) * 2 ** 32,
  };
}

/** How many inodes at the start of a group's table were ever used. */
export function inodesUsed({ sb, groups }: ExtVolume, group: number): number {
  if (groups.inodeUninit[group] !== 0) return 0;
  return Math.max(0, sb.inodesPerGroup - groups.inodesUnused[group]!);
}

/** Byte offset of a group's inode table, or null where the descriptor points outside. */
export function inodeTableOffset({ sb, groups }: ExtVolume, group: number): number | null {
  const block = groups.inodeTable[group]!;
  return block >= sb.firstBlock && block > 0 && block + inodeTableBlocks(sb) <= sb.blocks
    ? block * sb.blockSize
    : null;
}

/** Calls `visit` for every inode in use, in ascending order. What cannot be read is taken for free. */
export async function scanInodes(
  context: ExtVolume,
  visit: (inode: ExtInode) => void | Promise<void>,
): Promise<void> {
  const { volume, sb } = context;
  for (let group = 0; group < sb.groups; group++) {
    const table = inodeTableOffset(context, group);
    if (table === null) continue;
    const end = inodesUsed(context, group) * sb.inodeSize;
    for (let done = 0; done < end; done += tableRead) {
      const length = Math.min(tableRead, end - done);
      const bytes = await readTolerant(volume, { offset: table + done, length, unit: sb.blockSize });
      for (let at = 0; at < length; at += sb.inodeSize) {
        if (bytes.readUInt16LE(at + 0x1a) === 0) continue;
        const number = group * sb.inodesPerGroup + (done + at) / sb.inodeSize + 1;
        const raw = bytes.subarray(at, at + sb.inodeSize);
        const inode = parseInode(raw, { number, offset: table + done + at });
        if (inode !== null) await visit(inode);
      }
    }
  }
}

/** One inode by number; null where it is free, outside or unreadable. */
export async function readInode(context: ExtVolume, number: number): Promise<ExtInode | null> {
  const { volume, sb } = context;
  if (number < 1 || number > sb.inodes) return null;
  const group = Math.floor((number - 1) / sb.inodesPerGroup);
  const table = inodeTableOffset(context, group);
  if (table === null) return null;
  const offset = table + ((number - 1) % sb.inodesPerGroup) * sb.inodeSize;
  const raw = await readTolerant(volume, { offset, length: sb.inodeSize, unit: sb.inodeSize });
  return parseInode(raw, { number, offset });
}

/** The 60 bytes that hold block pointers, the root of an extent tree, a short link or small content. */
export function inodeBlocks(inode: ExtInode): Buffer {
  return inode.raw.subarray(0x28, 0x64);
}

/** Whether the 60 bytes of the inode are pointers at all. */
export function hasBlocks(inode: ExtInode): boolean {
  if (inode.type === 'special' || has(inode.flags, inodeFlags.inlineData)) return false;
  return inode.type !== 'symlink' || has(inode.flags, inodeFlags.extents) || inode.size >= 60;
}

/** The value of the `system.data` attribute in the inode's body: what inline content the 60 bytes cannot take. */
export function inlineRest(inode: ExtInode): Buffer {
  const { raw } = inode;
  const none = raw.subarray(0, 0);
  if (raw.length <= 128) return none;
  const start = 128 + raw.readUInt16LE(128);
  if (start + 4 > raw.length || raw.readUInt32LE(start) !== 0xea_02_00_00) return none;
  const first = start + 4;
  for (let at = first; at + 16 <= raw.length && raw.readUInt32LE(at) !== 0;) {
    const nameLength = raw.readUInt8(at);
    const value = first + raw.readUInt16LE(at + 2);
    const name = raw.toString('latin1', at + 16, at + 16 + nameLength);
    if (raw.readUInt8(at + 1) === 7 && name === 'data') {
      return raw.subarray(value, Math.min(raw.length, value + raw.readUInt32LE(at + 8)));
    }
    at += 16 + Math.ceil(nameLength / 4) * 4;
  }
  return none;
}
