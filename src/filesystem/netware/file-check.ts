import { followChain, type Chain, type Tail } from './chain.ts';
import type { Claims, Owner } from './claims.ts';
import type { FatTable } from './fat.ts';
import type { Findings } from './findings.ts';
import { pieceUnit } from './geometry.ts';
import { attributeBits } from './records.ts';
import type { Suballocation } from './suballocation.ts';
import { counted } from './words.ts';

/** Contents of one fork of a file, as its record has them. */
export interface Contents {
  /** The record whose field leads to them. */
  readonly record: number;
  readonly first: number;
  readonly size: number;
  readonly attributes: number;
  readonly deleted: boolean;
  /** `File 12`, `The resource fork of record 13`. */
  readonly what: string;
}

/** Checks the chains of files and claims their blocks and tails. */
export class FileCheck {
  readonly #fat: FatTable;
  readonly #suballocation: Suballocation;
  readonly #suballocated: boolean;
  readonly #claims: Claims;
  readonly #findings: Findings;
  /** By size of piece: which pieces are taken. */
  readonly #pieces = new Map<number, Uint8Array>();

  constructor(
    from: { fat: FatTable; suballocation: Suballocation; suballocated: boolean; claims: Claims },
    findings: Findings,
  ) {
    this.#fat = from.fat;
    this.#suballocation = from.suballocation;
    this.#suballocated = from.suballocated;
    this.#claims = from.claims;
    this.#findings = findings;
  }

  check(contents: Contents): void {
    const { what, record, deleted } = contents;
    const chain = followChain(this.#fat, contents.first, {
      // A claimed block begins the chain of another, which is gone through once and not for every file on it.
      visit: (block) => this.#claims.claim(record, block, deleted) === null,
    });
    if (chain.stopped !== null) {
      const by = this.#claims.owner(chain.stopped)!;
      const words = `${what} and ${ownerText(by)} both claim block ${chain.stopped}.`;
      this.#findings.add('block-doubled', words, { record, block: chain.stopped, ...by });
      return;
    }
    if (chain.fault !== null) {
      const { code, words, block } = chain.fault;
      this.#findings.add(code, `${what} ${words}.`, { record, block });
    }
    if (chain.tail !== null) this.#tail(contents, chain.tail);
    if ((contents.attributes & attributeBits.compressed) === 0) this.#size(contents, chain);
  }

  #size({ what, record, size }: Contents, chain: Chain): void {
    const { blockSize } = this.#fat.geometry;
    const needed = Math.ceil(size / blockSize);
    const last = chain.runs.length === 0 ? null : chain.runs.at(chain.runs.length - 1);
    const end = chain.tail === null ? (last === null ? 0 : last.index + last.count) : chain.tail.index + 1;
    if (end <= needed) return;
    this.#findings.add(
      'beyond-size',
      `${what} is ${size} bytes long and goes on to its block ${end - 1}, ${counted(end - needed, 'block', 'blocks')} too far.`,
      { record, size, block: end - 1 },
    );
  }

  #tail({ what, record, size, attributes }: Contents, tail: Tail): void {
    const { blockSize, classes } = this.#fat.geometry;
    const facts = { record, size: tail.size * pieceUnit, piece: tail.piece };
    const words = `piece ${tail.piece} of those of ${tail.size * pieceUnit} bytes`;
    if (!this.#suballocated) {
      this.#findings.add(
        'suballocation-off',
        `${what} has a tail, and the volume has no suballocation.`,
        facts,
      );
    }
    if (tail.size < 1 || tail.size >= classes || tail.piece >= this.#suballocation.pieces(tail.size)) {
      this.#findings.add('tail-range', `${what} has its tail in ${words}, which does not exist.`, facts);
      return;
    }
    const taken =
      this.#pieces.get(tail.size) ?? new Uint8Array(Math.ceil(this.#suballocation.pieces(tail.size) / 8));
    this.#pieces.set(tail.size, taken);
    const bit = 1 << (tail.piece & 7);
    if ((taken[tail.piece >> 3]! & bit) !== 0) {
      this.#findings.add('tail-doubled', `${what} has its tail in ${words}, and so has another.`, facts);
    }
    taken[tail.piece >> 3]! |= bit;
    if ((attributes & (attributeBits.noSuballocation | attributeBits.transactional)) !== 0) {
      this.#findings.add('tail-forbidden', `${what} has a tail, which its attributes forbid.`, facts);
    }
    const wanted = size - tail.index * blockSize;
    if (wanted > tail.size * pieceUnit && (attributes & attributeBits.compressed) === 0) {
      this.#findings.add(
        'tail-short',
        `${what} has a tail of ${tail.size * pieceUnit} bytes for ${wanted}; the rest reads as zeros.`,
        facts,
      );
    }
  }
}

function ownerText(owner: Owner): string {
  return 'claimant' in owner ? owner.claimant : `the file of record ${owner.record}`;
}
