import type { ReadResult, TapeDrive } from '../tape/index.ts';
import { isCoded, type RemetalError } from '../errors/index.ts';

/** One block, or how its reading ended. */
export interface ReadBlock {
  /** Its number in the file. */
  readonly block: number;
  readonly result: ReadResult | RemetalError;
}

/** Blocks asked for one after the other before reading runs ahead: a single record is not worth it. */
const inARow = 3;

/**
 * Reads a file of a tape in its order, ahead of who takes the blocks: until the buffer is full, then not
 * before it is half empty, so that the drive runs in long stretches. The buffer grows with what was taken. A block that cannot be read is handed
 * out as its error, and reading goes on behind it.
 */
export class ReadAhead {
  readonly #drive: TapeDrive;
  readonly #bytes: number;
  readonly #ready: ReadBlock[] = [];
  #held = 0;
  /** The block `take` gives next, and the one the drive reads next. */
  #next = 0;
  #ahead = 0;
  #taken = 0;
  #takenBytes = 0;
  #ended = false;
  #end: 'filemark' | 'end' | null = null;
  #reading: Promise<void> | null = null;
  #failure: { error: unknown } | null = null;
  #stopping = false;
  #wake: (() => void) | null = null;

  /** The drive stands at block `block`; `bytes` bound what is held. */
  constructor(drive: TapeDrive, block: number, bytes: number) {
    this.#drive = drive;
    this.#bytes = bytes;
    this.#next = block;
    this.#ahead = block;
  }

  /* Who has taken a few blocks may go elsewhere now; who has taken many goes on. */
  get #limit(): number {
    return Math.min(this.#bytes, 2 * this.#takenBytes);
  }

  /** The block that `take` gives next. */
  get next(): number {
    return this.#next;
  }

  /** Whether the end of the file is what `take` gives from now on. */
  get isAtEnd(): boolean {
    return this.#end !== null && this.#ready.length === 0;
  }

  /** Goes on to a block that was read already; false where it was not. */
  skipTo(block: number): boolean {
    if (block < this.#next || block > this.#ahead) return false;
    while (this.#next < block) this.#drop();
    return true;
  }

  #drop(): void {
    const dropped = this.#ready.shift();
    if (dropped !== undefined && Buffer.isBuffer(dropped.result)) this.#held -= dropped.result.length;
    this.#next++;
  }

  /** The next block. Throws what the drive throws; not for a block that cannot be read. */
  async take(): Promise<ReadBlock> {
    while (this.#ready.length === 0) {
      // What lies behind the end of the file is another file.
      if (this.#end !== null) return { block: this.#next, result: this.#end };
      if (this.#failure !== null) throw this.#failure.error;
      if (this.#reading === null) await this.#read();
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
    const taken = this.#ready[0]!;
    this.#drop();
    this.#taken++;
    if (Buffer.isBuffer(taken.result)) this.#takenBytes += taken.result.length;
    if (this.#reading === null && !this.#ended && this.#taken >= inARow && this.#held <= this.#limit / 2) {
      this.#reading = this.#run()
        .catch((error: unknown) => {
          this.#failure = { error };
        })
        .finally(() => {
          this.#reading = null;
          this.#wake?.();
        });
    }
    return taken;
  }

  async #run(): Promise<void> {
    while (!this.#stopping && !this.#ended && this.#held < this.#limit) {
      await this.#read();
      this.#wake?.();
    }
  }

  async #read(): Promise<void> {
    const block = this.#ahead;
    let result: ReadBlock['result'];
    try {
      result = await this.#readAtMostTwice();
    } catch (error) {
      if (!isCoded(error)) throw error;
      result = error;
      this.#ended = error.code !== 'block-unreadable';
      if (!this.#ended) await this.#drive.skip();
    }
    if (result === 'filemark' || result === 'end') {
      this.#ended = true;
      this.#end = result;
    }
    if (Buffer.isBuffer(result)) this.#held += result.length;
    this.#ready.push({ block, result });
    this.#ahead++;
  }

  /* A drive that was reset tells of that in place of the block, which is there when it is asked for again. */
  async #readAtMostTwice(): Promise<ReadResult> {
    try {
      return await this.#drive.read();
    } catch (error) {
      if (!isCoded(error, 'block-unreadable')) throw error;
      return await this.#drive.read();
    }
  }

  /** Waits until the drive does nothing any more; what was read ahead is dropped. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#reading;
    this.#ready.length = 0;
  }
}
