import { decodeUstar, padded, tarBlock } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { closingRecordSize, type RecordPlace, type RecordSource } from './medium.ts';

/** The bytes of one part. */
export interface PartReader {
  readonly size: number;
  /** Fills `target` from `offset`; throws `medium-failed` when it cannot. */
  read(target: Buffer, offset: number): Promise<void>;
  close(): Promise<void>;
}

export interface PartSourceOptions {
  /** For messages: the set and its medium. */
  readonly name: string;
  readonly committed: boolean;
  /** Longest record that may be read, bytes; anything that claims more is damaged. */
  readonly recordLimit: number;
  /** Opens part `number`, or null where it is missing. */
  readonly parts: readonly ((() => Promise<PartReader>) | null)[];
  /** Bytes of all parts. */
  readonly bytes: number;
}

/** Bytes read at a time. Large, because small reads cost a rotating disk and a network mount dearly. */
const chunkLength = 4 * 1024 * 1024;
/** Room kept in front of a chunk for the beginning of a record that the chunk before ended with. */
const headroom = 1024 * 1024;
/** Zeros that may follow the end of a tar, as other programs pad it. */
const maxTrailingZeros = 64 * 1024;

/** How much of a member that begins at `at` must be in `buffer` to tell its length, and whether that is all; null where none begins. Layout: docs/format.md, "Members". */
function memberLength(buffer: Buffer, at: number): { need: number; whole: boolean } | null {
  const extended = decodeUstar(buffer, at);
  if (extended === null || extended.type !== 'x') return null;
  const second = tarBlock + padded(extended.size);
  if (at + second + tarBlock > buffer.length) return { need: second + tarBlock, whole: false };
  const file = decodeUstar(buffer, at + second);
  if (file === null || file.type !== '0') return null;
  return { need: second + tarBlock + padded(file.size), whole: true };
}

interface Chunk {
  /** Offset in the part of the first byte after the headroom. */
  readonly offset: number;
  readonly buffer: Buffer;
  readonly length: number;
}

/** Cuts the records out of parts that are byte sequences, reading one chunk ahead. */
export class PartSource implements RecordSource {
  readonly #options: PartSourceOptions;
  #part = 0;
  #reader: PartReader | null = null;
  /** What is in memory: `window` begins at `windowStart` of the part. */
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;
  #ahead: { offset: number; chunk: Promise<Chunk> } | null = null;
  #at = 0;
  #lost = false;
  #place: RecordPlace = { part: 0, offset: 0 };

  constructor(options: PartSourceOptions) {
    this.#options = options;
  }

  get parts(): number {
    return this.#options.parts.length;
  }

  get missing(): number[] {
    return this.#options.parts.flatMap((part, number) => (part === null ? [number] : []));
  }

  get committed(): boolean {
    return this.#options.committed;
  }

  get bytes(): number {
    return this.#options.bytes;
  }

  get place(): RecordPlace {
    return this.#place;
  }

  async #open(): Promise<PartReader> {
    if (this.#reader !== null) return this.#reader;
    const open = this.#options.parts[this.#part];
    if (open === undefined || open === null) {
      throw new RemetalError(
        'part-missing',
        `Part ${this.#part + 1} of ${this.#options.name} is not there.`,
        {
          hint: 'Bring the part back beside the others, then run the command again.',
          facts: { part: this.#part + 1, parts: this.parts },
        },
      );
    }
    this.#reader = await open();
    return this.#reader;
  }

  async seek(place: RecordPlace): Promise<void> {
    if (place.part !== this.#part) {
      await this.#leave();
      this.#part = place.part;
    }
    await this.#open();
    this.#at = place.offset;
    this.#lost = false;
  }

  async #leave(): Promise<void> {
    const { chunk } = this.#ahead ?? {};
    this.#ahead = null;
    await chunk?.catch(() => {});
    this.#window = Buffer.alloc(0);
    this.#windowStart = 0;
    const reader = this.#reader;
    this.#reader = null;
    await reader?.close();
  }

  async close(): Promise<void> {
    await this.#leave();
  }

