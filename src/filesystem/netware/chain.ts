import { endOfChain, tailOf, type FatTable, type TailLink } from './fat.ts';
import type { FindingCode } from './findings.ts';

/** Blocks that follow one another on the volume and in the file. */
export interface Run {
  /** Number of the first within the file. */
  readonly index: number;
  /** The first block of the volume. */
  readonly block: number;
  readonly count: number;
}

/** What is wrong with a chain: where it was left, and why. */
export interface ChainFault {
  readonly code: Extract<FindingCode, 'chain-range' | 'chain-free' | 'chain-index' | 'chain-unknown'>;
  /** Continues the name of the file: `leads to block 12, which is free`. */
  readonly words: string;
  readonly block: number;
}

/** A tail and which block of the file it stands for. */
export interface Tail extends TailLink {
  readonly index: number;
}

/** A chain of the FAT, followed until its end or its first fault. */
export interface Chain {
  readonly runs: Runs;
  readonly blocks: number;
  readonly tail: Tail | null;
  readonly fault: ChainFault | null;
  /** The block a visitor did not let it go on to. */
  readonly stopped: number | null;
}

/** Runs in ascending order of their place in the file, three numbers each. */
export class Runs {
  #numbers = new Uint32Array(12);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  at(i: number): Run {
    const [index, block, count] = this.#numbers.subarray(i * 3, i * 3 + 3);
    return { index: index!, block: block!, count: count! };
  }

  push(index: number, block: number): void {
    const last = (this.#length - 1) * 3;
    if (last >= 0) {
      const count = this.#numbers[last + 2]!;
      if (this.#numbers[last]! + count === index && this.#numbers[last + 1]! + count === block) {
        this.#numbers[last + 2] = count + 1;
        return;
      }
    }
    if ((this.#length + 1) * 3 > this.#numbers.length) {
      const larger = new Uint32Array(this.#numbers.length * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers.set([index, block, 1], this.#length * 3);
    this.#length++;
  }

  /** The first run that ends behind block `index` of the file; the number of runs where there is none. */
  firstBehind(index: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const run = this.at(middle);
      if (run.index + run.count <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  *[Symbol.iterator](): Generator<Run> {
    for (let i = 0; i < this.#length; i++) yield this.at(i);
  }
}

/** Where to stop on a chain that is not yet at its end. */
export interface ChainLimits {
  /** Blocks from this number of the file on are not wanted. */
  readonly before?: number;
  /** Called with each block; `false` ends the chain in front of it. */
  readonly visit?: (block: number) => boolean;
}

/**
 * Follows a chain from the value of a first-block field: a block, a tail (the whole file is one), or 0
 * or all ones for a file without data. The numbers of the blocks have to rise, so no chain goes round.
 */
export function followChain(fat: FatTable, first: number, limits: ChainLimits = {}): Chain {
  const { before = Infinity, visit } = limits;
  const runs = new Runs();
  let blocks = 0;
  let reached = -1;
  let value = first === 0 ? endOfChain : first;
  const chain = (ending: Partial<Chain>): Chain => ({
    runs,
    blocks,
    tail: null,
    fault: null,
    stopped: null,
    ...ending,
  });
  const broken = (code: ChainFault['code'], words: string, block: number): Chain =>
    chain({ fault: { code, words, block } });
  while (value !== endOfChain && reached + 1 < before) {
    const tail = tailOf(value);
    if (tail !== null) return chain({ tail: { ...tail, index: reached + 1 } });
    const block = value;
    if (block >= fat.blocks) {
      return broken('chain-range', `leads to block ${block}, outside the volume`, block);
    }
    if (!fat.knows(block)) {
      return broken('chain-unknown', `leads to block ${block}, whose FAT entry is lost`, block);
    }
    const index = fat.index(block);
    value = fat.next(block);
    if (value === 0) return broken('chain-free', `leads to block ${block}, which is free`, block);
    if (index <= reached) {
      const words = `goes from its block ${reached} to one with the number ${index}, block ${block} of the volume`;
      return broken('chain-index', words, block);
    }
    if (index >= before) break;
    if (visit?.(block) === false) return chain({ stopped: block });
    runs.push(index, block);
    blocks++;
    reached = index;
  }
  return chain({});
}
