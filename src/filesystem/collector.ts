import type { Extent } from '../bytes/extents.ts';

/** Beyond this many extents the map is made coarser: about 40 MB of objects. */
const mostExtents = 512 * 1024;
const firstGap = 64 * 1024;

/**
 * Gathers ascending runs into an extent list of bounded length. On a volume so fragmented that the
 * list would outgrow memory, holes below a growing size are closed: the map then names some free
 * space as used, never used space as free.
 */
export class ExtentCollector {
  readonly #limit: number;
  #starts: number[] = [];
  #ends: number[] = [];
  #gap = 0;

  constructor(limit: number = mostExtents) {
    this.#limit = limit;
  }

  /** Starts must not descend. */
  add(start: number, length: number): void {
    if (length <= 0) return;
    const last = this.#ends.length - 1;
    if (last >= 0 && start - this.#ends[last]! <= this.#gap) {
      this.#ends[last] = Math.max(this.#ends[last]!, start + length);
      return;
    }
    this.#starts.push(start);
    this.#ends.push(start + length);
    while (this.#starts.length > this.#limit) this.#coarsen();
  }

  /** The runs so far, clipped to `[0, size)`. */
  extents(size: number): Extent[] {
    const out: Extent[] = [];
    for (let i = 0; i < this.#starts.length; i++) {
      const start = this.#starts[i]!;
      const length = Math.min(this.#ends[i]!, size) - start;
      if (length > 0) out.push({ start, length });
    }
    return out;
  }

  #coarsen(): void {
    this.#gap = Math.max(firstGap, this.#gap * 2);
    let kept = 0;
    for (let i = 1; i < this.#starts.length; i++) {
      if (this.#starts[i]! - this.#ends[kept]! <= this.#gap) {
        this.#ends[kept] = Math.max(this.#ends[kept]!, this.#ends[i]!);
      } else {
        kept++;
        this.#starts[kept] = this.#starts[i]!;
        this.#ends[kept] = this.#ends[i]!;
      }
    }
    this.#starts.length = kept + 1;
    this.#ends.length = kept + 1;
  }
}
