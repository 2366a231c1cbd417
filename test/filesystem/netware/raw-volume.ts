import type { VolumeDefinition } from '../../../src/layout/netware/index.ts';
import type { NetwareFile } from '../../../src/filesystem/netware/index.ts';

const end = 0xff_ff_ff_ff;
const recordSize = 128;

/** FAT and directory of a volume straight from its bytes, followed without the code that is tested. */
export class RawVolume {
  readonly bytes: Buffer;
  readonly #definition: VolumeDefinition;
  readonly #blockSize: number;
  readonly #fats: readonly number[][];

  constructor(bytes: Buffer, definition: VolumeDefinition) {
    this.bytes = bytes;
    this.#definition = definition;
    this.#blockSize = 512 * 2 ** definition.blockShift;
    this.#fats = [definition.firstFat, definition.mirrorFat].map((first) => this.#fat(first));
  }

  /** Blocks of a chain; a tail ends it. */
  chain(first: number): number[] {
    const blocks: number[] = [];
    for (let block = first; block > 0 && block < this.#definition.blocks;) {
      blocks.push(block);
      block = this.bytes.readUInt32LE(this.#entry(this.#fats[0]!, block) + 4);
    }
    return blocks;
  }

  /** Makes a record free, in both copies of the directory. */
  freeRecord(number: number): void {
    for (const first of [this.#definition.firstDirectory, this.#definition.mirrorDirectory]) {
      const at = this.#at(this.chain(first), number * recordSize);
      this.bytes.fill(0, at, at + recordSize);
      this.bytes.writeUInt32LE(end, at);
    }
  }

  /** Makes a block free, in both copies of the FAT. */
  freeBlock(block: number): void {
    for (const fat of this.#fats) this.bytes.fill(0, this.#entry(fat, block), this.#entry(fat, block) + 8);
  }

  /** Purges files as the server does. */
  purge(files: readonly NetwareFile[]): void {
    const blocks = files.flatMap(({ firstBlock, resourceFork }) =>
      [firstBlock, resourceFork?.firstBlock ?? 0].flatMap((first) => this.chain(first)),
    );
    for (const { records } of files) for (const number of records) this.freeRecord(number);
    for (const block of blocks) this.freeBlock(block);
  }

  #fat(first: number): number[] {
    const fat = [first];
    for (let block = first; ;) {
      block = this.bytes.readUInt32LE(this.#entry(fat, block) + 4);
      if (block === end) return fat;
      fat.push(block);
    }
  }

  #entry(fat: readonly number[], block: number): number {
    return this.#at(fat, block * 8);
  }

  #at(blocks: readonly number[], offset: number): number {
    return blocks[Math.floor(offset / this.#blockSize)]! * this.#blockSize + (offset % this.#blockSize);
  }
}
