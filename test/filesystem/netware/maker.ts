import { memoryDevice, type Watched } from '../devices.ts';
import type { VolumeDefinition } from '../../../src/layout/netware/index.ts';

const recordSize = 128;
const end = 0xff_ff_ff_ff;

const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

export interface MakerOptions {
  readonly blockShift?: number;
  readonly blocks?: number;
  /** Records of the directory; a multiple of those of a block is taken. */
  readonly records?: number;
  readonly version?: 3 | 4;
  readonly volumeFlags?: number;
  readonly nameSpaces?: readonly number[];
  /** Records of the extended directory. */
  readonly extended?: readonly Buffer[];
}

/** Fields of a record: offset, width (BE where negative) and value. */
export type Field = readonly [offset: number, width: 1 | 2 | 4 | -4, value: number];

/** A record made of fields over zeros. */
export function recordOf(...fields: readonly Field[]): Buffer {
  const record = Buffer.alloc(recordSize);
  for (const [offset, width, value] of fields) {
    if (width === -4) record.writeUInt32BE(value, offset);
    else record.writeUIntLE(value, offset, width);
  }
  return record;
}

/** A record with a name. */
export function named(
  parent: number,
  nameSpace: number,
  name: string | Buffer,
  ...fields: readonly Field[]
): Buffer {
  const bytes = Buffer.from(name);
  const record = recordOf([0, 4, parent], [9, 1, 0x18], [10, 1, nameSpace], [11, 1, bytes.length], ...fields);
  bytes.copy(record, 12, 0, nameSpace === 0 ? 12 : nameSpace === 1 ? 32 : nameSpace === 2 ? 40 : 80);
  return record;
}

/**
 * A small volume in memory, record by record and block by block, for what the images do not hold. FAT at block 0
 * and, 256 KiB in, its mirror; the directory behind each.
 */
export class VolumeMaker {
  readonly blockSize: number;
  readonly blocks: number;
  readonly bytes: Buffer;
  readonly definition: VolumeDefinition;
  readonly #fat: Buffer;
  readonly #records: Buffer;
  readonly #fatBlocks: number;
  readonly #directoryBlocks: number;
  readonly #extended: number[][] = [];
  readonly #extendedRecords: Buffer | null;
  #next = 0;

