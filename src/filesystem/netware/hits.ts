import type { Extent } from '../../bytes/extents.ts';
import type { AffectedFile } from '../filesystem.ts';
import { RangeIndex } from '../range-index.ts';
import { extentsOf, type Fork } from './content.ts';
import { recordSize } from './geometry.ts';
import type { NetwareFile } from './objects.ts';
import type { Structures } from './structures.ts';
import { Walk } from './walk.ts';

/**
 * The files that own a byte of `ranges`, live ones first; `inode` is the number of the DOS record. The records
 * of a file count as metadata, its contents and its resource fork as data, FAT and directories as
 * metadata of the root.
 */
export async function netwareFilesIn(
  structures: Structures,
  ranges: readonly Extent[],
): Promise<AffectedFile[]> {
  if (ranges.length === 0) return [];
  const index = new RangeIndex(ranges);
  const out: AffectedFile[] = [];
  if (hitsStructure(structures, index)) out.push({ path: '/', inode: 0, part: 'metadata' });
  const walk = new Walk(structures);
  // The chains of a sound volume have no more blocks than the volume; where they share some, it has to end.
  let steps = 2 * structures.geometry.blocks;
  for (const files of [walk.live(), walk.deleted()]) {
    for await (const file of files) {
      const { path, number } = file;
      if (hitsRecords(structures, file, index)) out.push({ path, inode: number, part: 'metadata' });
      if (steps <= 0 || file.kind === 'directory') continue;
      const { hit, blocks } = contentsHit(structures, file, index);
      steps -= blocks;
      if (hit) out.push({ path, inode: number, part: 'data' });
    }
  }
  return out;
}

function hitsStructure({ geometry, fat, directory, extended }: Structures, index: RangeIndex): boolean {
  const lists = [fat.primary, fat.mirror, directory.primaryBlocks, directory.mirrorBlocks];
  if (extended !== null) lists.push(extended.primaryBlocks, extended.mirrorBlocks);
  for (const blocks of lists) {
    for (const block of blocks) {
      if (index.touches(block * geometry.blockSize, geometry.blockSize)) return true;
    }
  }
  return false;
}

function hitsRecords({ directory }: Structures, { records }: NetwareFile, index: RangeIndex): boolean {
  return records.some((record) => {
    const offset = directory.offsetOf(record);
    return offset !== null && index.touches(offset, recordSize);
  });
}

/** Whether the contents of a file are hit, and about how many blocks were gone through to tell. */
function contentsHit(
  structures: Structures,
  file: NetwareFile,
  index: RangeIndex,
): { readonly hit: boolean; readonly blocks: number } {
  const contents = { ...structures, fat: structures.fat.table };
  const forks: Fork[] = file.resourceFork === null ? ['data'] : ['data', 'resource'];
  let blocks = 0;
  let hit = false;
  for (const fork of forks) {
    for (const extent of extentsOf(contents, file, fork)) {
      if (extent.kind !== 'data') continue;
      blocks += Math.ceil(extent.length / structures.geometry.blockSize);
      hit ||= index.touches(extent.at, extent.length);
    }
  }
  return { hit, blocks };
}
