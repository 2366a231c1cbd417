import { pageAligned } from '../bytes/index.ts';
import { lockMemory } from '../system/index.ts';
import type { BufferReport } from '../progress/index.ts';
import type { Buffering } from './medium.ts';

/** A record in the buffer. Addresses only ever grow; where one lies in the memory is its rest by the size. */
interface Held<Tag> {
  readonly start: number;
  readonly length: number;
  readonly tag: Tag;
}

/** Direct I/O of a tape driver wants whole pages. */
const grid = 4096;

/**
 * Records between who makes them and a drive that must not wait: one piece of memory that is locked into RAM
 * and used round and round. Taking begins when it is filled to its mark, goes on at the drive's own speed
 * until it is empty, and then waits for the mark again: a drive that cannot be fed at its lowest speed stops
 * seldom, and starts with a full buffer.
 */
export class RecordRing<Tag> {
  readonly #memory: Buffer;
  readonly #mark: number;
  readonly #take: (record: Buffer, tag: Tag) => Promise<void>;
  readonly #held: Held<Tag>[] = [];
  /** Address behind the newest record. */
  #head = 0;
  #taking: Promise<void> | null = null;
  #flushing = false;
  #failure: { error: unknown } | null = null;
  #wake: (() => void) | null = null;
  #underruns = 0;

  /** `take` gets the records one after the other; the bytes are its own only until it resolves. */
  constructor(
    { bytes, start }: Buffering,
    longestRecord: number,
    take: (record: Buffer, tag: Tag) => Promise<void>,
  ) {
    const size = Math.max(bytes, 4 * longestRecord);
    this.#memory = pageAligned(Math.ceil(size / grid) * grid);
    lockMemory(this.#memory);
    this.#mark = Math.min(start * this.#memory.length, this.#memory.length - 2 * longestRecord);
    this.#take = take;
  }

  get #used(): number {
    return this.#head - (this.#held[0]?.start ?? this.#head);
  }

  get report(): BufferReport {
    return { fill: this.#used / this.#memory.length, underruns: this.#underruns };
  }

  /** Takes a copy of a record; resolves when it has room. Throws what `take` threw. */
  async put(pieces: readonly Uint8Array[], tag: Tag): Promise<void> {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const start = await this.#room(length);
    let at = start % this.#memory.length;
    for (const piece of pieces) {
      this.#memory.set(piece, at);
      at += piece.length;
    }
    this.#held.push({ start, length, tag });
    if (this.#used >= this.#mark) this.#begin();
  }

  /** The address of a free run of `length` bytes that does not go around the end of the memory. */
  async #room(length: number): Promise<number> {
    const size = Math.ceil(length / grid) * grid;
    const { length: whole } = this.#memory;
    for (;;) {
      this.#throwFailure();
      const place = this.#head % whole;
      const start = place + size > whole ? this.#head + whole - place : this.#head;
      if (start + size - (this.#held[0]?.start ?? start) <= whole) {
        this.#head = start + size;
        return start;
      }
      this.#begin();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #begin(): void {
    this.#taking ??= this.#run().catch((error: unknown) => {
      this.#failure = { error };
      this.#taking = null;
      this.#wake?.();
    });
  }

  async #run(): Promise<void> {
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      const place = next.start % this.#memory.length;
      await this.#take(this.#memory.subarray(place, place + next.length), next.tag);
      this.#held.shift();
      this.#wake?.();
    }
    this.#taking = null;
    if (!this.#flushing) this.#underruns++;
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Resolves when every record was taken. Throws what `take` threw. */
  async flush(): Promise<void> {
    this.#throwFailure();
    this.#flushing = true;
    if (this.#held.length > 0) this.#begin();
    await this.#taking;
    this.#flushing = false;
    this.#throwFailure();
  }

  /** Waits for the record that is being taken; the others are dropped. */
  async stop(): Promise<void> {
    this.#held.splice(1);
    this.#flushing = true;
    await this.#taking;
    this.#held.length = 0;
  }
}
