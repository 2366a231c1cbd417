import type { Spool } from './spool.ts';
import { checksumLength } from './structures.ts';

/** Sums gathered before they are spooled, and read ahead of the one asked for. */
const perWindow = 4096;

/** The table of sums of a set while it grows or while it is compared with: 16 bytes a cell. */
export class SumTable {
  readonly #spool: Spool;
  readonly #gathered = Buffer.alloc(perWindow * checksumLength);
  #inHand = 0;
  #window: Buffer = Buffer.alloc(0);
  #windowAt = 0;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  get count(): number {
    return this.#spool.length / checksumLength + this.#inHand;
  }

  /** Adds sums, each of 16 bytes, one behind the other. */
  async push(sums: Uint8Array): Promise<void> {
    for (let at = 0; at < sums.length; at += checksumLength) {
      this.#gathered.set(sums.subarray(at, at + checksumLength), this.#inHand * checksumLength);
      if (++this.#inHand === perWindow) await this.flush();
    }
  }

  /** To be called between the last `push` and reading. */
  async flush(): Promise<void> {
    if (this.#inHand === 0) return;
    await this.#spool.append(this.#gathered.subarray(0, this.#inHand * checksumLength));
    this.#inHand = 0;
  }

  /** The sum of an entry; entries asked for in ascending order cost least. */
  async get(entry: number): Promise<Buffer> {
    const at = entry * checksumLength;
    if (at < this.#windowAt || at >= this.#windowAt + this.#window.length) {
      const length = Math.min(perWindow * checksumLength, this.#spool.length - at);
      this.#window = await this.#spool.read(at, length);
      this.#windowAt = at;
    }
    return this.#window.subarray(at - this.#windowAt, at - this.#windowAt + checksumLength);
  }

  /** The table in pieces of `pieceLength` bytes, a multiple of 16. */
  async *pieces(pieceLength: number): AsyncGenerator<{ firstEntry: number; bytes: Buffer }, void, undefined> {
    for (let at = 0; at < this.#spool.length; at += pieceLength) {
      const bytes = await this.#spool.read(at, Math.min(pieceLength, this.#spool.length - at));
      yield { firstEntry: at / checksumLength, bytes };
    }
  }

  async close(): Promise<void> {
    await this.#spool.close();
  }
}
