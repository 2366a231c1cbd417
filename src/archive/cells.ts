import { hash } from 'node:crypto';
import { appendExtent, type Extent, type GrowingExtents } from '../bytes/index.ts';
import { isAllZero } from './codec.ts';
import { sumOfZeros } from './record.ts';
import type { VolumeMap } from './set.ts';
import { checksumLength, leastCell } from './structures.ts';

/** Bytes of a cell of a volume whose extents stand on a grid of `blockSize`: whole blocks, 16 KiB or more. */
export function cellSizeOf(blockSize: number): number {
  return Math.ceil(leastCell / blockSize) * blockSize;
}

/** Stands for a sum where bytes could not be read: what a later backup reads there never equals it. */
export const noSum = Buffer.alloc(checksumLength);

/** The bytes of one cell of a volume that a set keeps outside its control set. */
export interface Cell {
  /** Number of the cell: its place in the volume in cells. */
  readonly number: number;
  /** Ascending, those that touch put together. */
  readonly extents: readonly Extent[];
  /** In the order of `extents`, cut anywhere. Lent as what was pushed is, or until the next call. */
  readonly pieces: readonly Uint8Array[];
  /** The first 16 bytes of the SHA-256 of the bytes; `noSum` where some could not be read. */
  readonly sum: Buffer;
  readonly unreadable: readonly Extent[];
}

interface OpenCell {
  readonly number: number;
  readonly extents: GrowingExtents;
  pieces: Uint8Array[];
  readonly unreadable: Extent[];
}

/** Cuts the data stream of a volume, as it comes in groups, into cells. */
export class CellCutter {
  readonly #size: number;
  #open: OpenCell | null = null;

  /** `size` as `cellSizeOf` gives it. */
  constructor(size: number) {
    this.#size = size;
  }

  /** The cells that are whole with the next bytes of the stream, and the last piece of one kept for the next call. */
  *push(
    extents: readonly Extent[],
    plain: Uint8Array,
    unreadable: readonly Extent[],
  ): Generator<Cell, void, undefined> {
    let at = 0;
    for (const { start, length } of extents) {
      for (let from = start; from < start + length;) {
        const number = Math.floor(from / this.#size);
        const take = Math.min(start + length, (number + 1) * this.#size) - from;
        if (this.#open !== null && this.#open.number !== number) yield this.#close();
        this.#open ??= { number, extents: [], pieces: [], unreadable: [] };
        add(this.#open, from, plain.subarray(at, at + take), unreadable);
        at += take;
        from += take;
        if (from === (number + 1) * this.#size) yield this.#close();
      }
    }
    if (this.#open !== null) this.#open.pieces = [Buffer.concat(this.#open.pieces)];
  }

  /** The last cell, when the stream has ended within it. */
  end(): Cell | null {
    return this.#open === null ? null : this.#close();
  }

  #close(): Cell {
    const { number, extents, pieces, unreadable } = this.#open!;
    this.#open = null;
    return { number, extents, pieces, unreadable, sum: unreadable.length > 0 ? noSum : sumOfPieces(pieces) };
  }
}

function add(cell: OpenCell, start: number, bytes: Uint8Array, unreadable: readonly Extent[]): void {
  appendExtent(cell.extents, start, bytes.length);
  cell.pieces.push(bytes);
  for (const lost of unreadable) {
    const from = Math.max(start, lost.start);
    const to = Math.min(start + bytes.length, lost.start + lost.length);
    if (from < to) cell.unreadable.push({ start: from, length: to - from });
  }
}

function sumOfPieces(pieces: readonly Uint8Array[]): Buffer {
  const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  const sum = isAllZero(bytes) ? sumOfZeros(bytes.length) : hash('sha256', bytes, 'buffer');
  return sum.subarray(0, checksumLength);
}

/** The extents of a map that cells are cut from: what it keeps outside the control set, wherever it lies. */
export function restOf({ data, earlier }: Pick<VolumeMap, 'data' | 'earlier'>): readonly Extent[] {
  if (earlier === undefined || earlier.count === 0) return data;
  const out: GrowingExtents = [];
  let i = 0;
  for (const { start, length } of data) {
    for (; i < earlier.count && earlier.start(i) < start; i++) {
      appendExtent(out, earlier.start(i), earlier.length(i));
    }
    appendExtent(out, start, length);
  }
  for (; i < earlier.count; i++) appendExtent(out, earlier.start(i), earlier.length(i));
  return out;
}

/** Cells of a list of extents by their numbers, and which entry of the table of sums each one has. */
export class CellIndex {
  readonly #extents: readonly Extent[];
  readonly #size: number;
  /** By extent: the entry of its first cell, from 0 for the volume. */
  readonly #entries: Float64Array;
  readonly count: number;
  #at = 0;

  constructor(extents: readonly Extent[], size: number) {
    this.#extents = extents;
    this.#size = size;
    this.#entries = new Float64Array(extents.length);
    let count = 0;
    let last = -1;
    for (const [i, { start, length }] of extents.entries()) {
      const first = Math.floor(start / size);
      if (first === last) count--;
      this.#entries[i] = count;
      last = Math.floor((start + length - 1) / size);
      count += last - first + 1;
    }
    this.count = count;
  }

  /** The entry of a cell and what it holds; null where it holds nothing. Asked for in ascending order. */
  find(number: number): { readonly entry: number; readonly extents: readonly Extent[] } | null {
    const from = number * this.#size;
    const to = from + this.#size;
    for (; this.#at < this.#extents.length; this.#at++) {
      const { start, length } = this.#extents[this.#at]!;
      if (start + length > from) break;
    }
    const extents: Extent[] = [];
    for (let i = this.#at; i < this.#extents.length && this.#extents[i]!.start < to; i++) {
      const { start, length } = this.#extents[i]!;
      const first = Math.max(start, from);
      extents.push({ start: first, length: Math.min(start + length, to) - first });
    }
    if (extents.length === 0) return null;
    const first = Math.floor(this.#extents[this.#at]!.start / this.#size);
    return { entry: this.#entries[this.#at]! + number - first, extents };
  }
}
