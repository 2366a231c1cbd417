import type { BlockDevice } from '../../disk/block-device.ts';
import type { VolumeDefinition } from '../../layout/netware/definition.ts';
import { tryReadBytes } from '../reading.ts';
import { differingEntries, FatDispute, plausibleEntries, type Disputed } from './fat-choice.ts';
import { endOfChain, FatTable } from './fat.ts';
import type { Findings } from './findings.ts';
import type { NetwareGeometry } from './geometry.ts';
import { counted } from './words.ts';

type Side = 'primary' | 'mirror';

/** The FAT as both its copies give it. */
export interface Fat {
  readonly table: FatTable;
  /** Blocks of each copy, in the order of the chain, as far as it could be followed. */
  readonly primary: readonly number[];
  readonly mirror: readonly number[];
  /** Blocks of the mirror that stand in for a damaged block of the primary copy. */
  readonly standIns: readonly number[];
}

/** One copy while its chain is followed. */
interface Walk {
  readonly side: Side;
  /** The block to be read next, or null once the chain has ended or broken. */
  at: number | null;
  readonly blocks: number[];
}

/**
 * Reads both copies of the FAT. Each is a chain linked through its own entries, so every block tells
 * where the next one is; both copies hold the entries of both chains, so that either leads on where
 * the other is damaged. What no copy tells stays unknown and is said.
 */
export async function readFat(
  device: BlockDevice,
  geometry: NetwareGeometry,
  definition: VolumeDefinition,
  findings: Findings,
): Promise<Fat> {
  return await new FatReader(device, geometry, findings).read(definition);
}

class FatReader {
  readonly #device: BlockDevice;
  readonly #geometry: NetwareGeometry;
  readonly #findings: Findings;
  readonly #table: FatTable;
  readonly #disputed = new Map<number, Disputed>();
  readonly #standIns = new Set<number>();
  /** Blocks of the FAT taken from the mirror after both had been read. */
  readonly #mirrorTaken = new Set<number>();
  readonly #lost: number[] = [];

  constructor(device: BlockDevice, geometry: NetwareGeometry, findings: Findings) {
    this.#device = device;
    this.#geometry = geometry;
    this.#findings = findings;
    this.#table = new FatTable(geometry);
  }

