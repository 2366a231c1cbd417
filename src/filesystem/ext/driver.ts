import { intersect } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import type { FileSystem, FileSystemDriver, UsedMap } from '../filesystem.ts';
import { tryReadBytes } from '../reading.ts';
import { wholeUnlessMapped } from '../whole.ts';
import { extControlSet } from './control.ts';
import { extTree } from './file-tree.ts';
import { extFilesIn } from './files.ts';
import { parseSuperblock, superblockLength, superblockOffset } from './superblock.ts';
import { extUsedMap } from './used.ts';

async function probe(volume: BlockDevice): Promise<FileSystem | null> {
  const bytes = await tryReadBytes(volume, superblockOffset, superblockLength);
  const sb = bytes === null ? null : parseSuperblock(bytes);
  if (sb === null) return null;
  let map: Promise<UsedMap> | null = null;
  const usedMap = (): Promise<UsedMap> => (map ??= wholeUnlessMapped(volume, () => extUsedMap(volume, sb)));
  return {
    facts: sb.facts,
    usedMap,
    controlSet: async () => intersect(await extControlSet(volume, sb), (await usedMap()).used),
    filesIn: (ranges) => extFilesIn(volume, sb, ranges),
    tree: () => extTree(volume, sb),
  };
}

/** ext2, ext3 and ext4. */
export const extDriver: FileSystemDriver = { family: 'ext', probe, growth: { by: 'resize2fs' } };
