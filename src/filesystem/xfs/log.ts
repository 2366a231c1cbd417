import type { BlockDevice } from '../../disk/block-device.ts';
import { readBytes } from '../reading.ts';
import { agOffset } from './free-space.ts';
import type { XfsSuperblock } from './superblock.ts';

/*
 * Whether the log was closed by an unmount. Source: "XFS Algorithms & Data Structures", chapter
 * "Journaling Log". The log is a ring of 512-byte blocks. The first word of each is the number of the
 * pass it was written in (its cycle), except that a record begins with a magic number and has its
 * cycle in the second word. The head is where the cycle drops.
 */

const logBlock = 512;
const recordMagic = 0xfe_ed_ba_be;
const unmountFlag = 0x20;
const clientLog = 0xaa;
/** A record is at most 256 KiB of data behind 8 blocks of header. */
const longestRecord = 256 * 1024 + 8 * logBlock;

/** Null when the last record in the log is that of a clean unmount, or the log was never written. */
export async function logDoubt(volume: BlockDevice, sb: XfsSuperblock): Promise<string | null> {
  const { log } = sb;
  if (log === null) return 'The log lies on another device: every sector is taken';
  if (log.blocks === 0 || log.ag >= sb.agCount || log.block + log.blocks > sb.agBlocks) {
    return 'The superblock places the log outside: every sector is taken';
  }
  const ring: Ring = {
    offset: agOffset(sb, log.ag, log.block),
    blocks: (log.blocks * sb.blockSize) / logBlock,
    volume,
  };
  const head = await findHead(ring);
  if (head === null) return null;
  return (await endsInUnmount(ring, head))
    ? null
    : 'The file system was not cleanly unmounted: its log holds changes not yet written home';
}

interface Ring {
  readonly volume: BlockDevice;
  readonly offset: number;
  readonly blocks: number;
}

async function cycleOf(ring: Ring, block: number): Promise<number> {
  const bytes = await readBytes(ring.volume, ring.offset + block * logBlock, logBlock);
  return bytes.readUInt32BE(0) === recordMagic ? bytes.readUInt32BE(4) : bytes.readUInt32BE(0);
}

/** The block behind the last one written, in `(0, blocks]`; null for a log of zeros. */
async function findHead(ring: Ring): Promise<number | null> {
  const first = await cycleOf(ring, 0);
  if (first === 0) return null;
  let low = 0;
  let high = ring.blocks;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if ((await cycleOf(ring, middle)) === first) low = middle;
    else high = middle;
  }
  return high;
}

async function endsInUnmount(ring: Ring, head: number): Promise<boolean> {
  const length = Math.min(longestRecord, ring.blocks * logBlock);
  const bytes = await readBehind(ring, head, length);
  for (let at = bytes.length - logBlock; at >= 0; at -= logBlock) {
    if (bytes.readUInt32BE(at) !== recordMagic) continue;
    const header = bytes.subarray(at, at + logBlock);
    const headerBlocks = headerLength(header);
    const dataLength = Math.ceil(header.readUInt32BE(12) / logBlock) * logBlock;
    const data = at + headerBlocks * logBlock;
    if (data + dataLength !== bytes.length || header.readUInt32BE(40) !== 1 || dataLength === 0) return false;
    return bytes[data + 8] === clientLog && (bytes[data + 9]! & unmountFlag) !== 0;
  }
  return false;
}

/** Blocks of a record's header: one more for each 32 KiB of record size beyond the first (version 2). */
function headerLength(header: Buffer): number {
  const size = header.readUInt32BE(320);
  const extended = (header.readUInt32BE(8) & 2) !== 0 && size > 32 * 1024;
  return extended ? Math.ceil(size / (32 * 1024)) : 1;
}

/** The `length` bytes of the ring that end at block `head`. */
async function readBehind(ring: Ring, head: number, length: number): Promise<Buffer> {
  const end = head * logBlock;
  if (end >= length) return await readBytes(ring.volume, ring.offset + end - length, length);
  const wrapped = length - end;
  return Buffer.concat([
    await readBytes(ring.volume, ring.offset + ring.blocks * logBlock - wrapped, wrapped),
    await readBytes(ring.volume, ring.offset, end),
  ]);
}
