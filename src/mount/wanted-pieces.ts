import type { Extent } from '../bytes/index.ts';
import type { GroupContent } from './group-scheduler.ts';

/** Bytes of a volume from `start` on. */
export interface VolumeBytes {
  readonly start: number;
  readonly bytes: Buffer;
}

const zeros = Buffer.alloc(1024 * 1024);

/** So many zeros, in pieces of at most 1 MiB. */
export function* zeroPieces(start: number, length: number): Generator<VolumeBytes, void, undefined> {
  for (let at = 0; at < length; at += zeros.length) {
    yield { start: start + at, bytes: zeros.subarray(0, Math.min(zeros.length, length - at)) };
  }
}

/** Index of the first of some ascending extents that ends behind `offset`. */
function firstBehind(extents: readonly Extent[], offset: number): number {
  let [low, high] = [0, extents.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (extents[middle]!.start + extents[middle]!.length <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What of some extents a group holds; null for zeros and for what is damaged. */
export function* wantedPieces(
  wanted: readonly Extent[],
  { extents, bytes }: GroupContent,
): Generator<Extent & { readonly bytes: Buffer | null }, void, undefined> {
  let at = 0;
  for (const extent of extents) {
    const end = extent.start + extent.length;
    for (let i = firstBehind(wanted, extent.start); i < wanted.length && wanted[i]!.start < end; i++) {
      const start = Math.max(extent.start, wanted[i]!.start);
      const length = Math.min(end, wanted[i]!.start + wanted[i]!.length) - start;
      const from = at + start - extent.start;
      yield { start, length, bytes: bytes?.subarray(from, from + length) ?? null };
    }
    at += extent.length;
  }
}
