import type { RemetalError } from '../errors/index.ts';

/** Problems kept; a medium that is rotten from end to end must not fill the memory with them. */
const maxKept = 2000;

/** Collects problems, the first ones in full, and counts the rest. */
export class ProblemList {
  readonly items: RemetalError[] = [];
  #count = 0;

  /** All that were met, kept or not. */
  get count(): number {
    return this.#count;
  }

  push(...problems: readonly RemetalError[]): void {
    this.#count += problems.length;
    this.items.push(...problems.slice(0, maxKept - this.items.length));
  }
}
