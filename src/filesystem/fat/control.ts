import { alignOutward, type Extent } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import { ExtentBag } from '../bag.ts';
import type { FatGeometry } from './boot.ts';
import { FatWalk } from './walk.ts';

/**
 * The control set: boot sector, FSINFO, the active table, the root directory and all directories. The
 * other table and the copies of boot sector and FSINFO are left out.
 */
export async function fatControlSet(volume: BlockDevice, geometry: FatGeometry): Promise<Extent[]> {
  const bag = new ExtentBag();
  bag.add(0, geometry.sectorSize);
  if (geometry.fsInfo !== null) bag.add(geometry.fsInfo, geometry.sectorSize);
  const needed = Math.ceil(((geometry.clusters + 2) * geometry.kind) / 8);
  bag.add(geometry.fatOffset + geometry.activeFat * geometry.fatLength, Math.min(needed, geometry.fatLength));
  const walk = new FatWalk(volume, geometry);
  for (const { start, length } of await walk.root()) bag.add(start, length);
  const directories = new FatWalk(volume, geometry);
  for await (const { file, clusters } of directories.tree(false)) {
    if (file.directory) for (const { start, length } of clusters) bag.add(start, length);
  }
  return alignOutward(bag.extents(), geometry.sectorSize, volume.size);
}
