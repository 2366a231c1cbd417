import { deserialize, serialize } from 'node:v8';
import type { ExtendedAttribute, TreeFile } from '../../filesystem/index.ts';
import type { RawPath } from './safe-path.ts';
import type { Scratch } from './scratch.ts';

/** What is known of a file until it is done. */
export interface Entry {
  readonly file: TreeFile;
  readonly attributes: readonly ExtendedAttribute[];
  /** Where it is written, below the folder. */
  readonly place: RawPath;
}

/** How far a file is. */
export const fileStates = { open: 0, done: 1, failed: 2, damaged: 3, folder: 4, kept: 5 } as const;
export type FileState = (typeof fileStates)[keyof typeof fileStates];

const bufferedBytes = 256 * 1024;

/**
 * The files of an extraction. What is told of them lies in a temporary file; in memory each takes 25 bytes, whatever
 * its name and attributes.
 */
export class Catalogue {
  readonly #scratch: Scratch;
  #count = 0;
  #places = new Float64Array(1024);
  #lengths = new Float64Array(1024);
  #outstanding = new Float64Array(1024);
  #states = new Uint8Array(1024);
  #waiting: Buffer[] = [];
  #waitingBytes = 0;

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  get size(): number {
    return this.#count;
  }

  /** Adds a file and gives its number. */
  async add(entry: Entry, state: FileState): Promise<number> {
    if (this.#count === this.#states.length) this.#grow();
    const bytes = serialize(entry);
    this.#places[this.#count] = this.#scratch.size + this.#waitingBytes;
    this.#lengths[this.#count] = bytes.length;
    this.#states[this.#count] = state;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > bufferedBytes) await this.#flush();
    return this.#count++;
  }

  async entry(number: number): Promise<Entry> {
    await this.#flush();
    const bytes = Buffer.alloc(this.#lengths[number]!);
    this.#scratch.read(bytes, this.#places[number]!);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what `add` wrote
    const entry = deserialize(bytes) as Entry;
    // Bytes come back as plain arrays of them.
    return {
      ...entry,
      file: { ...entry.file, rawPath: entry.file.rawPath === null ? null : Buffer.from(entry.file.rawPath) },
    };
  }

  state(number: number): FileState {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only states are kept
    return this.#states[number]! as FileState;
  }

  setState(number: number, state: FileState): void {
    this.#states[number] = state;
  }

  /** Bytes of the file that are still to come, changed by so many. */
  owe(number: number, bytes: number): number {
    this.#outstanding[number]! += bytes;
    return this.#outstanding[number]!;
  }

  async close(): Promise<void> {
    await this.#scratch.close();
  }

  async #flush(): Promise<void> {
    if (this.#waitingBytes === 0) return;
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.#scratch.append(bytes);
  }

  #grow(): void {
    const size = this.#states.length * 2;
    const larger = (old: Float64Array): Float64Array<ArrayBuffer> => {
      const grown = new Float64Array(size);
      grown.set(old);
      return grown;
    };
    this.#places = larger(this.#places);
    this.#lengths = larger(this.#lengths);
    this.#outstanding = larger(this.#outstanding);
    const states = new Uint8Array(size);
    states.set(this.#states);
    this.#states = states;
  }
}
