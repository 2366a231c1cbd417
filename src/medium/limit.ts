import { formatBytes, tarBlock, tarEndLength } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { closingRecordSize } from './medium.ts';

/** The largest record any medium here takes or reads; bounds what a reader allocates. */
const largestRecord = 16 * 1024 * 1024;
/** Kept free in every part for the record that closes it and the end of the tar. */
const reserve = closingRecordSize + tarEndLength;
/** A part is at least this large, so that a label and some records fit. */
export const smallestPart = 64 * 1024;

/** The largest record for parts of at most `partSize` bytes; throws `usage` for parts too small to be of use. */
export function recordLimitFor(partSize: number): number {
  if (partSize < smallestPart) {
    throw new RemetalError('usage', `Part size ${formatBytes(partSize)} is too small.`, {
      hint: `Parts of a set are at least ${formatBytes(smallestPart)}.`,
      facts: { partSize, smallest: smallestPart },
    });
  }
  const room = Math.floor((partSize - smallestPart / 2) / tarBlock) * tarBlock;
  return Math.min(largestRecord, room);
}

/** Counts what goes into one part. */
export interface PartLimit {
  readonly size: number;
  /** The offset at which a record of `length` bytes goes, or null at the end of the part; the record after a null may use the reserve. */
  take(length: number): number | null;
}

/** Where the records of a part of at most `partSize` bytes go. */
export function limitedPart(partSize: number): PartLimit {
  let size = 0;
  let ended = false;
  return {
    get size() {
      return size;
    },
    take: (length) => {
      if (!ended && size + length + reserve > partSize) {
        ended = true;
        return null;
      }
      const offset = size;
      size += length;
      return offset;
    },
  };
}
