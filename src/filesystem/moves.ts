import type { Extent } from '../bytes/extents.ts';

/*
 * Moving the contents of a volume about inside it, in an order in which nothing is overwritten before it has
 * been read, with memory for one piece.
 */

/** One thing to do, in bytes of the volume. */
export type Move =
  /** Read all of it, then write it; the ranges may overlap. */
  | { readonly kind: 'copy'; readonly from: number; readonly to: number; readonly length: number }
  /** Read into memory. What was taken before has been put. */
  | { readonly kind: 'take'; readonly from: number; readonly length: number }
  /** Write a part of what was taken; `from` is where on the volume it was. */
  | { readonly kind: 'put'; readonly from: number; readonly to: number; readonly length: number };

/**
 * Moves all runs up by the same number of bytes. `runs` descend; each is moved from its end to its start in
 * pieces of at most `most` bytes.
 */
export function* slideUp(runs: Iterable<Extent>, by: number, most: number): Generator<Move> {
  if (by === 0) return;
  for (const { start, length } of runs) {
    for (let end = start + length; end > start;) {
      const piece = Math.min(most, end - start);
      end -= piece;
      yield { kind: 'copy', from: end, to: end + by, length: piece };
    }
  }
}

/**
 * Puts units of equal size in another order: `from[to]` is the unit that goes to the place of unit `to`, -1
 * where nothing does; no unit goes to two places. Neighbours that stay neighbours move together, up to
 * `most` units. The numbers in the moves are units.
 *
 * A place can be written once its own unit has been read. Places nobody needs first, and what that sets
 * free; what is left then are circles, each of which is opened by taking one unit into memory.
 */
export function* rearrange(from: Int32Array, most: number): Generator<Move> {
  const open = Int32Array.from(from, (unit, place) => (unit === place ? -1 : unit));
  const wanted = new Uint8Array(open.length);
  const taken = new Uint8Array(open.length);
  for (const unit of open) if (unit >= 0) wanted[unit] = 1;
  const free = (place: number): boolean => (open[place] ?? -1) >= 0 && wanted[place] === 0;
  const follows = (place: number, other: number): boolean => {
    if (!free(other)) return false;
    const unit = open[place]!;
    const next = open[other]!;
    return next - unit === other - place && taken[next] === taken[unit];
  };

  /** Fills a free place and its neighbours. */
  const fill = (place: number): Move => {
    let first = place;
    let end = place + 1;
    while (end - first < most && follows(place, end)) end++;
    while (end - first < most && follows(place, first - 1)) first--;
    const unit = open[first]!;
    const length = end - first;
    wanted.fill(0, unit, unit + length);
    open.fill(-1, first, end);
    return { kind: taken[unit] === 1 ? 'put' : 'copy', from: unit, to: first, length };
  };

  // Places that may be free now, the highest on top. Each is set free once, so they always fit.
  const ready = new Int32Array(open.length);
  let readyCount = 0;
  const setFree = (start: number, length: number): void => {
    for (let place = start; place < start + length; place++) ready[readyCount++] = place;
  };
  function* drain(): Generator<Move> {
    while (readyCount > 0) {
      const place = ready[--readyCount]!;
      if (!free(place)) continue;
      const move = fill(place);
      yield move;
      if (move.kind === 'copy') setFree(move.from, move.length);
    }
  }

  for (let place = open.length - 1; place >= 0; place--) {
    if (!free(place)) continue;
    const move = fill(place);
    yield move;
    if (move.kind === 'copy') setFree(move.from, move.length);
    yield* drain();
  }
  for (let place = 0; place < open.length; place++) {
    if (open[place]! < 0) continue;
    let end = place + 1;
    while (end - place < most && end < open.length && open[end]! >= 0) end++;
    yield { kind: 'take', from: place, length: end - place };
    taken.fill(1, place, end);
    wanted.fill(0, place, end);
    setFree(place, end - place);
    yield* drain();
  }
}
