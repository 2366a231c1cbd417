import { appendExtent, type Extent, type GrowingExtents } from '../bytes/index.ts';
import { CellCutter, cellSizeOf, noSum, type Cell } from './cells.ts';
import { EarlierRuns } from './earlier-runs.ts';
import type { VolumeMap } from './set.ts';
import type { SinceVolume } from './since.ts';
import type { SumTable } from './sum-table.ts';

/** A group of what has changed. */
export interface SievedGroup {
  readonly plain: Buffer;
  readonly extents: readonly Extent[];
  readonly unreadable: readonly Extent[];
}

export interface SieveOptions {
  /** The map a full set would have. */
  readonly map: VolumeMap;
  /** What is compared with. */
  readonly since: SinceVolume;
  /** The sums of the earlier set. */
  readonly sums: SumTable;
  /** The number of the earlier set in the chain of the new one. */
  readonly link: number;
  /** Takes the sums of the new set. */
  readonly table: SumTable;
  /** Takes a group of changed bytes; the buffer is its own. */
  readonly emit: (group: SievedGroup) => Promise<void>;
}

/** The record that the bytes looked up last lie in. */
interface Known {
  readonly link: number;
  readonly ordinal: number;
  readonly extents: readonly Extent[];
  at: number;
}

/**
 * Parts the data stream of a volume into what an earlier set holds already and what it does not: cells whose bytes
 * are at the same places and have the same sum are unchanged. Cells that could not be read never are.
 */
export class Sieve {
  /** What has changed, ascending. */
  readonly changed: GrowingExtents = [];
  readonly earlier = new EarlierRuns();
  readonly #options: SieveOptions;
  readonly #cutter: CellCutter;
  #filling: Buffer | null = null;
  #filled = 0;
  #extents: GrowingExtents = [];
  #unreadable: Extent[] = [];
  #known: Known | null = null;

  constructor(options: SieveOptions) {
    this.#options = options;
    this.#cutter = new CellCutter(cellSizeOf(options.map.blockSize));
  }

  /** The next bytes of the stream; they may be used again when it resolves. */
  async push(extents: readonly Extent[], plain: Uint8Array, unreadable: readonly Extent[]): Promise<void> {
    for (const cell of this.#cutter.push(extents, plain, unreadable)) await this.#take(cell);
  }

  /** The stream has ended. */
  async end(): Promise<void> {
    const last = this.#cutter.end();
    if (last !== null) await this.#take(last);
    await this.#emit();
  }

  async #take(cell: Cell): Promise<void> {
    await this.#options.table.push(cell.sum);
    if (await this.#isUnchanged(cell)) {
      for (const extent of cell.extents) this.#pointTo(extent);
    } else await this.#keep(cell);
  }

  async #isUnchanged(cell: Cell): Promise<boolean> {
    const { since, sums } = this.#options;
    const before = since.cells.find(cell.number);
    if (before === null || cell.sum.equals(noSum)) return false;
    const same =
      before.extents.length === cell.extents.length &&
      before.extents.every(
        ({ start, length }, i) => start === cell.extents[i]!.start && length === cell.extents[i]!.length,
      );
    return same && (await sums.get(since.firstEntry + before.entry)).equals(cell.sum);
  }

  #pointTo(extent: Extent): void {
    for (let { start, length } = extent; length > 0;) {
      const known = this.#recordAt(start);
      const { start: from, length: of } = known.extents[known.at]!;
      const take = Math.min(length, from + of - start);
      this.earlier.push(start, take, known.link, known.ordinal);
      start += take;
      length -= take;
    }
  }

  #recordAt(offset: number): Known {
    const { index } = this.#options.since;
    const known = this.#known;
    if (known !== null) {
      // Cells come in ascending order, and so do the extents of a record.
      for (let at = known.at; at < known.extents.length; at++) {
        const { start, length } = known.extents[at]!;
        if (offset < start) break;
        if (offset < start + length) {
          known.at = at;
          return known;
        }
      }
    }
    const group = index.groupAtOffset(offset)!;
    const { link, ordinal } = index.place(group);
    const extents = index.groupExtents(group);
    const at = extents.findIndex(({ start, length }) => offset >= start && offset < start + length);
    return (this.#known = { link: link === 0 ? this.#options.link : link, ordinal, extents, at });
  }

  async #keep(cell: Cell): Promise<void> {
    for (const { start, length } of cell.extents) appendExtent(this.changed, start, length);
    let piece = 0;
    let used = 0;
    for (const { start, length } of cell.extents) {
      for (let done = 0; done < length;) {
        const bytes = cell.pieces[piece]!;
        const { groupSize } = this.#options.map;
        this.#filling ??= Buffer.allocUnsafe(groupSize);
        const take = Math.min(length - done, bytes.length - used, groupSize - this.#filled);
        this.#filling.set(bytes.subarray(used, used + take), this.#filled);
        appendExtent(this.#extents, start + done, take);
        for (const lost of cell.unreadable) {
          const from = Math.max(lost.start, start + done);
          const to = Math.min(lost.start + lost.length, start + done + take);
          if (from < to) this.#unreadable.push({ start: from, length: to - from });
        }
        this.#filled += take;
        done += take;
        used += take;
        if (used === bytes.length) {
          piece++;
          used = 0;
        }
        if (this.#filled === groupSize) await this.#emit();
      }
    }
  }

  async #emit(): Promise<void> {
    if (this.#filling === null) return;
    const group = {
      plain: this.#filling.subarray(0, this.#filled),
      extents: this.#extents,
      unreadable: this.#unreadable,
    };
    this.#filling = null;
    this.#filled = 0;
    this.#extents = [];
    this.#unreadable = [];
    await this.#options.emit(group);
  }
}