  async read(definition: VolumeDefinition): Promise<Fat> {
    const { firstFat, mirrorFat } = definition;
    const primary: Walk = { side: 'primary', at: this.#start('primary', firstFat), blocks: [] };
    const mirror: Walk = { side: 'mirror', at: this.#start('mirror', mirrorFat), blocks: [] };
    if (firstFat === mirrorFat && mirror.at !== null) {
      mirror.at = null;
      this.#findings.add('fat-pointers', `FAT and mirror FAT both begin at block ${firstFat}.`, { firstFat });
    }
    const { fatBlocks } = this.#geometry;
    for (let k = 0; k < fatBlocks; k++) {
      const blocks = { primary: primary.at, mirror: mirror.at };
      this.#take(k, blocks, {
        primary: await this.#block(primary, k),
        mirror: await this.#block(mirror, k),
      });
      for (const walk of [primary, mirror]) this.#follow(walk, k);
    }
    this.#tellLost();
    this.#settle(primary, mirror);
    return {
      table: this.#table,
      primary: primary.blocks.length === 0 ? [] : (this.#chainFrom(firstFat) ?? primary.blocks),
      mirror: mirror.blocks.length === 0 ? [] : (this.#chainFrom(mirrorFat) ?? mirror.blocks),
      standIns: [...this.#standIns],
    };
  }

  /** The first block of a copy, or null where the volume table leads nowhere. */
  #start(side: Side, block: number): number | null {
    if (block < this.#geometry.blocks && (side === 'primary' || block > 0)) return block;
    this.#findings.add('fat-pointers', `The volume table puts the ${side} FAT at block ${block}.`, {
      copy: side,
      block,
    });
    return null;
  }

  async #block(walk: Walk, k: number): Promise<Buffer | null> {
    if (walk.at === null) return null;
    walk.blocks.push(walk.at);
    const { blockSize } = this.#geometry;
    const bytes = await tryReadBytes(this.#device, walk.at * blockSize, blockSize);
    if (bytes === null) {
      this.#findings.add('fat-unreadable', `Block ${k} of the ${walk.side} FAT cannot be read.`, {
        copy: walk.side,
        fatBlock: k,
        block: walk.at,
      });
    }
    return bytes;
  }

  /** Takes block `k` from the copy that is there, or from the better one. */
  #take(
    k: number,
    blocks: Readonly<Record<Side, number | null>>,
    bytes: Readonly<Record<Side, Buffer | null>>,
  ): void {
    const { primary, mirror } = bytes;
    if (primary === null && mirror === null) {
      this.#lost.push(k);
      return;
    }
    if (primary === null || mirror === null) {
      this.#table.put(k, primary ?? mirror!);
      if (primary === null) this.#standIns.add(blocks.mirror!);
      return;
    }
    if (primary.equals(mirror)) {
      this.#table.put(k, primary);
      return;
    }
    const [ours, theirs] = [
      plausibleEntries(this.#table, k, primary),
      plausibleEntries(this.#table, k, mirror),
    ];
    if (ours !== theirs) {
      const taken = ours > theirs ? 'primary' : 'mirror';
      this.#table.put(k, bytes[taken]!);
      this.#tellTaken({ k, primary, mirror }, taken, true);
      if (taken === 'mirror') this.#standIns.add(blocks.mirror!);
      return;
    }
    this.#table.put(k, primary);
    this.#disputed.set(k, { k, primary, mirror });
  }

  /** Goes on from block `k` of a copy to its next one. */
  #follow(walk: Walk, k: number): void {
    if (walk.at === null) return;
    const { at } = walk;
    walk.at = null;
    const last = k === this.#geometry.fatBlocks - 1;
    const problem = this.#linkProblem(at, k, last) ?? (last ? null : this.#table.next(at));
    if (typeof problem === 'number') {
      walk.at = problem;
      return;
    }
    if (problem === null) return;
    const other = this.#otherReading(at, k, last);
    if (other !== null) {
      walk.at = last ? null : other;
      return;
    }
    this.#findings.add('fat-chain', `The chain of the ${walk.side} FAT ${problem}.`, {
      copy: walk.side,
      fatBlock: k,
      block: at,
    });
  }

  /** What is wrong with the entry of block `k` of a copy, as the table has it; null when nothing is. */
  #linkProblem(block: number, k: number, last: boolean): string | null {
    const table = this.#table;
    if (!table.knows(block)) return `breaks at block ${block}, whose entry is lost`;
    return chainProblem(
      { block, index: table.index(block), next: table.next(block) },
      { k, last, blocks: table.blocks },
    );
  }

  /**
   * Where the chain leads on by the other copy of a disputed entry. Where that is right, the whole block
   * is taken from there.
   */
  #otherReading(block: number, k: number, last: boolean): number | null {
    const { entriesPerBlock } = this.#geometry;
    const disputed = this.#disputed.get(Math.floor(block / entriesPerBlock));
    if (disputed === undefined) return null;
    const at = (block % entriesPerBlock) * 8;
    const entry = {
      block,
      index: disputed.mirror.readUInt32LE(at),
      next: disputed.mirror.readUInt32LE(at + 4),
    };
    if (chainProblem(entry, { k, last, blocks: this.#table.blocks }) !== null) return null;
    this.#table.put(disputed.k, disputed.mirror);
    this.#disputed.delete(disputed.k);
    this.#tellTaken(disputed, 'mirror', true);
    this.#mirrorTaken.add(disputed.k);
    return entry.next;
  }

  #tellTaken(disputed: Disputed, taken: Side, sure: boolean): void {
    const { k } = disputed;
    const differing = differingEntries(this.#table, disputed);
    const why = sure ? 'since its links agree better' : 'though nothing tells which is right';
    const words =
      differing.length === 0
        ? `The copies of the FAT differ behind the last entry, in block ${k}; the ${taken} one was taken.`
        : `The copies of the FAT differ in ${counted(differing.length, 'entry', 'entries')} of block ${k}, the first that of block ${differing[0]} of the volume; the ${taken} one was taken, ${why}.`;
    const facts = { fatBlock: k, entries: differing.length, first: differing[0] ?? null, taken, sure };
    this.#findings.add('fat-copies-differ', words, facts);
  }

  #tellLost(): void {
    const { entriesPerBlock, blocks } = this.#geometry;
    const [first] = this.#lost;
    if (first === undefined) return;
    const from = first * entriesPerBlock;
    this.#findings.add(
      'fat-lost',
      `${counted(this.#lost.length, 'block of the FAT is', 'blocks of the FAT are')} lost in both copies: nothing is known of blocks ${from} to ${Math.min(from + entriesPerBlock, blocks) - 1}${this.#lost.length > 1 ? ' and others' : ''}.`,
      { fatBlocks: this.#lost.length, first },
    );
  }

  /** Decides what was disputed, now that every entry has its neighbours. */
  #settle(primary: Walk, mirror: Walk): void {
    const dispute = this.#disputed.size === 0 ? null : new FatDispute(this.#table, this.#disputed);
    for (const disputed of this.#disputed.values()) {
      const choice = dispute!.decide(disputed);
      if (choice.taken === 'mirror') {
        this.#table.put(disputed.k, disputed.mirror);
        this.#mirrorTaken.add(disputed.k);
      }
      this.#tellTaken(disputed, choice.taken, choice.sure);
    }
    for (const k of this.#mirrorTaken) {
      const block = mirror.blocks[k];
      if (block !== undefined && primary.blocks[k] !== undefined) this.#standIns.add(block);
    }
  }

  /**
   * The blocks of a copy by the finished table, which may know better than what was followed while it was
   * read; null where they are not a whole chain by that either.
   */
  #chainFrom(first: number): number[] | null {
    const { fatBlocks } = this.#geometry;
    const blocks: number[] = [];
    for (let k = 0, block = first; k < fatBlocks; k++) {
      const last = k === fatBlocks - 1;
      if (block >= this.#table.blocks || this.#linkProblem(block, k, last) !== null) return null;
      blocks.push(block);
      block = this.#table.next(block);
    }
    return blocks;
  }
}

/** What is wrong with an entry as block `k` of a chain that has to go forward, or null. */
function chainProblem(
  entry: { readonly block: number; readonly index: number; readonly next: number },
  where: { readonly k: number; readonly last: boolean; readonly blocks: number },
): string | null {
  const { block, index, next } = entry;
  if (index !== where.k)
    return `has the number ${index} in its block ${where.k}, block ${block} of the volume`;
  if (where.last) return next === endOfChain ? null : `goes on behind its last block, ${block}`;
  if (next === endOfChain) return `ends too early, at block ${block}`;
  if (next <= block || next >= where.blocks) return `goes from block ${block} to block ${next}`;
  return null;
}
