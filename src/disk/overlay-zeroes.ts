import type { Extent } from '../bytes/index.ts';

/** Long runs of clusters that read as zeros: an extent list that is added to, and looked up quickly. */
export class ZeroedClusters {
  /** Starts and ends of the runs. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  get count(): number {
    return this.#starts.length;
  }

  has(cluster: number): boolean {
    const i = this.#firstEndingAfter(cluster);
    return i < this.#starts.length && this.#starts[i]! <= cluster;
  }

  add(from: number, to: number): void {
    // Runs that touch the new one become part of it.
    const first = this.#firstEndingAfter(from - 1);
    let last = first;
    while (last < this.#starts.length && this.#starts[last]! <= to) last++;
    const start = first < last ? Math.min(from, this.#starts[first]!) : from;
    const end = first < last ? Math.max(to, this.#ends[last - 1]!) : to;
    this.#starts.splice(first, last - first, start);
    this.#ends.splice(first, last - first, end);
  }

  extents(): Extent[] {
    return this.#starts.map((start, i) => ({ start, length: this.#ends[i]! - start }));
  }

  #firstEndingAfter(cluster: number): number {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! <= cluster) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
