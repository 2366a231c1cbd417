import type { Extent } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import { RemetalError } from '../../errors/index.ts';
import { readBytes } from '../reading.ts';
import { xfsSumAgrees, type XfsSuperblock } from './superblock.ts';

/*
 * AG free space: the AGF sector and the B+tree of free extents by block number. Source: "XFS
 * Algorithms & Data Structures", chapters "AG Free Space Management" and "Short Format B+trees".
 */

/** What an AGF says of its allocation group. */
export interface AgFreeSpace {
  readonly ag: number;
  /** Blocks of the group. */
  readonly length: number;
  readonly root: number;
  readonly levels: number;
  /** Blocks the tree accounts for. */
  readonly free: number;
  /** Blocks in the free list and in the trees themselves, which the superblock counts as free too. */
  readonly reserve: number;
}

function damaged(volume: BlockDevice, ag: number, what: string): RemetalError {
  return new RemetalError('filesystem-damaged', `${volume.name}: allocation group ${ag}: ${what}`, {
    facts: { ag },
  });
}

/** Byte offset of block `block` of group `ag`. */
export function agOffset(sb: XfsSuperblock, ag: number, block: number): number {
  return (ag * sb.agBlocks + block) * sb.blockSize;
}

/** The AGF of a group, with its checksum, number and length verified. */
export async function readAgf(volume: BlockDevice, sb: XfsSuperblock, ag: number): Promise<AgFreeSpace> {
  const agf = await readBytes(volume, agOffset(sb, ag, 0) + sb.sectorSize, sb.sectorSize);
  const length = Math.min(sb.agBlocks, sb.blocks - ag * sb.agBlocks);
  if (agf.toString('latin1', 0, 4) !== 'XAGF' || agf.readUInt32BE(4) !== 1) {
    throw damaged(volume, ag, 'there is no free space header');
  }
  if (sb.version === 5 && !(xfsSumAgrees(agf, 216) && sb.metaUuid.equals(agf.subarray(64, 80)))) {
    throw damaged(volume, ag, 'the checksum or owner of the free space header is wrong');
  }
  const levels = agf.readUInt32BE(28);
  if (agf.readUInt32BE(8) !== ag || agf.readUInt32BE(12) !== length || levels < 1 || levels > 16) {
    throw damaged(volume, ag, 'the free space header contradicts the superblock');
  }
  return {
    ag,
    length,
    root: agf.readUInt32BE(16),
    levels,
    free: agf.readUInt32BE(52),
    reserve: agf.readUInt32BE(48) + agf.readUInt32BE(44 + 16),
  };
}

/**
 * The free extents of a group in ascending order, in its blocks, along the leaves of the tree. Ends
 * on any input: every record must lie behind the one before it.
 *
 * @throws `filesystem-damaged` where the tree contradicts itself or a checksum is wrong.
 */
export async function* freeExtents(
  volume: BlockDevice,
  sb: XfsSuperblock,
  agf: AgFreeSpace,
): AsyncGenerator<Extent> {
  const headerLength = sb.version === 5 ? 56 : 16;
  const nodeCapacity = Math.floor((sb.blockSize - headerLength) / 12);
  const leafCapacity = Math.floor((sb.blockSize - headerLength) / 8);
  let node = await treeBlock(volume, sb, { agf, block: agf.root, level: agf.levels - 1 });
  for (let level = agf.levels - 2; level >= 0; level--) {
    const first = node.readUInt32BE(headerLength + nodeCapacity * 8);
    node = await treeBlock(volume, sb, { agf, block: first, level });
  }
  let at = 0;
  for (;;) {
    const records = node.readUInt16BE(6);
    const last = node.readUInt32BE(12) === 0xff_ff_ff_ff;
    if (records > leafCapacity || (records === 0 && !(last && agf.levels === 1))) {
      throw damaged(volume, agf.ag, 'a block of the free space tree holds an impossible number of records');
    }
    for (let i = 0; i < records; i++) {
      const start = node.readUInt32BE(headerLength + i * 8);
      const length = node.readUInt32BE(headerLength + i * 8 + 4);
      if (start < at || length === 0 || start + length > agf.length) {
        throw damaged(volume, agf.ag, 'the records of the free space tree are out of order');
      }
      yield { start, length };
      at = start + length;
    }
    if (last) return;
    node = await treeBlock(volume, sb, { agf, block: node.readUInt32BE(12), level: 0 });
  }
}

async function treeBlock(
  volume: BlockDevice,
  sb: XfsSuperblock,
  at: { agf: AgFreeSpace; block: number; level: number },
): Promise<Buffer> {
  const { agf, block, level } = at;
  if (block >= agf.length) throw damaged(volume, agf.ag, 'the free space tree points outside');
  const bytes = await readBytes(volume, agOffset(sb, agf.ag, block), sb.blockSize);
  const summed = sb.version === 5;
  if (bytes.toString('latin1', 0, 4) !== (summed ? 'AB3B' : 'ABTB') || bytes.readUInt16BE(4) !== level) {
    throw damaged(volume, agf.ag, 'the free space tree leads to something else');
  }
  const own =
    !summed ||
    (xfsSumAgrees(bytes, 52) &&
      sb.metaUuid.equals(bytes.subarray(32, 48)) &&
      bytes.readUInt32BE(48) === agf.ag &&
      Number(bytes.readBigUInt64BE(16)) * 512 === agOffset(sb, agf.ag, block));
  if (!own) throw damaged(volume, agf.ag, 'the checksum or owner of a block of the free space tree is wrong');
  return bytes;
}
