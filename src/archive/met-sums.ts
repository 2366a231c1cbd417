import { checksumLength } from './structures.ts';

const perSlab = 65536;

interface Slab {
  readonly sums: Buffer;
  /** 1 for each that was met. */
  readonly met: Uint8Array;
}

/**
 * The checksums of the groups that were read, by their ordinals: on a tape the table of the set lies behind
 * the data, and going there and back would cost a journey. 17 bytes a group.
 */
export class MetSums {
  readonly #slabs = new Map<number, Slab>();

  #slab(ordinal: number): Slab {
    const number = Math.floor(ordinal / perSlab);
    let slab = this.#slabs.get(number);
    if (slab === undefined) {
      slab = { sums: Buffer.alloc(perSlab * checksumLength), met: new Uint8Array(perSlab) };
      this.#slabs.set(number, slab);
    }
    return slab;
  }

  /** A group was read; null where its record is damaged. */
  met(ordinal: number, sum: Uint8Array | null): void {
    const { sums, met } = this.#slab(ordinal);
    const i = ordinal % perSlab;
    if (sum !== null) sums.set(sum.subarray(0, checksumLength), i * checksumLength);
    met[i] = 1;
  }

  /** True when every group of a run was read, damaged or not. */
  hasAll(firstOrdinal: number, count: number): boolean {
    for (let ordinal = firstOrdinal; ordinal < firstOrdinal + count; ordinal++) {
      if ((this.#slabs.get(Math.floor(ordinal / perSlab))?.met[ordinal % perSlab] ?? 0) === 0) return false;
    }
    return true;
  }

  /** The checksum of a group that was read, 16 bytes; zeros for a damaged one. */
  get(ordinal: number): Buffer {
    const at = (ordinal % perSlab) * checksumLength;
    return this.#slab(ordinal).sums.subarray(at, at + checksumLength);
  }
}
