import type { BlockDevice } from '../disk/block-device.ts';
import { parseSuperblock as parseExt, superblockLength as extLength } from './ext/superblock.ts';
import { tryReadBytes } from './reading.ts';
import { logDoubt } from './xfs/log.ts';
import { claimedSectorSize, parseSuperblock as parseXfs, superblockLength } from './xfs/superblock.ts';

/** The superblock of btrfs, and in it the tree of what fsync wrote ahead (btrfs_super_block.log_root). */
const btrfsSuperblock = 64 * 1024;
const btrfsLogRoot = 0x60;

/**
 * True where the volume was not cleanly unmounted, so that its journal must be replayed before what its
 * structures say is true. `type` is that of the file system's facts; false for those without a journal that is
 * known. Reads the superblock and, for xfs, the log.
 */
export async function needsReplay(volume: BlockDevice, type: string): Promise<boolean> {
  switch (type) {
    case 'ext3':
    case 'ext4':
      return await extNeedsReplay(volume);
    case 'xfs':
      return await xfsNeedsReplay(volume);
    case 'btrfs': {
      const bytes = await tryReadBytes(volume, btrfsSuperblock + btrfsLogRoot, 8);
      return bytes !== null && bytes.readBigUInt64LE(0) !== 0n;
    }
    default:
      return false;
  }
}

async function extNeedsReplay(volume: BlockDevice): Promise<boolean> {
  const bytes = await tryReadBytes(volume, 1024, extLength);
  return bytes !== null && parseExt(bytes)?.needsRecovery === true;
}

async function xfsNeedsReplay(volume: BlockDevice): Promise<boolean> {
  const start = await tryReadBytes(volume, 0, superblockLength);
  const sectorSize = start === null ? null : claimedSectorSize(start);
  const sector = sectorSize === null ? null : await tryReadBytes(volume, 0, sectorSize);
  const sb = sector === null ? null : parseXfs(sector);
  // A log elsewhere is not there to be replayed.
  return sb !== null && sb.log !== null && (await logDoubt(volume, sb)) !== null;
}
