import { intersect } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import type { FileSystem, FileSystemDriver, UsedMap } from '../filesystem.ts';
import { tryReadBytes } from '../reading.ts';
import { wholeUnlessMapped } from '../whole.ts';
import { parseBootSector } from './boot.ts';
import { fatControlSet } from './control.ts';
import { fatFilesIn } from './files.ts';
import { fatUsedMap } from './used.ts';

async function probe(volume: BlockDevice): Promise<FileSystem | null> {
  const bytes = await tryReadBytes(volume, 0, 512);
  const geometry = bytes === null ? null : parseBootSector(bytes);
  if (geometry === null) return null;
  let map: Promise<UsedMap> | null = null;
  const usedMap = (): Promise<UsedMap> =>
    (map ??= wholeUnlessMapped(volume, () => fatUsedMap(volume, geometry)));
  return {
    facts: geometry.facts,
    usedMap,
    controlSet: async () => intersect(await fatControlSet(volume, geometry), (await usedMap()).used),
    filesIn: (ranges) => fatFilesIn(volume, geometry, ranges),
  };
}

/** FAT12, FAT16 and FAT32. */
export const fatDriver: FileSystemDriver = { family: 'fat', probe };