  #readChunk(reader: PartReader, offset: number): Promise<Chunk> {
    const length = Math.min(chunkLength, reader.size - offset);
    const buffer = Buffer.allocUnsafeSlow(headroom + length);
    return reader.read(buffer.subarray(headroom), offset).then(() => ({ offset, buffer, length }));
  }

  /** Makes `[at, at + length)` of the part lie in the window; false when the part ends before. */
  async #ensure(at: number, length: number): Promise<boolean> {
    const reader = await this.#open();
    if (at + length > reader.size) return false;
    while (at < this.#windowStart || at + length > this.#windowStart + this.#window.length) {
      const end = this.#windowStart + this.#window.length;
      const follows = at >= this.#windowStart && at <= end;
      await this.#load(
        reader,
        follows ? end : at,
        follows ? this.#window.subarray(at - this.#windowStart) : null,
      );
    }
    return true;
  }

  /** Reads the chunk at `offset`; `carry` is what of the window before it is still wanted. */
  async #load(reader: PartReader, offset: number, carry: Buffer | null): Promise<void> {
    const pending = this.#ahead?.offset === offset ? this.#ahead.chunk : this.#readChunk(reader, offset);
    if (this.#ahead !== null && this.#ahead.chunk !== pending) await this.#ahead.chunk.catch(() => {});
    this.#ahead = null;
    const chunk = await pending;
    const next = chunk.offset + chunk.length;
    if (next < reader.size) {
      const ahead = this.#readChunk(reader, next);
      ahead.catch(() => {});
      this.#ahead = { offset: next, chunk: ahead };
    }
    const kept = carry?.length ?? 0;
    if (kept <= headroom) {
      carry?.copy(chunk.buffer, headroom - kept);
      this.#window = chunk.buffer.subarray(headroom - kept);
    } else {
      this.#window = Buffer.concat([carry!, chunk.buffer.subarray(headroom)]);
    }
    this.#windowStart = chunk.offset - kept;
  }

  /** Length of the record at `at`, null when none begins there, `torn` when the part ends inside it. */
  async #measure(at: number): Promise<number | 'torn' | null> {
    let need = tarBlock;
    for (;;) {
      if (need > this.#options.recordLimit) return null;
      if (!(await this.#ensure(at, need))) return 'torn';
      const found = memberLength(
        this.#window.subarray(0, at - this.#windowStart + need),
        at - this.#windowStart,
      );
      if (found === null) return null;
      if (found.whole && found.need <= need) return found.need;
      need = found.need;
    }
  }

  /** True when nothing but zeros follows: the end of the tar. */
  async #atEnd(): Promise<boolean> {
    const { size } = await this.#open();
    const rest = size - this.#at;
    if (rest <= 0) return true;
    if (rest > maxTrailingZeros || !(await this.#ensure(this.#at, rest))) return false;
    const from = this.#at - this.#windowStart;
    const first = this.#window[from];
    return first === 0 && this.#window.subarray(from, from + rest).every((byte) => byte === 0);
  }

  async next(): Promise<Buffer | null> {
    const { size } = await this.#open();
    for (;;) {
      this.#place = { part: this.#part, offset: this.#at };
      if (await this.#atEnd()) return null;
      const length = await this.#measure(this.#at);
      if (typeof length === 'number') {
        const from = this.#at - this.#windowStart;
        this.#at += length;
        this.#lost = false;
        return this.#window.subarray(from, from + length);
      }
      if (this.#lost) {
        this.#at += tarBlock;
        continue;
      }
      if (length === 'torn') {
        this.#at = size;
        throw this.#problem('set-truncated', 'ends in the middle of a record');
      }
      this.#lost = true;
      this.#at += tarBlock;
      throw this.#problem('record-damaged', 'has no record where one should begin');
    }
  }

  #problem(code: 'set-truncated' | 'record-damaged', what: string): RemetalError {
    const { part, offset } = this.#place;
    return new RemetalError(code, `Part ${part + 1} of ${this.#options.name} ${what}.`, {
      facts: { part: part + 1, offset },
    });
  }

  async last(): Promise<Buffer | null> {
    const part = this.parts - 1;
    if (part < 0 || this.#options.parts[part] === null) return null;
    await this.seek({ part, offset: 0 });
    const { size } = await this.#open();
    const from = Math.max(0, Math.floor((size - maxTrailingZeros) / tarBlock) * tarBlock);
    if (size === 0 || !(await this.#ensure(from, size - from))) return null;
    const tail = this.#window.subarray(from - this.#windowStart, size - this.#windowStart);
    let end = tail.length;
    while (end > 0 && tail[end - 1] === 0) end--;
    const at = from + padded(end) - closingRecordSize;
    if (at < 0 || (await this.#measure(at)) !== closingRecordSize) return null;
    this.#at = at;
    return this.next();
  }
}
