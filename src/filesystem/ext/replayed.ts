import type { BlockDevice } from '../../disk/block-device.ts';
import { readBytes } from '../reading.ts';
import { journalMagic } from './journal-block.ts';
import type { Replay } from './journal.ts';

const refuse = (): Promise<never> => Promise.reject(new Error('a file system driver never writes'));

/** A volume as it would be once its journal had been replayed; nothing is written and little is held in memory. */
export class ReplayedVolume implements Pick<BlockDevice, 'name' | 'size' | 'sectorSize' | 'read'> {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #volume: BlockDevice;
  readonly #blockSize: number;
  readonly #replay: Replay;
  /** Blocks of the file system that lie in the journal, ascending. */
  readonly #sorted: Float64Array;

  constructor(volume: BlockDevice, blockSize: number, replay: Replay) {
    this.name = volume.name;
    this.size = volume.size;
    this.sectorSize = volume.sectorSize;
    this.#volume = volume;
    this.#blockSize = blockSize;
    this.#replay = replay;
    this.#sorted = Float64Array.from(replay.blocks.keys()).toSorted();
  }

  async read(target: Uint8Array, offset: number): Promise<void> {
    const size = this.#blockSize;
    const end = offset + target.length;
    let at = offset;
    // What lies in the journal is not read at home: its place there need not be in the control set yet.
    for (const block of this.#within(Math.floor(offset / size), Math.ceil(end / size))) {
      const from = Math.max(offset, block * size);
      const to = Math.min(end, (block + 1) * size);
      if (from > at) target.set(await readBytes(this.#volume, at, from - at), at - offset);
      target.set(
        (await this.#content(block)).subarray(from - block * size, to - block * size),
        from - offset,
      );
      at = to;
    }
    if (at === offset) await this.#volume.read(target, offset);
    else if (at < end) target.set(await readBytes(this.#volume, at, end - at), at - offset);
  }

  /** The blocks of `[from, to)` that lie in the journal, ascending. */
  *#within(from: number, to: number): Generator<number> {
    for (let at = this.#firstFrom(from); at < this.#sorted.length && this.#sorted[at]! < to; at++) {
      yield this.#sorted[at]!;
    }
  }

  /** `[from, to)` in pieces: runs of blocks whose content lies at home, and single ones whose content comes with them. */
  async *pieces(
    from: number,
    to: number,
  ): AsyncGenerator<{ start: number; length: number; bytes: Buffer | null }> {
    let at = from;
    for (const block of this.#within(from, to)) {
      if (block > at) yield { start: at, length: block - at, bytes: null };
      yield { start: block, length: 1, bytes: await this.#content(block) };
      at = block + 1;
    }
    if (at < to) yield { start: at, length: to - at, bytes: null };
  }

  async #content(block: number): Promise<Buffer> {
    const { from, escaped } = this.#replay.blocks.get(block)!;
    const bytes = await readBytes(this.#volume, from * this.#blockSize, this.#blockSize);
    if (escaped) bytes.writeUInt32BE(journalMagic, 0);
    return bytes;
  }

  #firstFrom(block: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]! < block) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** As a device, of which nothing else is used. */
  device(): BlockDevice {
    return {
      name: this.name,
      size: this.size,
      sectorSize: this.sectorSize,
      read: (target, offset) => this.read(target, offset),
      write: refuse,
      writeZeroes: refuse,
      discard: refuse,
      flush: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
  }
}
