import { RemetalError } from '../errors/index.ts';

/** Most bytes a number up to 2^53 - 1 takes: 53 bits in sevens. */
export const maxVarintLength = 8;

/**
 * Appends unsigned numbers as varints (seven bits a byte, low bits first, top bit set on all but the
 * last byte, as in LEB128) to a buffer that grows.
 */
export class VarintWriter {
  #buffer = Buffer.allocUnsafe(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RemetalError('field-range', 'Varint is out of range.', { facts: { value } });
    }
    if (this.#length + maxVarintLength > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(this.#buffer.length * 2);
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length++] = rest;
  }

  /** A copy of what was written. */
  bytes(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length));
  }
}

/** Reads varints one after the other; throws `field-range` past the end or beyond 2^53 - 1. */
export class VarintReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get remaining(): number {
    return this.#buffer.length - this.#at;
  }

  next(): number {
    let value = 0;
    let weight = 1;
    for (let i = 0; i < maxVarintLength && this.#at < this.#buffer.length; i++) {
      const byte = this.#buffer[this.#at++]!;
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      weight *= 0x80;
    }
    throw new RemetalError('field-range', 'Varint is cut short or too large.', { facts: { at: this.#at } });
  }
}
