import type { Extent } from '../../bytes/index.ts';
import type { Scratch } from './scratch.ts';

/** So many bytes of a file that lie at a byte of the volume. */
export interface PlacedRun {
  /** Number of the file. */
  readonly file: number;
  /** Byte of the file. */
  readonly offset: number;
  readonly length: number;
  /** Byte of the volume. */
  readonly start: number;
}

/*
 * A row is five numbers: start, length, file, offset, and the greatest end of this row and all before it, by which
 * the first row that reaches a place is found although runs may overlap (files that share their blocks).
 */
const columns = 5;
const rowBytes = columns * 8;
const blockRows = 2048;
const blocksKept = 16;
/** A longer run makes several rows, so that few rows in front of a place reach it. */
const longestRow = 16 * 1024 * 1024;

export interface RunTableOptions {
  /** Where rows go that find no room in memory. */
  readonly openScratch: () => Promise<Scratch>;
  /** 262,144 (10 MiB) when absent. */
  readonly rowsInMemory?: number;
}

/**
 * The runs of any number of files, in the order of their places on the volume. Memory is bounded: what does not fit
 * is sorted in parts, which are merged in temporary files. Rows are added, then the table is sealed, then it is asked.
 */
export class RunTable {
  readonly #openScratch: () => Promise<Scratch>;
  readonly #rows: Float64Array;
  #count = 0;
  #spilledRows = 0;
  #parts: Scratch | null = null;
  readonly #partRows: number[] = [];
  #merged: Scratch | null = null;
  /** Of each block of the sealed table: its first start and its last greatest end. */
  readonly #firstStarts: number[] = [];
  readonly #lastEnds: number[] = [];
  readonly #kept = new Map<number, Float64Array>();

  constructor({ openScratch, rowsInMemory = 262_144 }: RunTableOptions) {
    this.#openScratch = openScratch;
    this.#rows = new Float64Array(rowsInMemory * columns);
  }

  get size(): number {
    return this.#count + this.#spilledRows;
  }

