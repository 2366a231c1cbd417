import { endOfChain, tailOf, type FatTable } from './fat.ts';

/*
 * Which of two differing copies of a FAT block is right. A server that dies between two writes leaves
 * an older copy, which is possible in itself; a bad sector or a stray write leaves one that is not.
 */

/** A block of the FAT in which the copies differ, both of them as possible as the other by themselves. */
export interface Disputed {
  /** Which block of the FAT. */
  readonly k: number;
  readonly primary: Buffer;
  readonly mirror: Buffer;
}

const none = 0xff_ff_ff_ff;

/** How many entries of a block could stand in a FAT at all: links inside the volume, free ones without a number. */
export function plausibleEntries(table: FatTable, k: number, bytes: Buffer): number {
  const { blocks, entriesPerBlock, classes } = table.geometry;
  const count = Math.min(entriesPerBlock, blocks - k * entriesPerBlock);
  let plausible = 0;
  for (let at = 0; at < count * 8; at += 8) {
    const next = bytes.readUInt32LE(at + 4);
    const tail = tailOf(next);
    if (next === 0 ? bytes.readUInt32LE(at) === 0 : tail === null || (tail.size > 0 && tail.size < classes)) {
      if (tail !== null || next < blocks || next === endOfChain) plausible++;
    }
  }
  return plausible;
}

/** The entries of a block in which its copies differ, as blocks of the volume. */
export function differingEntries(table: FatTable, { k, primary, mirror }: Disputed): number[] {
  const { entriesPerBlock, blocks } = table.geometry;
  const first = k * entriesPerBlock;
  const differing: number[] = [];
  for (let i = 0; i < entriesPerBlock && first + i < blocks; i++) {
    if (primary.compare(mirror, i * 8, i * 8 + 8, i * 8, i * 8 + 8) !== 0) differing.push(first + i);
  }
  return differing;
}

/** An entry as one of the copies has it. */
interface Entry {
  readonly block: number;
  readonly index: number;
  readonly next: number;
}

/**
 * Decides between the copies of disputed blocks by how well their entries agree with those around them. Where
 * those are disputed themselves, either reading of them will do. Of two copies that agree as well, the one that
 * calls fewer blocks free is taken: a block wrongly in use costs room, one wrongly free costs data.
 */
export class FatDispute {
  readonly #table: FatTable;
  readonly #disputed: ReadonlyMap<number, Disputed>;
  /** For every block one of another FAT block whose link leads to it, or all ones. */
  readonly #above: Uint32Array;

  constructor(table: FatTable, disputed: ReadonlyMap<number, Disputed>) {
    this.#table = table;
    this.#disputed = disputed;
    this.#above = new Uint32Array(table.blocks).fill(none);
    for (let block = 0; block < table.blocks; block++) {
      for (const { next } of this.#readings(block)) {
        if (next < table.blocks && this.#fatBlock(next) !== this.#fatBlock(block)) this.#above[next] = block;
      }
    }
  }

  /** The better copy of a block; `sure` when the other one agrees less with its neighbours. */
  decide(disputed: Disputed): { readonly taken: 'primary' | 'mirror'; readonly sure: boolean } {
    const differing = differingEntries(this.#table, disputed);
    const ours = this.#judge(disputed.k, disputed.primary, differing);
    const theirs = this.#judge(disputed.k, disputed.mirror, differing);
    const better = theirs.accord - ours.accord;
    const mirror = better > 0 || (better === 0 && theirs.used > ours.used);
    return { taken: mirror ? 'mirror' : 'primary', sure: better !== 0 };
  }

  #judge(k: number, bytes: Buffer, differing: readonly number[]): { accord: number; used: number } {
    const { entriesPerBlock } = this.#table.geometry;
    const first = k * entriesPerBlock;
    const inside = (block: number): boolean => this.#fatBlock(block) === k;
    const read = (block: number): Entry => entryAt(bytes, block, first);
    const above = new Uint32Array(entriesPerBlock).fill(none);
    for (let i = 0; i < entriesPerBlock && first + i < this.#table.blocks; i++) {
      const { next } = read(first + i);
      if (next !== 0 && next < this.#table.blocks && inside(next)) above[next - first] = first + i;
    }
    const readings = (block: number): Entry[] => (inside(block) ? [read(block)] : this.#readings(block));
    let accord = 0;
    let used = 0;
    for (const block of differing) {
      const entry = read(block);
      if (entry.next !== 0) used++;
      const own = above[block - first]!;
      accord += this.#accord(entry, own === none ? this.#above[block]! : own, readings);
    }
    return { accord, used };
  }

  /** How many of the links to and from an entry are right, less those that are wrong. */
  #accord(entry: Entry, from: number, readings: (block: number) => Entry[]): number {
    const { block, index, next } = entry;
    let accord = 0;
    if (next !== 0 && next < this.#table.blocks) {
      accord += next !== block && readings(next).some((to) => to.next !== 0 && to.index > index) ? 1 : -1;
    }
    const before = from === none || from === block ? [] : readings(from);
    const leads = before.length > 0 && before.every((reading) => reading.next === block);
    if (leads && before.every((reading) => next === 0 || index <= reading.index)) accord--;
    // A block in the middle of a file that no other leads to; the first blocks of files have 0, holes aside.
    if (next !== 0 && index > 0 && before.length === 0) accord--;
    return accord;
  }

  #readings(block: number): Entry[] {
    const table = this.#table;
    const own = { block, index: table.index(block), next: table.next(block) };
    const k = this.#fatBlock(block);
    const other = this.#disputed.get(k);
    if (other === undefined) return [own];
    const first = k * table.geometry.entriesPerBlock;
    return [entryAt(other.primary, block, first), entryAt(other.mirror, block, first)];
  }

  #fatBlock(block: number): number {
    return Math.floor(block / this.#table.geometry.entriesPerBlock);
  }
}

function entryAt(bytes: Buffer, block: number, first: number): Entry {
  const at = (block - first) * 8;
  return { block, index: bytes.readUInt32LE(at), next: bytes.readUInt32LE(at + 4) };
}
