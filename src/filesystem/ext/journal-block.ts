import { crc32c } from '../checksums.ts';

/*
 * The blocks of a journal. Source: the Linux kernel's documentation, ext4/journal.rst, and jbd2.h for the
 * size of tags. All fields big-endian.
 */

export const journalMagic = 0xc0_3b_39_98;

export const blockTypes = { descriptor: 1, commit: 2, superblockV1: 3, superblockV2: 4, revoke: 5 } as const;

const incompat = { revoke: 0x1, bits64: 0x2, asyncCommit: 0x4, csumV2: 0x8, csumV3: 0x10, fastCommit: 0x20 };
const known = Object.values(incompat).reduce((all, bit) => all | bit, 0);
/** Blocks for fast commits where the superblock names no number. */
const usualFastCommitBlocks = 256;
const uuidLength = 16;

/** What the first block of a journal says. */
export interface JournalSuperblock {
  readonly blockSize: number;
  /** Blocks `[first, end)` are the log, a ring; behind it come `fastCommits` blocks. */
  readonly first: number;
  readonly end: number;
  readonly fastCommits: number;
  /** The block the log begins at, 0 for an empty one, and the number of its first transaction. */
  readonly start: number;
  readonly sequence: number;
  readonly wide: boolean;
  readonly asyncCommit: boolean;
  /** Version of the checksums; 0 for none of every block. */
  readonly checksums: 0 | 2 | 3;
  readonly seed: number;
}

/** The superblock of a journal of `blocks` blocks, or why it is none that can be replayed. */
export function parseJournalSuperblock(bytes: Buffer, blocks: number): JournalSuperblock | string {
  const type = bytes.readUInt32BE(4);
  const isOne = type === blockTypes.superblockV1 || type === blockTypes.superblockV2;
  if (bytes.readUInt32BE(0) !== journalMagic || !isOne) return 'The journal does not begin as one';
  const features = type === blockTypes.superblockV2 ? bytes.readUInt32BE(0x28) : 0;
  if ((features & ~known) !== 0) return 'The journal has features that are not known';
  const length = bytes.readUInt32BE(0x10);
  const fastCommits =
    (features & incompat.fastCommit) === 0 ? 0 : bytes.readUInt32BE(0x54) || usualFastCommitBlocks;
  const first = bytes.readUInt32BE(0x14);
  const start = bytes.readUInt32BE(0x1c);
  const end = length - fastCommits;
  const sound =
    bytes.readUInt32BE(0x0c) === bytes.length &&
    length <= blocks &&
    first >= 1 &&
    first < end &&
    (start === 0 || (start >= first && start < end));
  if (!sound) return 'The superblock of the journal contradicts itself';
  const checksums = (features & incompat.csumV3) !== 0 ? 3 : (features & incompat.csumV2) !== 0 ? 2 : 0;
  if (checksums !== 0 && sum(0xff_ff_ff_ff, bytes.subarray(0, 1024), 0xfc) !== bytes.readUInt32BE(0xfc)) {
    return 'The checksum of the superblock of the journal is wrong';
  }
  return {
    blockSize: bytes.length,
    first,
    end,
    fastCommits,
    start,
    sequence: bytes.readUInt32BE(0x18),
    wide: (features & incompat.bits64) !== 0,
    asyncCommit: (features & incompat.asyncCommit) !== 0,
    checksums,
    seed: crc32c(0xff_ff_ff_ff, bytes.subarray(0x30, 0x40)),
  };
}

/** The sum of a block in which the four bytes at `at`, where it is kept, count as zeros. */
function sum(seed: number, bytes: Buffer, at: number): number {
  const before = crc32c(seed, bytes.subarray(0, at));
  return crc32c(crc32c(before, Buffer.alloc(4)), bytes.subarray(at + 4));
}

/** Whether the sum of a descriptor, revoke or commit block is right. */
export function blockSumAgrees(journal: JournalSuperblock, type: number, bytes: Buffer): boolean {
  if (journal.checksums === 0) return true;
  const at = type === blockTypes.commit ? 0x10 : bytes.length - 4;
  return sum(journal.seed, bytes, at) === bytes.readUInt32BE(at);
}

/** One block of the file system that a descriptor announces. */
export interface Tag {
  readonly block: number;
  /** Its first four bytes were the magic and are zeros in the log. */
  readonly escaped: boolean;
  readonly sum: number;
}

/** The tags of a descriptor block, in the order of the blocks behind it. */
export function tagsOf(journal: JournalSuperblock, bytes: Buffer): Tag[] {
  const v3 = journal.checksums === 3;
  const size = v3 ? 16 : 8 + (journal.checksums === 2 ? 2 : 0) + (journal.wide ? 4 : 0);
  const end = bytes.length - (journal.checksums === 0 ? 0 : 4);
  const out: Tag[] = [];
  for (let at = 12; at + size <= end;) {
    const flags = v3 ? bytes.readUInt32BE(at + 4) : bytes.readUInt16BE(at + 6);
    const high = journal.wide ? bytes.readUInt32BE(at + 8) : 0;
    out.push({
      block: bytes.readUInt32BE(at) + high * 2 ** 32,
      escaped: (flags & 1) !== 0,
      sum: v3 ? bytes.readUInt32BE(at + 12) : bytes.readUInt16BE(at + 4),
    });
    if ((flags & 8) !== 0) break;
    at += size + ((flags & 2) === 0 ? uuidLength : 0);
  }
  return out;
}

/** Whether the sum of a block in the log is the one its tag has. */
export function tagSumAgrees(
  journal: JournalSuperblock,
  tag: Tag,
  { sequence, bytes }: { readonly sequence: number; readonly bytes: Buffer },
): boolean {
  if (journal.checksums === 0) return true;
  const number = Buffer.alloc(4);
  number.writeUInt32BE(sequence);
  const found = crc32c(crc32c(journal.seed, number), bytes);
  return journal.checksums === 3 ? found === tag.sum : (found & 0xff_ff) === tag.sum;
}

/** The blocks that a revoke block takes back. */
export function* revokedBy(journal: JournalSuperblock, bytes: Buffer): Generator<number> {
  const end = Math.min(bytes.readUInt32BE(12), bytes.length - (journal.checksums === 0 ? 0 : 4));
  const size = journal.wide ? 8 : 4;
  for (let at = 16; at + size <= end; at += size) {
    yield journal.wide
      ? bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
      : bytes.readUInt32BE(at);
  }
}

/** The transaction whose fast commits a block of that area begins with; null where it begins with none. */
export function fastCommitOf(bytes: Buffer): number | null {
  // A tag of four bytes, little-endian unlike all else: 9 is the head, features and transaction follow.
  return bytes.readUInt16LE(0) === 9 ? bytes.readUInt32LE(8) : null;
}
