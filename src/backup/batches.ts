import type { Extent } from '../bytes/index.ts';
import type { GroupIndex } from '../archive/index.ts';

/** A used extent of the volume and where its bytes come to stand in the slab. */
export interface Piece extends Extent {
  readonly at: number;
}

/** A read: `length` bytes of the volume from `start`, to stand at `at` in the slab. */
export interface Run extends Piece {
  /** The used extents in it, ascending; between them lie gaps that are read over. */
  readonly pieces: readonly Piece[];
}

/** The used extents of one group, ascending in the volume and in the slab. */
export interface GroupPieces {
  readonly length: number;
  readonly pieces: readonly Piece[];
}

/** Consecutive groups that are read together into one slab. */
export interface Batch {
  readonly runs: readonly Run[];
  readonly groups: readonly GroupPieces[];
  /** Plain bytes of the groups. */
  readonly plain: number;
}

/** Reading over a gap this long is quicker than a second read, on rotating disks and on others. */
const worthReading = 32 * 1024;

/**
 * Cuts the groups of a volume into batches that fit a slab of `slabSize` bytes, at most half of it
 * plain bytes: the other half pays for the gaps between used extents that are read over.
 */
export function* batchesOf(index: GroupIndex, slabSize: number): Generator<Batch> {
  const plainLimit = Math.max(index.groupSize, Math.floor(slabSize / 2));
  for (let next = 0; next < index.groupCount;) {
    const first = next;
    let plain = 0;
    while (next < index.groupCount) {
      const length = index.groupLength(next);
      if (next > first && plain + length > plainLimit) break;
      plain += length;
      next++;
    }
    yield batchOf(index, { first, end: next, plain, spare: slabSize - plain });
  }
}

/** Joins the used extents of groups to runs, reading over short gaps as long as `spare` bytes last. */
function batchOf(
  index: GroupIndex,
  { first, end, plain, spare }: { first: number; end: number; plain: number; spare: number },
): Batch {
  const groups: GroupPieces[] = [];
  const runs: { start: number; length: number; at: number; pieces: Piece[] }[] = [];
  let filled = 0;
  let left = spare;
  for (let group = first; group < end; group++) {
    const pieces: Piece[] = [];
    for (const { start, length } of index.groupExtents(group)) {
      const run = runs.at(-1);
      const gap = run === undefined ? -1 : start - (run.start + run.length);
      if (run !== undefined && gap >= 0 && gap <= Math.min(worthReading, left)) {
        const piece = { start, length, at: filled + gap };
        run.pieces.push(piece);
        run.length += gap + length;
        left -= gap;
        filled += gap + length;
        pieces.push(piece);
      } else {
        const piece = { start, length, at: filled };
        runs.push({ ...piece, pieces: [piece] });
        filled += length;
        pieces.push(piece);
      }
    }
    groups.push({ length: index.groupLength(group), pieces });
  }
  return { runs, groups, plain };
}
