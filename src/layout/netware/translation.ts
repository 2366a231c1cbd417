import { unitSectors } from './places.ts';
import type { Redirection } from './redirections.ts';

/** What is needed to find the sectors of the data: the size of the hotfix area and what moved into it. */
export interface Mapping {
  readonly hotfixSectors: number;
  /** By logical sector. */
  readonly moved: readonly Redirection[];
}

/** A run of logical sectors that lies in one piece on the partition. */
export interface Piece {
  readonly logical: number;
  /** Sector of the partition. */
  readonly physical: number;
  readonly sectors: number;
}

/**
 * Where `count` logical sectors from `start` on lie, in order: behind the hotfix area, or in a spare
 * unit of it where they were moved. Neighbours that follow one another on the disk are one piece.
 */
export function physicalPieces({ hotfixSectors, moved }: Mapping, start: number, count: number): Piece[] {
  const pieces: { logical: number; physical: number; sectors: number }[] = [];
  const add = (logical: number, physical: number, sectors: number): void => {
    const last = pieces.at(-1);
    if (sectors < 1) return;
    if (last !== undefined && last.physical + last.sectors === physical) last.sectors += sectors;
    else pieces.push({ logical, physical, sectors });
  };
  const end = start + count;
  let at = start;
  for (let index = firstBehind(moved, start); at < end; index++) {
    const next = moved[index];
    const plain = Math.min(end, next?.logical ?? end);
    add(at, hotfixSectors + at, plain - at);
    at = Math.max(at, plain);
    if (next === undefined || at >= end) continue;
    const to = Math.min(end, next.logical + unitSectors);
    add(at, next.spare * unitSectors + (at - next.logical), to - at);
    at = to;
  }
  return pieces;
}

/** Index of the first redirection that ends behind sector `start`. */
function firstBehind(moved: readonly Redirection[], start: number): number {
  let low = 0;
  let high = moved.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (moved[middle]!.logical + unitSectors <= start) low = middle + 1;
    else high = middle;
  }
  return low;
}