  constructor(options: MakerOptions = {}) {
    const { blockShift = 3, blocks = 256, records = 128, version = 4, nameSpaces = [0] } = options;
    this.blockSize = 512 * 2 ** blockShift;
    this.blocks = blocks;
    this.bytes = Buffer.alloc(blocks * this.blockSize);
    this.#fatBlocks = Math.ceil((blocks * 8) / this.blockSize);
    this.#fat = Buffer.alloc(this.#fatBlocks * this.blockSize);
    this.#directoryBlocks = Math.ceil((records * recordSize) / this.blockSize);
    this.#records = Buffer.alloc(this.#directoryBlocks * this.blockSize);
    for (let at = 0; at < this.#records.length; at += recordSize) this.#records.writeUInt32LE(end, at);
    const gap = (256 * 1024) / this.blockSize;
    const firstDirectory = this.#fatBlocks;
    const mirrorDirectory = gap + this.#fatBlocks;
    this.chain(range(0, this.#fatBlocks));
    this.chain(range(gap, this.#fatBlocks));
    this.chain(range(firstDirectory, this.#directoryBlocks));
    this.chain(range(mirrorDirectory, this.#directoryBlocks));
    this.definition = {
      name: 'MADE',
      blockShift,
      blocks,
      firstFat: 0,
      mirrorFat: gap,
      firstDirectory,
      mirrorDirectory,
      segments: [{ firstBlock: 0, blocks }],
      flags: 0,
      sync: 0,
    };
    this.#next = mirrorDirectory + this.#directoryBlocks;
    this.#extendedRecords = this.#extend(options.extended ?? []);
    const flags = options.volumeFlags ?? (version === 4 ? 0x30 : 0);
    const spaces: Field[] = nameSpaces.map((space, i) =>
      version === 3 ? [12 + i, 1, space] : [16 + (i >> 1), 1, 0],
    );
    const root = recordOf(
      [0, 4, 0xff_ff_ff_fd],
      [4, 4, 0x10],
      [9, 1, 0x14],
      [11, 1, nameSpaces.length],
      ...spaces,
      [23, 1, flags],
      [28, -4, 1],
      [100, 2, 0x1_ff],
      [104, 4, this.#extended[0]?.[0] ?? 0],
      [108, 4, this.#extended[1]?.[0] ?? 0],
    );
    if (version === 4) {
      for (const [i, space] of nameSpaces.entries()) root[16 + (i >> 1)]! |= space << (i % 2 === 0 ? 0 : 4);
    }
    this.put(0, root);
  }

  /** Puts a record into the directory. */
  put(number: number, record: Buffer): void {
    record.copy(this.#records, number * recordSize);
  }

  /** The record, to be changed in place. */
  record(number: number): Buffer {
    return this.#records.subarray(number * recordSize, (number + 1) * recordSize);
  }

  /** Root records of the other name spaces, linked from `first` on. */
  roots(first: number, spaces: readonly number[]): void {
    let before = 0;
    for (const [i, space] of spaces.entries()) {
      this.put(first + i, recordOf([0, 4, 0xff_ff_ff_fd], [4, 4, 0x10], [9, 1, 4], [10, 1, space]));
      this.record(before).writeUInt32LE(first + i, 124);
      before = first + i;
    }
  }

  /** A free block. */
  free(): number {
    return this.#next++;
  }

  setEntry(block: number, index: number, next: number): void {
    this.#fat.writeUInt32LE(index, block * 8);
    this.#fat.writeUInt32LE(next, block * 8 + 4);
  }

  /** Links blocks, numbered from 0 or as given; the last link is `last`. */
  chain(blocks: readonly number[], indexes = blocks.map((_, i) => i), last = end): void {
    for (const [i, block] of blocks.entries()) this.setEntry(block, indexes[i]!, blocks[i + 1] ?? last);
  }

  /** Stores contents in fresh blocks; gives the first of them. */
  store(content: Buffer): number {
    const blocks: number[] = [];
    for (let at = 0; at < content.length; at += this.blockSize) {
      const block = this.free();
      content.copy(this.bytes, block * this.blockSize, at, at + this.blockSize);
      blocks.push(block);
    }
    this.chain(blocks);
    return blocks[0] ?? end;
  }

  /** Writes both copies of FAT and directories; the volume is a device of its own, its bytes can still be damaged. */
  finish(): Watched {
    const put = (blocks: readonly number[], from: Buffer): void => {
      for (const [k, block] of blocks.entries())
        from.copy(this.bytes, block * this.blockSize, k * this.blockSize, (k + 1) * this.blockSize);
    };
    const { firstFat, mirrorFat, firstDirectory, mirrorDirectory } = this.definition;
    for (const first of [firstFat, mirrorFat]) put(range(first, this.#fatBlocks), this.#fat);
    for (const first of [firstDirectory, mirrorDirectory])
      put(range(first, this.#directoryBlocks), this.#records);
    if (this.#extendedRecords !== null) {
      for (const blocks of this.#extended) put(blocks, this.#extendedRecords);
    }
    return memoryDevice(this.bytes);
  }

  #extend(records: readonly Buffer[]): Buffer | null {
    if (records.length === 0) return null;
    const whole = Buffer.concat(records);
    const count = Math.ceil(whole.length / this.blockSize);
    for (let copy = 0; copy < 2; copy++) {
      const blocks = Array.from({ length: count }, () => this.free());
      this.chain(blocks);
      this.#extended.push(blocks);
    }
    return Buffer.concat([whole, Buffer.alloc(count * this.blockSize - whole.length)]);
  }
}
