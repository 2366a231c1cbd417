import type { MappedRun } from './mapped-run.ts';
import { ioctl } from './native.ts';

/*
 * FIEMAP of btrfs tells bytes of its own address space. Which bytes of the device those are is told by its chunk
 * tree, which is asked for with BTRFS_IOC_TREE_SEARCH. Source: <linux/btrfs.h>, <linux/btrfs_tree.h>.
 */

/** What statfs(2) says of btrfs. */
export const btrfsMagic = 0x9123683e;

const BTRFS_IOC_TREE_SEARCH = 0xd0009411;
const argumentLength = 4096;
const keyLength = 104;
const itemHeadLength = 32;
const chunkTree = 3n;
const firstChunkTree = 256n;
const chunkItem = 228;
const most = 0xffff_ffff_ffff_ffffn;
const chunkHeadLength = 48;
const stripeLength = 32;
/** Bits of a chunk type that say its bytes lie one after the other in a stripe: none of them, or DUP, or a mirror. */
const striped = 0x8n | 0x40n | 0x80n | 0x100n;

interface Chunk {
  readonly logical: number;
  readonly length: number;
  /** Byte of the device; null where the bytes are spread over stripes or devices. */
  readonly physical: number | null;
  readonly devices: ReadonlySet<bigint>;
}

/** The chunks of the file system an open file lies on, ascending. Needs root. Throws a system error. */
async function chunksOf(fd: number): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for (let from = 0n; ;) {
    const block = Buffer.alloc(argumentLength);
    block.writeBigUInt64LE(chunkTree, 0);
    block.writeBigUInt64LE(firstChunkTree, 8);
    block.writeBigUInt64LE(firstChunkTree, 16);
    block.writeBigUInt64LE(from, 24);
    block.writeBigUInt64LE(most, 32);
    block.writeBigUInt64LE(0n, 40);
    block.writeBigUInt64LE(most, 48);
    block.writeUInt32LE(chunkItem, 56);
    block.writeUInt32LE(chunkItem, 60);
    block.writeUInt32LE(64, 64);
    await ioctl(fd, BTRFS_IOC_TREE_SEARCH, block, 'ioctl BTRFS_IOC_TREE_SEARCH');
    const found = block.readUInt32LE(64);
    let at = keyLength;
    for (let i = 0; i < found && at + itemHeadLength <= block.length; i++) {
      const logical = block.readBigUInt64LE(at + 16);
      const length = block.readUInt32LE(at + 28);
      const item = block.subarray(at + itemHeadLength, at + itemHeadLength + length);
      at += itemHeadLength + length;
      from = logical + 1n;
      if (item.length >= chunkHeadLength + stripeLength) chunks.push(chunkOf(Number(logical), item));
    }
    if (found === 0) return chunks;
  }
}

function chunkOf(logical: number, item: Buffer): Chunk {
  const plain = (item.readBigUInt64LE(24) & striped) === 0n;
  const stripes = item.readUInt16LE(44);
  const devices = new Set<bigint>();
  for (let i = 0; i < stripes; i++) {
    const at = chunkHeadLength + i * stripeLength;
    if (at + stripeLength <= item.length) devices.add(item.readBigUInt64LE(at));
  }
  return {
    logical,
    length: Number(item.readBigUInt64LE(0)),
    devices,
    physical: plain && devices.size === 1 ? Number(item.readBigUInt64LE(chunkHeadLength + 8)) : null,
  };
}

/** The runs with places of the device in place of those of the address space. Throws a system error. */
export async function btrfsPlaces(fd: number, runs: readonly MappedRun[]): Promise<MappedRun[]> {
  if (runs.every(({ start }) => start === null)) return [...runs];
  const chunks = await chunksOf(fd);
  const devices = new Set(chunks.flatMap((chunk) => [...chunk.devices]));
  // Of several devices nobody says which one is asked about.
  if (devices.size > 1) return runs.map((run) => (run.start === null ? run : through(run)));
  return runs.flatMap((run) => (run.start === null ? [run] : placed(run, run.start, chunks)));
}

const through = ({ offset, length }: MappedRun): MappedRun => ({
  offset,
  length,
  start: null,
  kind: 'through',
});

function placed(run: MappedRun, logical: number, chunks: readonly Chunk[]): MappedRun[] {
  const out: MappedRun[] = [];
  for (let done = 0; done < run.length;) {
    const at = logical + done;
    const chunk = chunks.find((each) => at >= each.logical && at < each.logical + each.length);
    const rest = run.length - done;
    const length = chunk === undefined ? rest : Math.min(rest, chunk.logical + chunk.length - at);
    const start = chunk?.physical == null ? null : chunk.physical + (at - chunk.logical);
    out.push({ offset: run.offset + done, length, start, kind: start === null ? 'through' : 'plain' });
    done += length;
  }
  return out;
}
