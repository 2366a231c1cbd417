import { RemetalError } from '../errors/index.ts';

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
  readonly #limit: number;
  readonly #met = new OrdinalSet();
  readonly #guessed = new OrdinalSet();
  #expected = 0;

  /** `limit`: no set of its size can have so many records. */
  constructor(limit: number) {
    this.#limit = limit;
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
    this.#expected++;
    return ordinal;
  }

  /** The records below `count` that were never met, neighbours together. */
  missing(count: number): RemetalError[] {
    const out: RemetalError[] = [];
    for (let first = 0; first < Math.min(count, this.#limit); first++) {
      if (this.#met.has(first) || this.#guessed.has(first)) continue;
      let last = first;
      while (last + 1 < count && !this.#met.has(last + 1) && !this.#guessed.has(last + 1)) last++;
      const which = first === last ? `Record ${first} is` : `Records ${first} to ${last} are`;
      out.push(new RemetalError('record-missing', `${which} missing.`, { facts: { first, last } }));
      first = last;
    }
    return out;
  }
}

function misplaced(ordinal: number, expected: number): RemetalError {
  return new RemetalError('record-misplaced', `Record ${ordinal} stands where record ${expected} should.`, {
    facts: { ordinal, expected },
  });
}
