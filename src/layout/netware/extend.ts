import type { BlockDevice } from '../../disk/block-device.ts';
import { RemetalError } from '../../errors/index.ts';
import { sectorSize } from './places.ts';
import { sectorsPerBlock } from './volume-table.ts';

/*
 * How the FAT of a volume grows. It is a chained file of 8-byte entries, one for each block of the
 * volume, in two copies with chains of their own; both copies hold the entries of both chains. A server
 * that extends a volume puts the FAT blocks the new segment needs at its start, those of the mirror
 * 256 KiB further on, and links them to the ends of the chains (jeffmerkey/netware-file-system fat.c,
 * nwvp.c; EP 0767431 A1, section 1).
 */
const entrySize = 8;
const endOfChain = 0xffff_ffff;
/** Runs of primary and mirror FAT blocks alternate at this many bytes. */
const runBytes = 256 * 1024;

/** An entry of the FAT. */
export interface FatEntry {
  /** Number of the block inside its file. */
  readonly index: number;
  /** The next block; 0 for a free one, all ones at the end. */
  readonly next: number;
}

/** A volume that has been given more blocks, and its FAT as it is. */
export interface FatGrowth {
  readonly blockShift: number;
  /** Blocks the FAT was made for. */
  readonly oldBlocks: number;
  /** Segments of the volume as it is now, in order. */
  readonly segments: readonly { readonly firstBlock: number; readonly blocks: number }[];
  /** The blocks of both chains, in order. */
  readonly primary: readonly number[];
  readonly mirror: readonly number[];
  /** The entry of any block for which the FAT has one. */
  readonly entry: (block: number) => FatEntry;
}

/** What to write so that the FAT speaks for all blocks. */
export interface FatExtension {
  readonly blockSize: number;
  /** Blocks of the volume it is made for. */
  readonly blocks: number;
  /** Both chains as they will be; the new blocks are their ends. */
  readonly primary: readonly number[];
  readonly mirror: readonly number[];
  /** FAT blocks a copy had before. */
  readonly before: number;
  /** Entries that change, in both copies alike: those of the new FAT blocks, and last the two that link to them. */
  readonly entries: readonly (FatEntry & { readonly block: number })[];
}

/**
 * Plans how the FAT grows over the blocks a volume has been given. Pure.
 *
 * @throws `filesystem-damaged` when the FAT does not end as it should or calls blocks used that the
 *   volume did not have, `grow-impossible` when new room is too small to hold the FAT it needs.
 */
export function planFatExtension(growth: FatGrowth): FatExtension {
  const { blockShift, segments, primary, mirror } = growth;
  const blockSize = sectorsPerBlock(blockShift) * sectorSize;
  const perBlock = blockSize / entrySize;
  const blocks = segments.reduce((end, segment) => Math.max(end, segment.firstBlock + segment.blocks), 0);
  checkFat(growth, perBlock);
  const chains = { primary: [...primary], mirror: [...mirror] };
  for (const room of newRooms(growth)) {
    const needed = Math.ceil((room.start + room.length) / perBlock) - chains.primary.length;
    if (needed < 1) continue;
    const placed =
      placeRuns(room, needed, runBytes / blockSize) ??
      placeInFree(growth, needed, Math.max(chains.primary.at(-1)!, chains.mirror.at(-1)!));
    if (placed === null) {
      throw new RemetalError(
        'grow-impossible',
        `A run of ${room.length} new blocks is too small for the ${2 * needed} FAT blocks it needs, and the volume is full`,
        {
          hint: 'Leave the volume as large as it was, or give it more room.',
          facts: { ...room, needed: 2 * needed },
        },
      );
    }
    chains.primary = chains.primary.concat(placed.primary);
    chains.mirror = chains.mirror.concat(placed.mirror);
  }
  const before = primary.length;
  checkBootstrap(before, chains, perBlock);
  const entries = [...chainEntries(chains.primary, before), ...chainEntries(chains.mirror, before)];
  const links = (entry: FatEntry): number => (entry.index === before - 1 ? 1 : 0);
  return {
    blockSize,
    blocks,
    ...chains,
    before,
    entries: entries.toSorted((a, b) => links(a) - links(b)),
  };
}

function checkFat(growth: FatGrowth, perBlock: number): void {
  const { oldBlocks, primary, mirror, entry } = growth;
  const needed = Math.ceil(oldBlocks / perBlock);
  if (primary.length !== mirror.length || primary.length < needed) {
    throw damaged(`its copies have ${primary.length} and ${mirror.length} blocks where ${needed} are needed`);
  }
  for (const chain of [primary, mirror]) {
    const last = chain.at(-1);
    if (last === undefined) throw damaged('it is empty');
    const { index, next } = entry(last);
    if (next !== endOfChain || index !== chain.length - 1) throw damaged(`block ${last} does not end it`);
  }
  for (let block = oldBlocks; block < primary.length * perBlock; block++) {
    const { index, next } = entry(block);
    if (index !== 0 || next !== 0)
      throw damaged(`it calls block ${block} used, which the volume does not have`);
  }
}

