import type { FatTable } from './fat.ts';

const nobody = 0;
const structures = ['the FAT', 'the mirror FAT', 'the directory', 'the mirror directory'] as const;
const more = ['the extended directory', 'the mirror extended directory', 'the suballocated tails'] as const;
/** What of the file system itself can claim blocks, by its number less one. */
export const claimants = [...structures, ...more] as const;
export type Claimant = (typeof claimants)[number];
const firstRecord = 16;

/** Who claims a block: a part of the file system, or the record of a file. */
export type Owner = { readonly claimant: Claimant } | { readonly record: number };

/** Which blocks are claimed, by whom, and whether by a deleted file only. Four bytes a block. */
export class Claims {
  readonly #fat: FatTable;
  readonly #owners: Uint32Array;
  readonly #deleted: Uint8Array;

  constructor(fat: FatTable) {
    this.#fat = fat;
    this.#owners = new Uint32Array(fat.blocks);
    this.#deleted = new Uint8Array(Math.ceil(fat.blocks / 8));
  }

  /** Claims blocks for a part of the file system; the first block somebody has already is given back. */
  claimBlocks(claimant: Claimant, blocks: Iterable<number>): { block: number; by: Owner } | null {
    let doubled: { block: number; by: Owner } | null = null;
    for (const block of blocks) {
      const by = this.#claim(block, claimants.indexOf(claimant) + 1, false);
      if (by !== null) doubled ??= { block, by };
    }
    return doubled;
  }

  /** Claims a block for a file, named by a record of its; who has it already is given back. */
  claim(record: number, block: number, deleted: boolean): Owner | null {
    return this.#claim(block, firstRecord + record, deleted);
  }

  owner(block: number): Owner | null {
    const value = this.#owners[block] ?? nobody;
    if (value === nobody) return null;
    if (value < firstRecord) return { claimant: claimants[value - 1]! };
    return { record: value - firstRecord };
  }

  /** Whether only a deleted file holds the block. */
  isDeletedOnly(block: number): boolean {
    return (this.#deleted[block >> 3]! & (1 << (block & 7))) !== 0;
  }

  /** Blocks in use that nobody claims: how many, and the first of them. */
  unclaimed(): { readonly count: number; readonly first: number } {
    let count = 0;
    let first = -1;
    for (let block = 0; block < this.#fat.blocks; block++) {
      if (this.#owners[block] !== nobody || this.#fat.next(block) === 0) continue;
      if (count === 0) first = block;
      count++;
    }
    return { count, first };
  }

  #claim(block: number, value: number, deleted: boolean): Owner | null {
    const by = this.owner(block);
    const bit = 1 << (block & 7);
    if (by !== null) {
      // A live claim outweighs that of a deleted file.
      if (!deleted) this.#deleted[block >> 3]! &= ~bit;
      return by;
    }
    this.#owners[block] = value;
    if (deleted) this.#deleted[block >> 3]! |= bit;
    return null;
  }
}
