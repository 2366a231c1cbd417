import { intersect, normalize, type Extent } from '../../bytes/extents.ts';
import { readBytes } from '../reading.ts';
import type { ExtInode, ExtVolume } from './inode.ts';
import {
  blockSumAgrees,
  blockTypes,
  fastCommitOf,
  journalMagic,
  parseJournalSuperblock,
  revokedBy,
  tagsOf,
  tagSumAgrees,
  type JournalSuperblock,
} from './journal-block.ts';
import { mappedBlocks } from './mapping.ts';
import { inside } from './tree.ts';

/** Where the newest content of a block of the file system lies. */
export interface Replayed {
  /** Block of the volume, in the journal. */
  readonly from: number;
  /** Its first four bytes are those of the journal's magic. */
  readonly escaped: boolean;
}

/** What replaying a journal comes to, without anything being written. */
export interface Replay {
  /** By block of the file system; empty where nothing was pending. */
  readonly blocks: ReadonlyMap<number, Replayed>;
  /** Why it cannot be replayed, a plain sentence; then `blocks` is empty. Null where it can. */
  readonly problem: string | null;
}

/**
 * Reads the journal in `inode` as recovery does (the kernel's fs/jbd2/recovery.c): finds the last whole transaction, gathers
 * what was revoked, and tells which blocks would be written home. What follows the last whole transaction was never
 * promised to anybody. Throws `disk-read-failed`, `filesystem-damaged` for a journal whose blocks cannot be found.
 */
export async function replayOf(context: ExtVolume, inode: ExtInode): Promise<Replay> {
  const log = await Log.open(context, inode);
  return typeof log === 'string' ? refused(log) : await log.replay();
}

/**
 * The parts of a journal that replaying it reads, as runs of blocks of the volume: its superblock, the log from its first
 * block to a little behind its last whole transaction, and fast commits. Null where only the whole journal will do. Throws as
 * `replayOf` does.
 */
export async function neededOf(context: ExtVolume, inode: ExtInode): Promise<Extent[] | null> {
  const log = await Log.open(context, inode);
  return typeof log === 'string' ? null : await log.needed();
}

/** The kernel reads that far ahead in the log (MAXBUF of recovery.c), bytes. */
const readAhead = 128 * 1024;

const refused = (problem: string): Replay => ({ blocks: new Map(), problem });

/** Sequence numbers wrap. */
const isAfter = (a: number, b: number): boolean => ((a - b) | 0) > 0;

interface Transaction {
  readonly sequence: number;
  readonly descriptors: number[];
  readonly revokes: number[];
}

class Log {
  readonly #context: ExtVolume;
  readonly #journal: JournalSuperblock;
  /** Runs of the journal's inode, ascending. */
  readonly #runs: readonly { block: number; length: number; start: number }[];

  private constructor(
    context: ExtVolume,
    journal: JournalSuperblock,
    runs: readonly { block: number; length: number; start: number }[],
  ) {
    this.#context = context;
    this.#journal = journal;
    this.#runs = runs;
  }

  static async open(context: ExtVolume, inode: ExtInode): Promise<Log | string> {
    const { blockSize } = context.sb;
    const runs: { block: number; length: number; start: number }[] = [];
    for await (const { block, length, start } of mappedBlocks(context, inode)) {
      const next = runs.at(-1);
      if (start === null || block !== (next === undefined ? 0 : next.block + next.length)) break;
      runs.push({ block, length, start });
    }
    const [first] = runs;
    const last = runs.at(-1);
    if (first === undefined || last === undefined) return 'The journal has no blocks';
    const bytes = await readBytes(context.volume, first.start * blockSize, blockSize);
    const journal = parseJournalSuperblock(bytes, last.block + last.length);
    return typeof journal === 'string' ? journal : new Log(context, journal, runs);
  }

