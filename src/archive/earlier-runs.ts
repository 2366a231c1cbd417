import type { Extent } from '../bytes/index.ts';
import { lastNotAbove } from './sorted.ts';

/** A run of bytes of a volume that lies in an earlier set. */
export interface EarlierRun extends Extent {
  /** Which set of the chain, from 1. */
  readonly link: number;
  /** The record of that set that holds it. */
  readonly ordinal: number;
}

const firstCapacity = 64;

function grown<Column extends Float64Array | Uint16Array>(column: Column, fresh: Column): Column {
  fresh.set(column);
  return fresh;
}

/**
 * The runs of a volume that lie in earlier sets, ascending by where they start. There is one a record at least, so
 * they are kept in columns: 26 bytes a run.
 */
export class EarlierRuns {
  #starts = new Float64Array(firstCapacity);
  #lengths = new Float64Array(firstCapacity);
  #links = new Uint16Array(firstCapacity);
  #ordinals = new Float64Array(firstCapacity);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  start(i: number): number {
    return this.#starts[i]!;
  }

  length(i: number): number {
    return this.#lengths[i]!;
  }

  link(i: number): number {
    return this.#links[i]!;
  }

  ordinal(i: number): number {
    return this.#ordinals[i]!;
  }

  /** Adds a run that starts at or behind the end of the last; one that goes on with it makes it longer. */
  push(start: number, length: number, link: number, ordinal: number): void {
    const last = this.#count - 1;
    if (
      last >= 0 &&
      start === this.start(last) + this.length(last) &&
      this.#links[last] === link &&
      this.#ordinals[last] === ordinal
    ) {
      this.#lengths[last]! += length;
      return;
    }
    if (this.#count === this.#starts.length) this.#grow();
    const i = this.#count++;
    this.#starts[i] = start;
    this.#lengths[i] = length;
    this.#links[i] = link;
    this.#ordinals[i] = ordinal;
  }

  #grow(): void {
    const capacity = this.#count * 2;
    this.#starts = grown(this.#starts, new Float64Array(capacity));
    this.#lengths = grown(this.#lengths, new Float64Array(capacity));
    this.#links = grown(this.#links, new Uint16Array(capacity));
    this.#ordinals = grown(this.#ordinals, new Float64Array(capacity));
  }

  /** Index of the last run that starts at or in front of `offset`, or -1. */
  lastAt(offset: number): number {
    return lastNotAbove(this.#starts, this.#count, offset);
  }

  /** The highest number of a set that is pointed into; 0 for none. */
  lastLink(): number {
    let last = 0;
    for (let i = 0; i < this.#count; i++) last = Math.max(last, this.#links[i]!);
    return last;
  }

  /** Plain bytes of all runs. */
  total(): number {
    let sum = 0;
    for (let i = 0; i < this.#count; i++) sum += this.#lengths[i]!;
    return sum;
  }

  /** The runs by where their records lie: by link, then ordinal, then start. */
  inMediumOrder(): Uint32Array {
    const order = Uint32Array.from({ length: this.#count }, (_, i) => i);
    return order.toSorted(
      (a, b) =>
        this.#links[a]! - this.#links[b]! ||
        this.#ordinals[a]! - this.#ordinals[b]! ||
        this.#starts[a]! - this.#starts[b]!,
    );
  }

  *[Symbol.iterator](): Generator<EarlierRun, void, undefined> {
    for (let i = 0; i < this.#count; i++) {
      yield { start: this.start(i), length: this.length(i), link: this.link(i), ordinal: this.ordinal(i) };
    }
  }
}
