import type { BlockDevice } from '../../disk/block-device.ts';
import type { VolumeDefinition } from '../../layout/netware/definition.ts';

/*
 * Sizes of the NetWare 386 file system. Sources, read for facts only: jeffmerkey/netware-file-system
 * (nwfs.h, nwdir.h, fat.c, suballoc.c), zhmu/nwfs (doc/nwfs386.md); EP 0767431 A1, FIG 2 and FIG 10.
 */
const sectorSize = 512;
const smallestShift = 3;
const largestShift = 7;
/** 128 GiB in the smallest blocks, 2 TiB in the largest; NetWare itself ends at 1 TiB. The FAT is then 256 MiB. */
export const mostBlocks = 2 ** 25;
export const entrySize = 8;
export const recordSize = 128;
/** The directory is handed out to owners in pages of this size, whatever the block size. */
export const pageSize = 4096;
export const recordsPerPage = pageSize / recordSize;
/** NetWare 4.11 keeps at most 16 million records. */
export const mostRecords = 2 ** 24;
/** Unit in which tails of files are suballocated, bytes. */
export const pieceUnit = 512;

/** The sizes of one volume, all checked against its device. */
export interface NetwareGeometry {
  /** Bytes. */
  readonly blockSize: number;
  readonly blocks: number;
  /** Entries in one block of the FAT. */
  readonly entriesPerBlock: number;
  /** Blocks one copy of the FAT takes. */
  readonly fatBlocks: number;
  readonly recordsPerBlock: number;
  /** Size classes of suballocated pieces: 1 to this less one, in units of 512 bytes. */
  readonly classes: number;
}

/** The sizes, or in one sentence why the definition cannot be that of a volume on this device. */
export function geometryOf(
  device: Pick<BlockDevice, 'size'>,
  definition: VolumeDefinition,
): NetwareGeometry | string {
  const { blockShift, blocks } = definition;
  if (!Number.isInteger(blockShift) || blockShift < smallestShift || blockShift > largestShift) {
    return `The volume table gives blocks of 2^${blockShift} sectors`;
  }
  if (!Number.isSafeInteger(blocks) || blocks < 1 || blocks > mostBlocks) {
    return `The volume table gives ${blocks} blocks, and this program reads volumes of 1 to ${mostBlocks}`;
  }
  // The table in memory is as large as the FAT on the volume, so a volume that cannot hold it makes nothing large.
  if (blocks * entrySize > device.size) {
    return `The volume table gives ${blocks} blocks, whose FAT alone would fill more than the volume's ${device.size} bytes`;
  }
  const blockSize = sectorSize * 2 ** blockShift;
  const entriesPerBlock = blockSize / entrySize;
  return {
    blockSize,
    blocks,
    entriesPerBlock,
    fatBlocks: Math.ceil(blocks / entriesPerBlock),
    recordsPerBlock: blockSize / recordSize,
    classes: blockSize / pieceUnit,
  };
}
