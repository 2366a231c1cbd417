/** A set of numbers below a limit, one bit for each. */
export class Marks {
  readonly #bits: Uint8Array;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
    this.#bits = new Uint8Array(Math.ceil(limit / 8));
  }

  /** Numbers at the limit or beyond are left out. */
  add(number: number): void {
    if (number < this.#limit) this.#bits[number >> 3]! |= 1 << (number & 7);
  }

  delete(number: number): void {
    if (number < this.#limit) this.#bits[number >> 3]! &= ~(1 << (number & 7));
  }

  has(number: number): boolean {
    return number < this.#limit && (this.#bits[number >> 3]! & (1 << (number & 7))) !== 0;
  }

  /** Whether any of `count` numbers from `first` on is marked. */
  hasAny(first: number, count: number): boolean {
    for (let number = first; number < first + count; number++) if (this.has(number)) return true;
    return false;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let byte = 0; byte < this.#bits.length; byte++) {
      if (this.#bits[byte] === 0) continue;
      for (let number = byte * 8; number < byte * 8 + 8; number++) if (this.has(number)) yield number;
    }
  }
}