function damaged(what: string): RemetalError {
  return new RemetalError('filesystem-damaged', `The FAT of the NetWare volume cannot be extended: ${what}`, {
    hint: 'Restore the volume in its old size and have it repaired before it grows.',
  });
}

/** The runs of blocks the volume did not have, one for each segment that holds some. */
function newRooms({ oldBlocks, segments }: FatGrowth): { start: number; length: number }[] {
  return segments.flatMap(({ firstBlock, blocks }) => {
    const start = Math.max(firstBlock, oldBlocks);
    const length = firstBlock + blocks - start;
    return length > 0 ? [{ start, length }] : [];
  });
}

/** `count` blocks for each copy from the start of a room, in alternating runs of `run` blocks where there is room for that; null where the room is too small. */
function placeRuns(
  room: { readonly start: number; readonly length: number },
  count: number,
  run: number,
): { primary: number[]; mirror: number[] } | null {
  if (2 * count > room.length) return null;
  const full = Math.floor((count - 1) / run);
  const reach = full * 2 * run + run + (count - full * run);
  const step = reach <= room.length ? run : count;
  const at = (index: number): number => room.start + Math.floor(index / step) * 2 * step + (index % step);
  const primary = Array.from({ length: count }, (_, index) => at(index));
  return { primary, mirror: primary.map((block) => block + step) };
}

/** `count` blocks for each copy among the free ones behind block `after`, the last there are; null where there are too few. */
function placeInFree(
  growth: FatGrowth,
  count: number,
  after: number,
): { primary: number[]; mirror: number[] } | null {
  const free: number[] = [];
  for (let block = growth.oldBlocks - 1; block > after && free.length < 2 * count; block--) {
    const { index, next } = growth.entry(block);
    if (index === 0 && next === 0) free.unshift(block);
  }
  if (free.length < 2 * count) return null;
  return { primary: free.slice(0, count), mirror: free.slice(count) };
}

/* A reader follows the chain with what it has read so far: the entry of each FAT block must lie in an earlier one or in itself. */
function checkBootstrap(
  before: number,
  chains: { readonly primary: readonly number[]; readonly mirror: readonly number[] },
  perBlock: number,
): void {
  for (const chain of [chains.primary, chains.mirror]) {
    const ahead = chain.findIndex((block, index) => index >= before && Math.floor(block / perBlock) > index);
    if (ahead >= 0) {
      throw new RemetalError(
        'grow-impossible',
        'The FAT cannot be laid so that it can be read from its start',
        {
          hint: 'Leave the volume as large as it was.',
          facts: { block: chain[ahead] },
        },
      );
    }
  }
}

/** The entries of the blocks behind the first `before`, and of the one that links to them; none where there are none. */
function chainEntries(chain: readonly number[], before: number): (FatEntry & { block: number })[] {
  if (chain.length === before) return [];
  return chain.slice(before - 1).map((block, position) => ({
    block,
    index: before - 1 + position,
    next: chain[before + position] ?? endOfChain,
  }));
}

/**
 * Does what was planned, on the volume: new FAT blocks of both copies first, the links to them last, so
 * that a volume that is cut short in between has the FAT it had. The volume table with the new number of
 * blocks is to be written after this.
 *
 * @param volume The volume in its new size.
 */
export async function extendFat(volume: BlockDevice, extension: FatExtension): Promise<void> {
  const { blockSize, before, entries } = extension;
  const perBlock = blockSize / entrySize;
  const place = (chain: readonly number[], block: number): { block: number; at: number } => ({
    block: chain[Math.floor(block / perBlock)]!,
    at: (block % perBlock) * entrySize,
  });
  for (const chain of [extension.primary, extension.mirror]) {
    const fresh = new Map(chain.slice(before).map((block) => [block, Buffer.alloc(blockSize)]));
    for (const entry of entries) {
      const { block, at } = place(chain, entry.block);
      fresh.get(block)?.writeUInt32LE(entry.index, at);
      fresh.get(block)?.writeUInt32LE(entry.next, at + 4);
    }
    for (const [block, bytes] of fresh) await volume.write(bytes, block * blockSize);
  }
  await volume.flush();
  for (const chain of [extension.primary, extension.mirror]) {
    const old = new Set(chain.slice(0, before));
    for (const entry of entries) {
      const { block, at } = place(chain, entry.block);
      if (old.has(block)) await patch(volume, block * blockSize + at, entry);
    }
  }
  await volume.flush();
}

async function patch(volume: BlockDevice, offset: number, entry: FatEntry): Promise<void> {
  const inside = offset % sectorSize;
  const sector = Buffer.alloc(sectorSize);
  await volume.read(sector, offset - inside);
  sector.writeUInt32LE(entry.index, inside);
  sector.writeUInt32LE(entry.next, inside + 4);
  await volume.write(sector, offset - inside);
}
