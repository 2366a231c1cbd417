import { RemetalError } from '../errors/index.ts';
import { smallestRecord, sparseSlabs } from './tables.ts';

const bitsPerSlab = 1 << 20;

/** Which ordinals were met, in slabs of bits made when first needed. */
class OrdinalSet {
  readonly #slabs = new Map<number, Uint8Array>();

  has(ordinal: number): boolean {
    const bit = ordinal % bitsPerSlab;
    return ((this.#slabs.get(Math.floor(ordinal / bitsPerSlab))?.[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }

  set(ordinal: number, present: boolean): void {
    const number = Math.floor(ordinal / bitsPerSlab);
    const bit = ordinal % bitsPerSlab;
    let slab = this.#slabs.get(number);
    if (slab === undefined) {
      slab = new Uint8Array(bitsPerSlab / 8);
      this.#slabs.set(number, slab);
    }
    if (present) slab[bit >>> 3]! |= 1 << (bit & 7);
    else slab[bit >>> 3]! &= ~(1 << (bit & 7));
  }
}

/**
 * Follows the ordinals of the records of a set as they are met and says what is missing, doubled or
 * out of place. A damaged record whose header cannot be read is taken for the one expected there.
 */
export class RecordSequence {
  readonly #met = new OrdinalSet();
  readonly #guessed = new OrdinalSet();
  /** Ordinals from here on belong to no set of this size, even with a large part missing. */
  readonly #limit: number;
  #expected = 0;
  /** One more than the highest ordinal met or guessed. */
  #end = 0;

  /** `mediumBytes` bound what is allocated, however wild the ordinals. */
  constructor(mediumBytes: number) {
    this.#limit = sparseSlabs * bitsPerSlab + 2 * Math.ceil(mediumBytes / smallestRecord);
  }

  /** The ordinal that should come next. */
  get expected(): number {
    return this.#expected;
  }

  /** A record with an intact header was met; what is wrong with its place, if anything. */
  met(ordinal: number): RemetalError | null {
    if (ordinal >= this.#limit) return misplaced(ordinal, this.#expected);
    const before = this.#met.has(ordinal);
    const guessed = this.#guessed.has(ordinal);
    this.#met.set(ordinal, true);
    this.#end = Math.max(this.#end, ordinal + 1);
    if (guessed) {
      // The damaged thing before was something else: a label, or a record that stands there twice.
      this.#guessed.set(ordinal, false);
      return null;
    }
    if (before) {
      return new RemetalError('record-doubled', `Record ${ordinal} stands in the set twice.`, {
        facts: { ordinal },
      });
    }
    if (ordinal < this.#expected) return misplaced(ordinal, this.#expected);
    this.#expected = ordinal + 1;
    return null;
  }

  /** Something unreadable stands where the next record should. Gives the ordinal it is taken for. */
  damaged(): number {
    const ordinal = this.#expected;
    this.#guessed.set(ordinal, true);
    this.#end = Math.max(this.#end, ordinal + 1);
    this.#expected++;
    return ordinal;
  }

  /** The records below `count` that were never met, neighbours together. */
  missing(count: number): RemetalError[] {
    const out: RemetalError[] = [];
    let first = 0;
    // Behind the last one met everything is missing in one run: nothing to look at one by one.
    for (let ordinal = 0; ordinal <= Math.min(count, this.#end); ordinal++) {
      const present = this.#met.has(ordinal) || this.#guessed.has(ordinal);
      const last = ordinal === Math.min(count, this.#end);
      if (!present && !last) continue;
      const next = last ? Math.max(count, ordinal) : ordinal;
      if (next > first && out.length < maxRuns) out.push(run(first, next - 1));
      first = ordinal + 1;
    }
    return out;
  }
}

/** Runs named; more say nothing new. */
const maxRuns = 2000;

function run(first: number, last: number): RemetalError {
  const which = first === last ? `Record ${first} is` : `Records ${first} to ${last} are`;
  return new RemetalError('record-missing', `${which} missing.`, { facts: { first, last } });
}

function misplaced(ordinal: number, expected: number): RemetalError {
  return new RemetalError('record-misplaced', `Record ${ordinal} stands where record ${expected} should.`, {
    facts: { ordinal, expected },
  });
}
