import { followChain, type Chain, type Tail } from './chain.ts';
import type { DirectoryFile } from './directory-file.ts';
import type { FatTable } from './fat.ts';
import type { Findings } from './findings.ts';
import { pieceUnit, type NetwareGeometry } from './geometry.ts';
import { headsPerRecord, parseSuballocation, recordTypes } from './records.ts';

/** A part of a tail: bytes of the volume. */
export interface TailPart {
  readonly at: number;
  readonly length: number;
}

/** What the suballocation records are read from. */
export interface SuballocationSource {
  readonly directory: DirectoryFile;
  readonly fat: FatTable;
  /** The record the root leads to, 0 for none. */
  readonly first: number;
  /** The numbers of all suballocation records there are, listed or not. */
  readonly all: Iterable<number>;
}

/**
 * Where tails of files lie. The pieces of one size are a chain of blocks taken as one run of bytes, in
 * which piece p begins at p times its size and may reach into the next block (suballoc.c).
 */
export class Suballocation {
  readonly #geometry: NetwareGeometry;
  /** By size in units of 512 bytes; where there is a chain, the blocks in its order. */
  readonly #chains = new Map<number, Uint32Array>();

  private constructor(geometry: NetwareGeometry) {
    this.#geometry = geometry;
  }

  /** Reads the records and follows the chains they name. */
  static async read(from: SuballocationSource, findings: Findings): Promise<Suballocation> {
    const { fat } = from;
    const self = new Suballocation(fat.geometry);
    const taken = new Uint8Array(Math.ceil(fat.blocks / 8));
    for (const [size, head] of await heads(from, findings)) {
      const chain = followChain(fat, head, {
        visit(block) {
          const bit = 1 << (block & 7);
          const free = (taken[block >> 3]! & bit) === 0;
          taken[block >> 3]! |= bit;
          return free;
        },
      });
      if (chain.stopped !== null)
        tell(findings, size, `leads to block ${chain.stopped}, which belongs to another size`);
      self.#chains.set(size, self.#blocksOf(chain, size, findings));
    }
    return self;
  }

  /** The sizes of which there is a chain, and its blocks. */
  *chains(): Generator<[size: number, blocks: Uint32Array]> {
    yield* this.#chains;
  }

  /** How many pieces of a size there are. */
  pieces(size: number): number {
    const blocks = this.#chains.get(size);
    return blocks === undefined
      ? 0
      : Math.floor((blocks.length * this.#geometry.blockSize) / (size * pieceUnit));
  }

  /** The first `length` bytes of a tail, in one or two parts; null where no chain has such a piece. */
  partsOf(tail: Pick<Tail, 'size' | 'piece'>, length: number): TailPart[] | null {
    const { blockSize } = this.#geometry;
    const blocks = this.#chains.get(tail.size);
    if (blocks === undefined || tail.piece >= this.pieces(tail.size)) return null;
    const parts: TailPart[] = [];
    let from = tail.piece * tail.size * pieceUnit;
    const end = from + Math.min(length, tail.size * pieceUnit);
    while (from < end) {
      const inBlock = from % blockSize;
      const count = Math.min(end - from, blockSize - inBlock);
      parts.push({ at: blocks[Math.floor(from / blockSize)]! * blockSize + inBlock, length: count });
      from += count;
    }
    return parts;
  }

  #blocksOf(chain: Chain, size: number, findings: Findings): Uint32Array {
    const broken = (words: string): void => tell(findings, size, words);
    if (chain.fault !== null) broken(chain.fault.words);
    else if (chain.tail !== null) broken('ends in a suballocated tail');
    const blocks = new Uint32Array(chain.blocks);
    let count = 0;
    for (const run of chain.runs) {
      if (run.index !== count) {
        broken(`has no block ${count}`);
        break;
      }
      for (let i = 0; i < run.count; i++) blocks[count++] = run.block + i;
    }
    return blocks.subarray(0, count);
  }
}

function tell(findings: Findings, size: number, words: string): void {
  findings.add('suballocation-chain', `The chain of pieces of ${size * pieceUnit} bytes ${words}.`, { size });
}

/** The beginnings of the chains by size; sizes without a chain left out. */
async function heads(from: SuballocationSource, findings: Findings): Promise<Map<number, number>> {
  const { directory, fat, first, all } = from;
  const { classes } = fat.geometry;
  const found = new Map<number, number>();
  const sequences = new Set<number>();
  const wanted = Math.ceil(classes / headsPerRecord);
  const broken = (words: string, number: number): void => {
    findings.add('suballocation-records', `Suballocation record ${number} ${words}.`, { record: number });
  };
  const listed = await listFrom(directory, first, wanted);
  if (listed.astray !== null) broken('is no suballocation record, and the list leads to it', listed.astray);
  for (const number of new Set([...listed.numbers, ...all])) {
    const record = await directory.record(number);
    if (record === null) continue;
    const { sequence, heads: chains } = parseSuballocation(record);
    if (sequence >= wanted || sequences.has(sequence)) {
      broken(
        sequence >= wanted ? `has the number ${sequence}` : `has the number ${sequence} once more`,
        number,
      );
      continue;
    }
    if (!listed.numbers.has(number)) broken('is not in the list of them', number);
    sequences.add(sequence);
    for (const [slot, head] of chains.entries()) {
      const size = sequence * headsPerRecord + slot;
      if (head === 0) continue;
      if (size > 0 && size < classes && head < fat.blocks) found.set(size, head);
      else broken(`begins pieces of ${size * pieceUnit} bytes at block ${head}`, number);
    }
  }
  if (first !== 0 && sequences.size < wanted) {
    const words = `There are ${sequences.size} of ${wanted} suballocation records.`;
    findings.add('suballocation-records', words, { records: sequences.size, wanted });
  }
  return found;
}

/** The records the root leads to, and the first number in their list that is none. */
async function listFrom(
  directory: DirectoryFile,
  first: number,
  most: number,
): Promise<{ numbers: Set<number>; astray: number | null }> {
  const numbers = new Set<number>();
  for (let at = first; at !== 0;) {
    const record = await directory.record(at);
    if (record === null || record.readUInt32LE(0) !== recordTypes.suballocation || numbers.has(at)) {
      return { numbers, astray: at };
    }
    numbers.add(at);
    if (numbers.size > most) return { numbers, astray: at };
    at = parseSuballocation(record).next;
  }
  return { numbers, astray: null };
}
