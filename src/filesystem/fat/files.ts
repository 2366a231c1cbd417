import type { Extent } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import type { AffectedFile } from '../filesystem.ts';
import { RangeIndex } from '../range-index.ts';
import type { FatGeometry } from './boot.ts';
import { FatWalk } from './walk.ts';

/**
 * The files that own a byte of `ranges`. FAT has no inodes: `inode` is the first cluster, 0 for an empty
 * file. A directory's clusters and a file's own directory entries count as metadata.
 */
export async function fatFilesIn(
  volume: BlockDevice,
  geometry: FatGeometry,
  ranges: readonly Extent[],
): Promise<AffectedFile[]> {
  const index = new RangeIndex(ranges);
  const hit = (extents: readonly Extent[]): boolean =>
    extents.some(({ start, length }) => index.touches(start, length));
  const out: AffectedFile[] = [];
  const walk = new FatWalk(volume, geometry);
  if (hit(await new FatWalk(volume, geometry).root())) {
    out.push({ path: '/', inode: geometry.rootCluster, part: 'metadata' });
  }
  for await (const { path, file, clusters, entries } of walk.tree(true)) {
    const contents = hit(clusters);
    const inode = file.firstCluster;
    if (hit(entries) || (file.directory && contents)) out.push({ path, inode, part: 'metadata' });
    if (!file.directory && contents) out.push({ path, inode, part: 'data' });
  }
  return out;
}
