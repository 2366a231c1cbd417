import type { BlockDevice } from '../../disk/block-device.ts';
import { tryReadBytes } from '../reading.ts';
import { followChain } from './chain.ts';
import type { FatTable } from './fat.ts';
import type { Findings } from './findings.ts';
import { mostRecords, pageSize, recordSize, recordsPerPage } from './geometry.ts';

/** The two files kept in records of 128 bytes, each in two copies. */
export interface DirectoryNames {
  /** `directory`, `extended directory`. */
  readonly what: string;
  readonly first: number;
  readonly mirror: number;
}

const cacheSize = 32 * 1024 * 1024;
const lost = 0;
const primary = 1;
const mirror = 2;

/**
 * The directory, or the extended directory, read from both its copies: block by block from the primary
 * one, or from the mirror where that is better. Blocks lost in both read as null.
 */
export class DirectoryFile {
  readonly #device: BlockDevice;
  readonly #blockSize: number;
  readonly #copies: readonly [Uint32Array, Uint32Array];
  /** By block of the file: which copy is right. */
  readonly #taken: Uint8Array;
  readonly #cache = new Map<number, Buffer | null>();

  private constructor(device: BlockDevice, blockSize: number, copies: readonly [Uint32Array, Uint32Array]) {
    this.#device = device;
    this.#blockSize = blockSize;
    this.#copies = copies;
    this.#taken = new Uint8Array(Math.max(copies[0].length, copies[1].length));
  }

  /**
   * Follows both chains and compares the copies.
   *
   * @param sound How many records of a block are sound; the copy with more of them is taken.
   */
  static async open(
    device: BlockDevice,
    fat: FatTable,
    names: DirectoryNames,
    checks: { readonly findings: Findings; readonly sound: (block: Buffer) => number },
  ): Promise<DirectoryFile> {
    const { blockSize, recordsPerBlock } = fat.geometry;
    const most = Math.floor(mostRecords / recordsPerBlock);
    const copies = [
      blocksOf(fat, { ...names, copy: 'primary', first: names.first, most }, checks.findings),
      blocksOf(fat, { ...names, copy: 'mirror', first: names.mirror, most }, checks.findings),
    ] as const;
    const file = new DirectoryFile(device, blockSize, copies);
    if (names.first === names.mirror) {
      checks.findings.add(
        'directory-chain',
        `Both copies of the ${names.what} begin at block ${names.first}.`,
        { directory: names.what, block: names.first },
      );
    } else if (copies[0].length !== copies[1].length) {
      checks.findings.add(
        'directory-chain',
        `The ${names.what} has ${copies[0].length} blocks and its mirror ${copies[1].length}.`,
        { directory: names.what, blocks: copies[0].length, mirrorBlocks: copies[1].length },
      );
    }
    await file.#compare(names.what, checks);
    return file;
  }

  /** Records, free ones included. */
  get records(): number {
    return this.pages * recordsPerPage;
  }

  /** Pages of 32 records. */
  get pages(): number {
    return this.#taken.length * (this.#blockSize / pageSize);
  }

  /** Blocks of the primary copy, in order. */
  get primaryBlocks(): Iterable<number> {
    return this.#copies[0];
  }

  get mirrorBlocks(): Iterable<number> {
    return this.#copies[1];
  }

