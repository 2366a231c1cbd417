import type { BlockDevice } from '../../disk/block-device.ts';
import type { FileSystem, FileSystemDriver } from '../filesystem.ts';
import { tryReadBytes } from '../reading.ts';
import { wholeUnlessMapped } from '../whole.ts';
import { parseBootSector } from './boot.ts';
import { fatUsedMap } from './used.ts';

async function probe(volume: BlockDevice): Promise<FileSystem | null> {
  const bytes = await tryReadBytes(volume, 0, 512);
  const geometry = bytes === null ? null : parseBootSector(bytes);
  if (geometry === null) return null;
  return {
    facts: geometry.facts,
    usedMap: () => wholeUnlessMapped(volume, () => fatUsedMap(volume, geometry)),
    controlSet: () => Promise.resolve([]),
  };
}

/** FAT12, FAT16 and FAT32. */
export const fatDriver: FileSystemDriver = { family: 'fat', probe };
