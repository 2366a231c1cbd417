import { normalize, type Extent } from '../../bytes/extents.ts';
import type { Structures } from './structures.ts';

/**
 * What the server reads to mount the volume and walk it: the primary copies of FAT, directory and extended
 * directory, and the blocks of mirrors that stand in for damaged ones of these.
 */
export function netwareControlSet({ geometry, fat, directory, extended }: Structures): Extent[] {
  const { blockSize } = geometry;
  const extents: Extent[] = [];
  const add = (blocks: Iterable<number>): void => {
    for (const block of blocks) extents.push({ start: block * blockSize, length: blockSize });
  };
  add(fat.primary);
  add(fat.standIns);
  for (const file of extended === null ? [directory] : [directory, extended]) {
    add(file.primaryBlocks);
    add(file.standIns());
  }
  return normalize(extents);
}
