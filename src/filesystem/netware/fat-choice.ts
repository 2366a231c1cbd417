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

/** For every block one whose link leads to it, or all ones. */
export function predecessors(table: FatTable): Uint32Array {
  const above = new Uint32Array(table.blocks).fill(none);
  for (let block = 0; block < table.blocks; block++) {
    const next = table.next(block);
    if (next !== 0 && next < table.blocks) above[next] = block;
  }
  return above;
}

/** The copy whose entries agree better with those around them. */
export function betterCopy(
  table: FatTable,
  disputed: Disputed,
  above: Uint32Array,
): { readonly taken: 'primary' | 'mirror'; readonly sure: boolean } {
  const first = disputed.k * table.geometry.entriesPerBlock;
  const differing = differingEntries(table, disputed);
  const cost = (bytes: Buffer): number =>
    differing.reduce((sum, block) => {
      const at = (block - first) * 8;
      const entry = { block, index: bytes.readUInt32LE(at), next: bytes.readUInt32LE(at + 4) };
      return sum + discord(table, entry, above[block]!);
    }, 0);
  const [ours, theirs] = [cost(disputed.primary), cost(disputed.mirror)];
  return { taken: theirs < ours ? 'mirror' : 'primary', sure: ours !== theirs };
}

/** How many of the links to and from an entry would be wrong. */
function discord(
  table: FatTable,
  entry: { readonly block: number; readonly index: number; readonly next: number },
  from: number,
): number {
  const { block, index, next } = entry;
  let wrong = 0;
  if (next !== 0 && next < table.blocks) {
    if (next === block || table.next(next) === 0 || table.index(next) <= index) wrong++;
  }
  if (from !== none && from !== block && (next === 0 || index <= table.index(from))) wrong++;
  // A block in the middle of a file that no other leads to; the first blocks of files have 0, holes aside.
  if (next !== 0 && index > 0 && from === none) wrong++;
  return wrong;
}
