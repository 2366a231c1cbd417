import { normalize, type Extent } from '../bytes/extents.ts';

const compactAt = 256 * 1024;

/** Gathers extents in any order; joins them now and then, so that neighbours cost nothing. */
export class ExtentBag {
  #extents: Extent[] = [];
  #limit = compactAt;

  add(start: number, length: number): void {
    this.#extents.push({ start, length });
    if (this.#extents.length < this.#limit) return;
    this.#extents = normalize(this.#extents);
    this.#limit = Math.max(compactAt, this.#extents.length * 2);
  }

  extents(): Extent[] {
    return normalize(this.#extents);
  }
}
