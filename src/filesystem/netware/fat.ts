import type { NetwareGeometry } from './geometry.ts';

/** Value of a link behind which nothing comes. */
export const endOfChain = 0xff_ff_ff_ff;
const topBit = 0x80_00_00_00;

/** Where a tail lies: piece `piece` of the pieces of `size` units of 512 bytes. */
export interface TailLink {
  readonly size: number;
  readonly piece: number;
}

/**
 * The tail a link leads to, or null where it leads to none. Links: 0 free, all ones the end, top bit set a
 * tail (bits 30-24 its size in units of 512 bytes, bits 23-0 its number among those of that size), else the
 * number of a block. EP 0767431 A1, FIG 2; nwfs.h and suballoc.c.
 */
export function tailOf(link: number): TailLink | null {
  if (link < topBit || link === endOfChain) return null;
  return { size: (link >>> 24) & 0x7f, piece: link & 0xff_ff_ff };
}

/** The FAT in memory: for every block its number within its file, and the link to the next. */
export class FatTable {
  readonly geometry: NetwareGeometry;
  readonly #entries: Uint32Array;
  /** By block of the FAT: whether it was read at all. */
  readonly #known: Uint8Array;

  constructor(geometry: NetwareGeometry) {
    this.geometry = geometry;
    this.#entries = new Uint32Array(geometry.blocks * 2);
    this.#known = new Uint8Array(geometry.fatBlocks);
  }

  get blocks(): number {
    return this.geometry.blocks;
  }

  /** The number of the block within its file. */
  index(block: number): number {
    return this.#entries[block * 2]!;
  }

  /** The link behind the block: 0 when it is free. */
  next(block: number): number {
    return this.#entries[block * 2 + 1]!;
  }

  /** Whether the entry of the block could be read. */
  knows(block: number): boolean {
    return this.#known[Math.floor(block / this.geometry.entriesPerBlock)] === 1;
  }

  /** Takes over block `k` of the FAT. */
  put(k: number, bytes: Buffer): void {
    const first = k * this.geometry.entriesPerBlock;
    const count = Math.min(this.geometry.entriesPerBlock, this.blocks - first);
    for (let i = 0; i < count * 2; i++) this.#entries[first * 2 + i] = bytes.readUInt32LE(i * 4);
    this.#known[k] = 1;
  }

  /** Walks the runs of blocks that are in use; those whose entry is unknown count as used. */
  usedRuns(run: (from: number, to: number) => void): void {
    let from = -1;
    for (let block = 0; block <= this.blocks; block++) {
      const used = block < this.blocks && (this.next(block) !== 0 || !this.knows(block));
      if (used && from < 0) from = block;
      if (used || from < 0) continue;
      run(from, block);
      from = -1;
    }
  }
}
