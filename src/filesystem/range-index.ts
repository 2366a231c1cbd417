import { normalize, type Extent } from '../bytes/extents.ts';

/** Answers fast whether a run touches any of a list of extents. */
export class RangeIndex {
  readonly #extents: readonly Extent[];

  constructor(extents: readonly Extent[]) {
    this.#extents = normalize(extents);
  }

  /** The first extent that ends behind `at`. */
  #firstBehind(at: number): number {
    let low = 0;
    let high = this.#extents.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { start, length } = this.#extents[middle]!;
      if (start + length <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  touches(start: number, length: number): boolean {
    const extent = this.#extents[this.#firstBehind(start)];
    return extent !== undefined && extent.start < start + length;
  }

  /** The parts of the extents inside the run. */
  *within(start: number, length: number): Generator<Extent> {
    for (let i = this.#firstBehind(start); i < this.#extents.length; i++) {
      const extent = this.#extents[i]!;
      const from = Math.max(extent.start, start);
      const to = Math.min(extent.start + extent.length, start + length);
      if (from >= to) return;
      yield { start: from, length: to - from };
    }
  }
}
