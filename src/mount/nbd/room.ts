import { alignedBuffer } from '../../disk/index.ts';

/** Loans are cut at multiples of this, bytes. */
const granule = 32 * 1024;

/** A buffer on loan from a room. */
export interface Loan {
  /** Page-aligned, of the length asked for. What it holds at first is undefined. */
  readonly bytes: Buffer;
  /** Gives it back; nothing may touch `bytes` afterwards. Calling it twice is harmless. */
  release(): void;
}

/**
 * The memory that all requests in flight share: one aligned allocation that is cut up as it is asked for.
 * Who asks for more than there is waits, and nobody passes who came later, so that a long request is
 * served in the end. The lowest free place is taken: memory that was never needed is never touched.
 */
export class Room {
  readonly #all: Buffer;
  /** By granule: 1 while it is lent. */
  readonly #lent: Uint8Array;
  readonly #waiting: { readonly length: number; readonly resolve: (loan: Loan) => void }[] = [];
  #used = 0;

  /** @param size Bytes; the longest loan. Rounded up to whole granules. */
  constructor(size: number) {
    const count = Math.ceil(size / granule);
    this.#all = alignedBuffer(count * granule);
    this.#lent = new Uint8Array(count);
  }

  /** Bytes on loan, in whole granules. */
  get used(): number {
    return this.#used;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** A loan, at once where there is room for it. */
  acquire(length: number): Loan | Promise<Loan> {
    if (this.#waiting.length === 0) {
      const loan = this.#cut(length);
      if (loan !== null) return loan;
    }
    const { promise, resolve } = Promise.withResolvers<Loan>();
    this.#waiting.push({ length, resolve });
    return promise;
  }

  #cut(length: number): Loan | null {
    const count = Math.max(1, Math.ceil(length / granule));
    const from = this.#place(count);
    if (from < 0) return null;
    this.#lent.fill(1, from, from + count);
    this.#used += count * granule;
    let lent = true;
    return {
      bytes: this.#all.subarray(from * granule, from * granule + length),
      release: () => {
        if (!lent) return;
        lent = false;
        this.#lent.fill(0, from, from + count);
        this.#used -= count * granule;
        this.#serve();
      },
    };
  }

  /** The first of `count` free granules in a row, or -1. */
  #place(count: number): number {
    for (let from = this.#lent.indexOf(0); from >= 0;) {
      const lent = this.#lent.indexOf(1, from);
      const end = lent < 0 ? this.#lent.length : lent;
      if (end - from >= count) return from;
      if (lent < 0) return -1;
      from = this.#lent.indexOf(0, lent);
    }
    return -1;
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const loan = this.#cut(next.length);
      if (loan === null) return;
      this.#waiting.shift();
      next.resolve(loan);
    }
  }
}
