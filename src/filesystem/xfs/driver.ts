import type { BlockDevice } from '../../disk/block-device.ts';
import { ExtentCollector } from '../collector.ts';
import type { FileSystem, FileSystemDriver, UsedMap } from '../filesystem.ts';
import { tryReadBytes } from '../reading.ts';
import { wholeMap, wholeUnlessMapped } from '../whole.ts';
import { agOffset, freeExtents, readAgf } from './free-space.ts';
import { logDoubt } from './log.ts';
import { claimedSectorSize, parseSuperblock, superblockLength, type XfsSuperblock } from './superblock.ts';

/**
 * The used map: what the free-space trees of all allocation groups leave over. Trusted only when the
 * log is clean, every checksum is right, each tree counts what its header says and the sum is what
 * the superblock says.
 */
async function xfsUsedMap(volume: BlockDevice, sb: XfsSuperblock): Promise<UsedMap> {
  if (sb.doubt !== null) return wholeMap(volume, sb.doubt);
  const end = sb.blocks * sb.blockSize;
  if (end > volume.size) {
    return wholeMap(volume, `The file system claims ${end} bytes and the volume has ${volume.size}`);
  }
  const dirty = await logDoubt(volume, sb);
  if (dirty !== null) return wholeMap(volume, dirty);
  const collector = new ExtentCollector();
  let countedFree = 0;
  for (let ag = 0; ag < sb.agCount; ag++) {
    const agf = await readAgf(volume, sb, ag);
    let at = 0;
    let free = 0;
    for await (const { start, length } of freeExtents(volume, sb, agf)) {
      collector.add(agOffset(sb, ag, at), (start - at) * sb.blockSize);
      at = start + length;
      free += length;
    }
    collector.add(agOffset(sb, ag, at), (agf.length - at) * sb.blockSize);
    if (free !== agf.free) {
      return wholeMap(
        volume,
        `The free space tree of allocation group ${ag} counts ${free} blocks and its header ${agf.free}`,
      );
    }
    countedFree += free + agf.reserve;
  }
  if (countedFree !== sb.freeBlocks) {
    return wholeMap(
      volume,
      `The allocation groups count ${countedFree} free blocks and the superblock ${sb.freeBlocks}`,
    );
  }
  collector.add(end, volume.size - end);
  return { used: collector.extents(volume.size), trusted: true, reason: null };
}

async function probe(volume: BlockDevice): Promise<FileSystem | null> {
  const bytes = await tryReadBytes(volume, 0, superblockLength);
  const sectorSize = bytes === null ? null : claimedSectorSize(bytes);
  const sector = sectorSize === null ? null : await tryReadBytes(volume, 0, sectorSize);
  const sb = sector === null ? null : parseSuperblock(sector);
  if (sb === null) return null;
  return {
    facts: sb.facts,
    usedMap: () => wholeUnlessMapped(volume, () => xfsUsedMap(volume, sb)),
    controlSet: () => Promise.resolve([]),
  };
}

/** XFS, versions 4 and 5. */
export const xfsDriver: FileSystemDriver = { family: 'xfs', probe, growth: { by: 'xfs_growfs' } };