  /** Blocks of the mirror that stand in for one of the primary copy. */
  standIns(): number[] {
    const out: number[] = [];
    for (let k = 0; k < this.#taken.length; k++) {
      if (this.#taken[k] === mirror) out.push(this.#copies[1][k]!);
    }
    return out;
  }

  /** Page `n`, or null where it is lost. */
  async page(n: number): Promise<Buffer | null> {
    const perBlock = this.#blockSize / pageSize;
    const k = Math.floor(n / perBlock);
    if (!Number.isSafeInteger(n) || n < 0 || k >= this.#taken.length) return null;
    const block = await this.#block(k);
    const at = (n % perBlock) * pageSize;
    return block === null ? null : block.subarray(at, at + pageSize);
  }

  /** Record `number`, or null where there is none or it is lost. */
  async record(number: number): Promise<Buffer | null> {
    const page = await this.page(Math.floor(number / recordsPerPage));
    const at = (number % recordsPerPage) * recordSize;
    return page === null ? null : page.subarray(at, at + recordSize);
  }

  /** Where records begin on the volume, in bytes: in the copy they are read from, null where lost. */
  offsetOf(number: number): number | null {
    const perBlock = this.#blockSize / recordSize;
    const k = Math.floor(number / perBlock);
    const taken = this.#taken[k];
    if (taken === undefined || taken === lost) return null;
    const block = this.#copies[taken === primary ? 0 : 1][k]!;
    return block * this.#blockSize + (number % perBlock) * recordSize;
  }

  async #block(k: number): Promise<Buffer | null> {
    let block = this.#cache.get(k);
    if (block === undefined) {
      const taken = this.#taken[k];
      block = taken === lost ? null : await this.#read(this.#copies[taken === primary ? 0 : 1][k]);
    } else {
      this.#cache.delete(k);
    }
    this.#keep(k, block);
    return block;
  }

  #keep(k: number, block: Buffer | null): void {
    this.#cache.set(k, block);
    if (this.#cache.size * this.#blockSize <= cacheSize) return;
    const oldest = this.#cache.keys().next();
    if (!oldest.done) this.#cache.delete(oldest.value);
  }

  async #read(block: number | undefined): Promise<Buffer | null> {
    if (block === undefined) return null;
    return await tryReadBytes(this.#device, block * this.#blockSize, this.#blockSize);
  }

  async #compare(
    what: string,
    checks: { readonly findings: Findings; readonly sound: (block: Buffer) => number },
  ): Promise<void> {
    const { findings, sound } = checks;
    for (let k = 0; k < this.#taken.length; k++) {
      const blocks = [this.#copies[0][k], this.#copies[1][k]] as const;
      const copies = [await this.#read(blocks[0]), await this.#read(blocks[1])] as const;
      const facts = { directory: what, directoryBlock: k };
      for (const [side, words] of ['primary', 'mirror'].entries()) {
        if (blocks[side] === undefined || copies[side] !== null) continue;
        findings.add(
          'directory-unreadable',
          `Block ${k} of the ${words} ${what} cannot be read, block ${blocks[side]} of the volume.`,
          { ...facts, copy: words, block: blocks[side] },
        );
      }
      this.#taken[k] = this.#choose(copies, sound, (taken) => {
        const words = `The copies of the ${what} differ in block ${k}, records ${(k * this.#blockSize) / recordSize} and following; the ${taken} one was taken.`;
        findings.add('directory-copies-differ', words, { ...facts, taken });
      });
      if (this.#taken[k] === lost) {
        findings.add('directory-lost', `Block ${k} of the ${what} is lost in both copies.`, facts);
        continue;
      }
      this.#keep(k, copies[this.#taken[k] === primary ? 0 : 1]);
    }
  }

  #choose(
    copies: readonly [Buffer | null, Buffer | null],
    sound: (block: Buffer) => number,
    differ: (taken: 'primary' | 'mirror') => void,
  ): number {
    const [ours, theirs] = copies;
    if (ours === null && theirs === null) return lost;
    if (theirs === null) return primary;
    if (ours === null) return mirror;
    if (ours.equals(theirs)) return primary;
    const taken = sound(theirs) > sound(ours) ? mirror : primary;
    differ(taken === mirror ? 'mirror' : 'primary');
    return taken;
  }
}

/** The blocks of one copy, in order, as far as its chain is sound. */
function blocksOf(
  fat: FatTable,
  copy: { what: string; copy: string; first: number; most: number },
  findings: Findings,
): Uint32Array {
  const { what, first, most } = copy;
  const broken = (words: string): void => {
    findings.add('directory-chain', `The chain of the ${copy.copy} ${what} ${words}.`, {
      directory: what,
      copy: copy.copy,
      first,
    });
  };
  const chain = followChain(fat, first);
  if (chain.fault !== null) broken(chain.fault.words);
  else if (chain.tail !== null) broken('ends in a suballocated tail');
  else if (chain.blocks === 0) broken(`begins at ${first}, which is no block`);
  if (chain.blocks > most) broken(`has ${chain.blocks} blocks, more than any directory can`);
  const blocks = new Uint32Array(Math.min(chain.blocks, most));
  let count = 0;
  for (const { index, block, count: length } of chain.runs) {
    if (index !== count) {
      broken(`has no block ${count}`);
      break;
    }
    for (let i = 0; i < length && count < blocks.length; i++) blocks[count++] = block + i;
  }
  return blocks.subarray(0, count);
}