  async replay(): Promise<Replay> {
    const journal = this.#journal;
    if (journal.asyncCommit && journal.checksums === 0) {
      return refused('The journal has commits that only checksums of an old kind tell whole');
    }
    const { transactions } = await this.#scan();
    const next = journal.sequence + transactions.length;
    if (journal.fastCommits > 0 && fastCommitOf(await this.#read(journal.end)) === next >>> 0) {
      return refused('The journal holds fast commits');
    }
    const revoked = new Map<number, number>();
    for (const { sequence, revokes } of transactions) {
      for (const at of revokes) {
        for (const block of revokedBy(journal, await this.#read(at))) revoked.set(block, sequence);
      }
    }
    const blocks = new Map<number, Replayed>();
    for (const { sequence, descriptors } of transactions) {
      for (const at of descriptors) {
        let from = at;
        for (const tag of tagsOf(journal, await this.#read(at))) {
          from = this.#after(from);
          const taken = revoked.get(tag.block);
          if (taken !== undefined && !isAfter(sequence, taken)) continue;
          if (!inside(this.#context, tag.block, 1) && tag.block !== 0) {
            return refused('The journal names a block outside the file system');
          }
          if (!tagSumAgrees(journal, tag, { sequence, bytes: await this.#read(from) })) {
            return refused('The checksum of a block in the journal is wrong');
          }
          blocks.set(tag.block, { from: this.#place(from), escaped: tag.escaped });
        }
      }
    }
    return { blocks, problem: null };
  }

  async needed(): Promise<Extent[]> {
    const { first, start, end, fastCommits } = this.#journal;
    const blocks: Extent[] = [{ start: 0, length: 1 }];
    if (fastCommits > 0) blocks.push({ start: end, length: fastCommits });
    if (start !== 0) {
      const ahead = readAhead / this.#context.sb.blockSize;
      const length = Math.min(end - first, (await this.#scan()).length + ahead);
      const before = Math.min(length, end - start);
      blocks.push({ start, length: before }, { start: first, length: length - before });
    }
    return this.#runs.flatMap((run) =>
      intersect(normalize(blocks), [{ start: run.block, length: run.length }]).map((part) => ({
        start: run.start + part.start - run.block,
        length: part.length,
      })),
    );
  }

  /** The whole transactions, in order, and how many blocks of the ring were looked at for them. */
  async #scan(): Promise<{ transactions: Transaction[]; length: number }> {
    const journal = this.#journal;
    const out: Transaction[] = [];
    if (journal.start === 0) return { transactions: out, length: 0 };
    let { sequence } = journal;
    let open: Transaction = { sequence, descriptors: [], revokes: [] };
    let at = journal.start;
    // Each step goes on by a block at least; a log that has come round was written without an end.
    const all = journal.end - journal.first;
    let left = all;
    while (left > 0) {
      const bytes = await this.#read(at);
      if (bytes.readUInt32BE(0) !== journalMagic || bytes.readUInt32BE(8) !== sequence) break;
      const type = bytes.readUInt32BE(4);
      if (!blockSumAgrees(journal, type, bytes)) break;
      let length = 1;
      if (type === blockTypes.descriptor) {
        open.descriptors.push(at);
        length += tagsOf(journal, bytes).length;
      } else if (type === blockTypes.revoke) open.revokes.push(at);
      else if (type === blockTypes.commit) {
        out.push(open);
        sequence = (sequence + 1) >>> 0;
        open = { sequence, descriptors: [], revokes: [] };
      } else break;
      left -= length;
      at = this.#after(at, length);
    }
    return { transactions: out, length: Math.min(all, all - left + 1) };
  }

  #after(at: number, length = 1): number {
    const { first, end } = this.#journal;
    return at + length < end ? at + length : first + ((at + length - end) % (end - first));
  }

  /** The block of the volume where a block of the journal lies. */
  #place(at: number): number {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#runs[middle]!.block <= at) low = middle;
      else high = middle - 1;
    }
    const run = this.#runs[low]!;
    return run.start + at - run.block;
  }

  async #read(at: number): Promise<Buffer> {
    const { blockSize } = this.#context.sb;
    return await readBytes(this.#context.volume, this.#place(at) * blockSize, blockSize);
  }
}
