import { decodePaxMember } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { DriveSource } from './drive-turns.ts';
import type { RecordPlace } from './medium.ts';
import { isTarEnd, type Cartridges, type FileTail, type PartKnown } from '../tape/index.ts';
import { ReadAhead } from './read-ahead.ts';

/** A set as far as the cartridges seen tell of it. */
export interface SetOnTape {
  readonly name: string;
  readonly setId: string;
  /** The parts seen, by their numbers. */
  readonly parts: readonly PartKnown[];
  /** False for what an interrupted backup left. */
  readonly committed: boolean;
}

/** How the record that closes a part which goes on is named. */
const moreSuffix = '.more.json';
/** Bytes ahead that are rather read over than jumped over: a drive reads them in the time a jump takes to begin. */
const nearbyBytes = 16 * 1024 * 1024;
/** The least a block is taken for, bytes: those of groups are longer than the ones met before them. */
const shortestBlock = 512 * 1024;
/** As few blocks are read over however long they are. */
const fewestNearby = 8;
/** Records before the end of a set that are read with the one that closes it, and their bytes. */
const tailRecords = 64;
const tailBytes = 32 * 1024 * 1024;
/** Records read elsewhere after which these are let go of. */
const tailPatience = 256;
/** No set is larger: bounds what a reader allocates for what a record says of itself. */
const largestSet = 2 ** 46;

/** What a block of a part is, by the name of its tar member. */
function kindOf(block: Buffer): 'record' | 'more' | 'end-of-tar' | 'none' {
  if (isTarEnd(block)) return 'end-of-tar';
  const member = decodePaxMember(block);
  if (member === null) return 'none';
  return member.name.endsWith(moreSuffix) ? 'more' : 'record';
}

/** The records of a set on tape: every block is one, and its number in the file tells its ordinal. */
export class TapeSource implements DriveSource {
  readonly committed: boolean;
  readonly missing: readonly number[] = [];
  readonly bytes = largestSet;
  readonly #cartridges: Cartridges;
  readonly #set: SetOnTape;
  readonly #aheadBytes: number;
  /** First ordinals of the parts known, by number from 0. */
  readonly #firsts = new Map<number, number>();
  #parts: number;
  #part = -1;
  #file = 0;
  #ahead: ReadAhead | null = null;
  #place: RecordPlace = { part: 0, offset: 0 };
  /** Bytes of the blocks before in the file; unknown once some were passed over. */
  #offset = 0;
  #repositionings = 0;
  /** Where it stood when it let the drive go. */
  #left: { readonly part: number; readonly block: number } | null = null;
  /** Of the blocks met, bytes. */
  #longest = 0;
  /** The end of the set, once `last` was there: by ordinal. */
  readonly #tail = new Map<number, Buffer>();
  #readElsewhere = 0;

  constructor(cartridges: Cartridges, set: SetOnTape, aheadBytes: number) {
    this.#cartridges = cartridges;
    this.#set = set;
    this.#aheadBytes = aheadBytes;
    this.committed = set.committed;
    this.#parts = Math.max(1, ...set.parts.map(({ part, ends }) => part + (ends === 'part' ? 1 : 0)));
    for (const { part, firstOrdinal } of set.parts) {
      if (firstOrdinal !== undefined) this.#firsts.set(part - 1, firstOrdinal);
    }
  }

  /** Parts known so far: more may follow until the last one was seen. */
  get parts(): number {
    return this.#parts;
  }

  get place(): RecordPlace {
    return this.#place;
  }

  /** Times the tape was sent to another place within a part. */
  get repositionings(): number {
    return this.#repositionings;
  }

  async #enter(part: number): Promise<ReadAhead> {
    await this.#leave();
    const { name: set, setId } = this.#set;
    const { contents } = await this.#cartridges.forReading({ set, setId, part: part + 1 });
    const found = contents.parts.find(
      (one) => one.setId === setId && one.set === set && one.part === part + 1,
    );
    const { drive } = this.#cartridges;
    if (found === undefined || !(await drive.toFile(found.file))) {
      throw new RemetalError('part-missing', `Part ${part + 1} of ${set} is not on the cartridge.`, {
        facts: { set, part: part + 1 },
      });
    }
    this.#left = null;
    this.#part = part;
    this.#file = found.file;
    this.#firsts.set(part, found.firstOrdinal);
    this.#parts = Math.max(this.#parts, part + (found.ends === 'part' ? 2 : 1));
    this.#offset = 0;
    return (this.#ahead = new ReadAhead(drive, 0, this.#aheadBytes));
  }

