import { tablePieceLength } from './structures.ts';

/** Plain bytes of a full group where the medium does not want smaller ones: there compression costs least (see bench/). */
const usualGroupSize = 512 * 1024;
/** Tar headers and the header of a record whose extents are single sectors take less. */
const frontLength = 64 * 1024;

/** How a set is cut for a medium. */
export interface RecordSizes {
  /** Plain bytes of a full group. */
  readonly groupSize: number;
  /** Plain bytes of a full piece of a map or table. */
  readonly pieceLength: number;
}

/** Sizes whose records fit into `recordLimit` bytes, whatever is in them. */
export function recordSizes(recordLimit: number): RecordSizes {
  const room = Math.max(recordLimit - frontLength, Math.floor(recordLimit / 2));
  const power = 2 ** Math.floor(Math.log2(room));
  return {
    groupSize: Math.min(usualGroupSize, power),
    pieceLength: Math.min(tablePieceLength, power),
  };
}
