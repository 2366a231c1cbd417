import { openSpill, type Spill } from './spill.ts';

/** Memory is taken in pieces of this, bytes. */
const pieceSize = 1024 * 1024;

/** How slots are kept: so many in memory, the further ones in a file that is opened once it is needed. */
export interface StoreOptions {
  readonly clusterSize: number;
  readonly memoryBytes: number;
  readonly folder: string;
  /** How far the file may grow. */
  readonly mostBytes: number;
}

/** Numbered slots of one cluster each. A run of slots is moved at once where they lie side by side. */
export class ClusterStore {
  readonly #options: StoreOptions;
  readonly #inMemory: number;
  readonly #pieces: Buffer[] = [];
  readonly #free: number[] = [];
  #used = 0;
  #next = 0;
  #spill: Promise<Spill> | null = null;

  constructor(options: StoreOptions) {
    this.#options = options;
    const { clusterSize, memoryBytes } = options;
    const perPiece = pieceSize / clusterSize;
    this.#inMemory = Math.floor(memoryBytes / clusterSize / perPiece) * perPiece;
  }

  /** Slots that are taken. */
  get used(): number {
    return this.#used;
  }

  /** Takes a slot, which may hold anything. */
  take(): number {
    this.#used++;
    return this.#free.pop() ?? this.#next++;
  }

  give(slot: number): void {
    this.#used--;
    this.#free.push(slot);
  }

  /** How many of `slots` from `from` on can be moved as one. */
  run(slots: readonly number[], from: number): number {
    let count = 1;
    const first = slots[from]!;
    const perPiece = pieceSize / this.#options.clusterSize;
    while (slots[from + count] === first + count) {
      const end = first + count;
      if (end === this.#inMemory || (end < this.#inMemory && end % perPiece === 0)) break;
      count++;
    }
    return count;
  }

  /** @param within Bytes into the slot. */
  async read(slot: number, within: number, target: Uint8Array): Promise<void> {
    if (slot < this.#inMemory) target.set(this.#memory(slot, within, target.length));
    else await (await this.#file()).read(this.#at(slot) + within, target);
  }

  async write(slot: number, within: number, source: Uint8Array): Promise<void> {
    if (slot < this.#inMemory) this.#memory(slot, within, source.length).set(source);
    else await (await this.#file()).write(this.#at(slot) + within, source);
  }

  async close(): Promise<void> {
    this.#pieces.length = 0;
    await (await this.#spill)?.close();
  }

  #memory(slot: number, within: number, length: number): Buffer {
    const at = slot * this.#options.clusterSize + within;
    const piece = (this.#pieces[Math.floor(at / pieceSize)] ??= Buffer.allocUnsafeSlow(pieceSize));
    return piece.subarray(at % pieceSize, (at % pieceSize) + length);
  }

  #at(slot: number): number {
    return (slot - this.#inMemory) * this.#options.clusterSize;
  }

  async #file(): Promise<Spill> {
    const { folder, mostBytes } = this.#options;
    this.#spill ??= openSpill({ folder, mostBytes });
    return await this.#spill;
  }
}