  async #leave(): Promise<void> {
    await this.#ahead?.stop();
    this.#ahead = null;
    this.#part = -1;
  }

  async seek({ part, offset }: RecordPlace): Promise<void> {
    // Other places than the beginning are found by ordinal; where a reader has lost its way it reads on.
    if (offset === 0 && (part !== this.#part || this.#ahead?.next !== 0)) await this.#enter(part);
  }

  /** The next block of the part as a record; null at its end. */
  async next(): Promise<Buffer | null> {
    const ahead = this.#ahead ?? (await this.#goOn());
    for (;;) {
      const { block, result } = await ahead.take();
      this.#place = { part: this.#part, offset: this.#offset };
      if (result === 'filemark' || result === 'end') return null;
      if (!Buffer.isBuffer(result)) throw this.#damaged(result, block);
      this.#offset += result.length;
      this.#longest = Math.max(this.#longest, result.length);
      const kind = kindOf(result);
      if (kind === 'end-of-tar') continue;
      if (kind === 'more') this.#parts = Math.max(this.#parts, this.#part + 2);
      if (kind !== 'none') return result;
      throw this.#damaged(null, block);
    }
  }

  async letGo(): Promise<void> {
    if (this.#ahead !== null) this.#left = { part: this.#part, block: this.#ahead.next };
    await this.#leave();
  }

  /** To where it stood when it let the drive go, else to the beginning. */
  async #goOn(): Promise<ReadAhead> {
    const left = this.#left;
    const ahead = await this.#enter(left?.part ?? 0);
    if (left === null || left.block === 0) return ahead;
    await this.#goTo(left.block);
    return this.#ahead!;
  }

  #damaged(cause: RemetalError | null, block: number): RemetalError {
    if (cause !== null && cause.code !== 'block-unreadable') return cause;
    const part = this.#part + 1;
    const what = cause === null ? 'is no record' : 'cannot be read';
    return new RemetalError(
      'record-damaged',
      `Block ${block} of part ${part} of ${this.#set.name} ${what}.`,
      {
        facts: { part, block, offset: this.#offset },
        ...(cause === null ? {} : { cause }),
      },
    );
  }

  async record(ordinal: number): Promise<Buffer | null> {
    const kept = this.#tail.get(ordinal);
    if (kept !== undefined) return kept;
    if (++this.#readElsewhere > tailPatience) this.#tail.clear();
    let part = this.#partOf(ordinal);
    for (;;) {
      if (part !== this.#part) await this.#enter(part);
      const block = ordinal - this.#firsts.get(part)! + 1;
      const next = part + 1;
      if (next < this.#parts && !this.#firsts.has(next) && this.#isFar(block)) {
        // Where this part ends only the label of the next one tells.
        await this.#enter(next);
        part = this.#partOf(ordinal);
        continue;
      }
      await this.#goTo(block);
      const member = await this.next();
      if (member !== null && kindOf(member) !== 'more') return member;
      if (part + 1 >= this.#parts) return null;
      part++;
    }
  }

  /** The part that holds an ordinal, as far as it is known; else the last before it. */
  #partOf(ordinal: number): number {
    let found = 0;
    for (const [part, first] of this.#firsts) if (first <= ordinal && part > found) found = part;
    return found;
  }

  /** Whether a block lies further ahead than reading on will bring. */
  #isFar(block: number): boolean {
    const blocks = Math.floor(nearbyBytes / Math.max(shortestBlock, this.#longest));
    const near = Math.max(fewestNearby, blocks);
    return block - this.#ahead!.next > near;
  }

  async #goTo(block: number): Promise<void> {
    const ahead = this.#ahead!;
    if (ahead.next === block || ahead.skipTo(block)) return;
    if (block > ahead.next && !this.#isFar(block)) {
      while (ahead.next < block && !ahead.isAtEnd) await ahead.take();
      return;
    }
    await ahead.stop();
    this.#repositionings++;
    const { drive } = this.#cartridges;
    await drive.toBlock(this.#file, block);
    this.#ahead = new ReadAhead(drive, block, this.#aheadBytes);
  }

  /**
   * What stands before it in the last part comes with it, and `record` then gives it without moving the tape: a set
   * whose block maps come last is opened with one jump.
   */
  async last(): Promise<Buffer | null> {
    const last = (this.#set.parts.find(({ ends }) => ends === 'set')?.part ?? this.#parts) - 1;
    const { drive } = this.#cartridges;
    if (this.#part !== last) await this.#enter(last);
    await this.#ahead?.stop();
    this.#ahead = null;
    const { position } = drive;
    if (position?.file !== this.#file || position.block < 0) await this.#enter(last);
    this.#repositionings++;
    const tail = await drive.tail(tailRecords, tailBytes);
    if (tail === null || tail === 'no-end') {
      this.#part = -1;
      return tail === null ? await drive.lastBlock((block) => !isTarEnd(block)) : null;
    }
    this.#ahead = new ReadAhead(drive, tail.first + tail.blocks.length, this.#aheadBytes);
    this.#keepTail(tail, this.#firsts.get(last)!);
    return this.#closing(tail);
  }

  #keepTail({ first, blocks }: FileTail, firstOrdinal: number): void {
    this.#tail.clear();
    this.#readElsewhere = 0;
    for (const [i, block] of blocks.entries()) {
      // Before the first record stands the label of the part.
      const ordinal = firstOrdinal + first + i - 1;
      if (first + i > 0 && Buffer.isBuffer(block) && kindOf(block) === 'record')
        this.#tail.set(ordinal, block);
    }
  }

  /** The last record of a part, behind which only the end of its tar stands. */
  #closing({ first, blocks }: FileTail): Buffer | null {
    const two = blocks.slice(-2);
    const found = two.findLast((block): block is Buffer => Buffer.isBuffer(block) && !isTarEnd(block));
    if (found !== undefined) return found;
    const unreadable = two.findLast((block) => !Buffer.isBuffer(block));
    if (unreadable === undefined) return null;
    const { name } = this.#set;
    throw new RemetalError(
      'block-unreadable',
      `The end of part ${this.#part + 1} of ${name} cannot be read.`,
      {
        hint: 'Clean the drive and try again; another drive may still read the cartridge.',
        facts: { set: name, part: this.#part + 1, block: first + blocks.length - 1 },
        cause: unreadable,
      },
    );
  }

  async close(): Promise<void> {
    await this.#leave();
  }
}