  async add({ file, offset, length, start }: PlacedRun): Promise<void> {
    for (let done = 0; done < length; done += longestRow) {
      if ((this.#count + 1) * columns > this.#rows.length) await this.#spill();
      const at = this.#count * columns;
      this.#rows[at] = start + done;
      this.#rows[at + 1] = Math.min(longestRow, length - done);
      this.#rows[at + 2] = file;
      this.#rows[at + 3] = offset + done;
      this.#count++;
    }
  }

  /** Puts everything in order; nothing is added from then on. */
  async seal(): Promise<void> {
    if (this.#parts === null) {
      this.#sort();
      let greatest = 0;
      for (let row = 0; row < this.#count; row++) {
        greatest = this.#closeRow(this.#rows, row, greatest);
        this.#index(row, this.#rows[row * columns]!, greatest, this.#count);
      }
      return;
    }
    await this.#spill();
    await this.#merge(this.#parts);
  }

  /** The runs that hold any byte of `[start, end)`, cut down to it. Of several tables of one pass each is asked. */
  async *within(start: number, end: number): AsyncGenerator<PlacedRun> {
    for (let block = this.#firstReaching(start); block < this.#firstStarts.length; block++) {
      if (this.#firstStarts[block]! >= end) return;
      const rows = this.#block(block);
      for (let at = 0; at < rows.length; at += columns) {
        const from = rows[at]!;
        if (from >= end) return;
        const to = from + rows[at + 1]!;
        if (to <= start) continue;
        const first = Math.max(from, start);
        yield {
          file: rows[at + 2]!,
          offset: rows[at + 3]! + (first - from),
          length: Math.min(to, end) - first,
          start: first,
        };
      }
    }
  }

  /** All runs in order. */
  all(): AsyncGenerator<PlacedRun> {
    return this.within(0, Number.POSITIVE_INFINITY);
  }

  /**
   * What of the volume the runs cover, ascending and merged; where that would be more than `most` extents, with the
   * smallest gaps between them taken in.
   */
  extents(most: number): Extent[] {
    let gap = 0;
    let out: { start: number; length: number }[] = [];
    for (let block = 0; block < this.#firstStarts.length; block++) {
      const rows = this.#block(block);
      for (let at = 0; at < rows.length; at += columns) {
        const [start, length] = [rows[at]!, rows[at + 1]!];
        const last = out.at(-1);
        if (last !== undefined && start <= last.start + last.length + gap) {
          last.length = Math.max(last.length, start + length - last.start);
        } else out.push({ start, length });
      }
      while (out.length > most) {
        gap = gap === 0 ? 4096 : gap * 2;
        out = closer(out, gap);
      }
    }
    return out;
  }

  async close(): Promise<void> {
    await this.#parts?.close();
    await this.#merged?.close();
  }

  #sort(): void {
    const rows = this.#rows;
    const order = Uint32Array.from({ length: this.#count }, (_, row) => row);
    order.sort((a, b) => rows[a * columns]! - rows[b * columns]! || a - b);
    const sorted = new Float64Array(this.#count * columns);
    for (let row = 0; row < order.length; row++) {
      const from = order[row]! * columns;
      sorted.set(rows.subarray(from, from + columns), row * columns);
    }
    rows.set(sorted);
  }

  async #spill(): Promise<void> {
    if (this.#count === 0) return;
    this.#sort();
    this.#parts ??= await this.#openScratch();
    await this.#parts.append(bytesOf(this.#rows.subarray(0, this.#count * columns)));
    this.#partRows.push(this.#count);
    this.#spilledRows += this.#count;
    this.#count = 0;
  }

  async #merge(scratch: Scratch): Promise<void> {
    let first = 0;
    const parts: Part[] = [];
    for (const rows of this.#partRows) {
      const part = new Part(scratch, first, rows);
      part.next();
      parts.push(part);
      first += rows;
    }
    this.#merged = await this.#openScratch();
    const total = this.#spilledRows;
    let greatest = 0;
    const block = new Float64Array(blockRows * columns);
    let held = 0;
    for (let row = 0; row < total; row++) {
      let least = parts[0]!;
      for (const part of parts) if (part.start < least.start) least = part;
      least.copyTo(block, held * columns);
      least.next();
      greatest = this.#closeRow(block, held, greatest);
      this.#index(row, block[held * columns]!, greatest, total);
      held++;
      if (held === blockRows || row === total - 1) {
        await this.#merged.append(bytesOf(block.subarray(0, held * columns)));
        held = 0;
      }
    }
  }

  #closeRow(rows: Float64Array, row: number, greatest: number): number {
    const at = row * columns;
    const end = Math.max(greatest, rows[at]! + rows[at + 1]!);
    rows[at + 4] = end;
    return end;
  }

  #index(row: number, start: number, greatest: number, total: number): void {
    if (row % blockRows === 0) this.#firstStarts.push(start);
    if (row % blockRows === blockRows - 1 || row === total - 1) this.#lastEnds.push(greatest);
  }

  /** The first block that holds a row reaching behind `place`. */
  #firstReaching(place: number): number {
    let [low, high] = [0, this.#lastEnds.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#lastEnds[middle]! <= place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #block(block: number): Float64Array {
    const first = block * blockRows;
    const count = Math.min(blockRows, this.size - first);
    if (this.#merged === null) return this.#rows.subarray(first * columns, (first + count) * columns);
    const known = this.#kept.get(block);
    if (known !== undefined) return known;
    const rows = new Float64Array(count * columns);
    this.#merged.read(bytesOf(rows), first * rowBytes);
    this.#kept.set(block, rows);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > blocksKept && oldest !== undefined) this.#kept.delete(oldest);
    return rows;
  }
}

/** Rows of one sorted part, read in pieces. */
class Part {
  readonly #scratch: Scratch;
  readonly #rows = new Float64Array(blockRows * columns);
  #first: number;
  #left: number;
  #held = 0;
  #at = -1;

  constructor(scratch: Scratch, first: number, rows: number) {
    this.#scratch = scratch;
    this.#first = first;
    this.#left = rows;
  }

  /** Start of the row it stands at; infinity behind the last. */
  get start(): number {
    return this.#at < this.#held ? this.#rows[this.#at * columns]! : Number.POSITIVE_INFINITY;
  }

  copyTo(target: Float64Array, at: number): void {
    target.set(this.#rows.subarray(this.#at * columns, (this.#at + 1) * columns), at);
  }

  next(): void {
    this.#at++;
    if (this.#at < this.#held || this.#left === 0) return;
    this.#held = Math.min(blockRows, this.#left);
    this.#at = 0;
    this.#scratch.read(bytesOf(this.#rows.subarray(0, this.#held * columns)), this.#first * rowBytes);
    this.#first += this.#held;
    this.#left -= this.#held;
  }
}

function bytesOf(rows: Float64Array): Uint8Array {
  return new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
}

/** Extents with the gaps of at most `gap` between them taken in. */
function closer(extents: readonly Extent[], gap: number): { start: number; length: number }[] {
  const out: { start: number; length: number }[] = [];
  for (const { start, length } of extents) {
    const last = out.at(-1);
    if (last !== undefined && start <= last.start + last.length + gap) {
      last.length = Math.max(last.length, start + length - last.start);
    } else out.push({ start, length });
  }
  return out;
}
