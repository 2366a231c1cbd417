import { intersect } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import type { FileSystem, FileSystemDriver, UsedMap } from '../filesystem.ts';
import { tryReadBytes } from '../reading.ts';
import { wholeUnlessMapped } from '../whole.ts';
import { parseBootSector, type FatGeometry } from './boot.ts';
import { fatControlSet } from './control.ts';
import { labelOf } from './directory.ts';
import { fatFilesIn } from './files.ts';
import { largerLayout } from './larger-layout.ts';
import { fatTree } from './tree.ts';
import { fatUsedMap } from './used.ts';

/** The label in the start of the root directory, where every formatter puts it. */
async function rootLabel(volume: BlockDevice, geometry: FatGeometry): Promise<string | null> {
  const { rootLength, rootOffset, rootCluster, dataOffset, clusterSize } = geometry;
  const root =
    rootLength > 0
      ? await tryReadBytes(volume, rootOffset, rootLength)
      : await tryReadBytes(volume, dataOffset + (rootCluster - 2) * clusterSize, clusterSize);
  return root === null ? null : labelOf(root);
}

async function probe(volume: BlockDevice): Promise<FileSystem | null> {
  const bytes = await tryReadBytes(volume, 0, 512);
  const geometry = bytes === null ? null : parseBootSector(bytes);
  if (geometry === null) return null;
  const label = (await rootLabel(volume, geometry)) ?? geometry.facts.label;
  let map: Promise<UsedMap> | null = null;
  const usedMap = (): Promise<UsedMap> =>
    (map ??= wholeUnlessMapped(volume, () => fatUsedMap(volume, geometry)));
  return {
    facts: { ...geometry.facts, label },
    usedMap,
    controlSet: async () => intersect(await fatControlSet(volume, geometry), (await usedMap()).used),
    filesIn: (ranges) => fatFilesIn(volume, geometry, ranges),
    tree: () => Promise.resolve(fatTree(volume, geometry)),
  };
}

/** FAT12, FAT16 and FAT32. */
export const fatDriver: FileSystemDriver = {
  family: 'fat',
  probe,
  growth: { by: 'fat', laidOut: largerLayout },
};
