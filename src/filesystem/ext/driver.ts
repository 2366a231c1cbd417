import type { BlockDevice } from '../../disk/block-device.ts';
import type { FileSystem, FileSystemDriver } from '../filesystem.ts';
import { tryReadBytes } from '../reading.ts';
import { wholeUnlessMapped } from '../whole.ts';
import { parseSuperblock, superblockLength, superblockOffset } from './superblock.ts';
import { extUsedMap } from './used.ts';

async function probe(volume: BlockDevice): Promise<FileSystem | null> {
  const bytes = await tryReadBytes(volume, superblockOffset, superblockLength);
  const sb = bytes === null ? null : parseSuperblock(bytes);
  if (sb === null) return null;
  return {
    facts: sb.facts,
    usedMap: () => wholeUnlessMapped(volume, () => extUsedMap(volume, sb)),
    controlSet: () => Promise.resolve([]),
  };
}

/** ext2, ext3 and ext4. */
export const extDriver: FileSystemDriver = { family: 'ext', probe, growth: { by: 'resize2fs' } };
