import { readBytes } from '../reading.ts';
import { inodeTableOffset, parseInode, type ExtInode, type ExtVolume } from './inode.ts';
import { damaged } from './mapping.ts';

const blocksKept = 512;

/** Single inodes by number, with some blocks of the tables in memory; what is wrong with one is thrown. */
export class InodeTable {
  readonly #context: ExtVolume;
  /** By block, the one used last at the end. */
  readonly #kept = new Map<number, Buffer>();

  constructor(context: ExtVolume) {
    this.#context = context;
  }

  /** Throws `filesystem-damaged` for one that is free or nowhere, `disk-read-failed`. */
  async inode(number: number): Promise<ExtInode> {
    const { sb } = this.#context;
    const group = Math.floor((number - 1) / sb.inodesPerGroup);
    const outside = !Number.isSafeInteger(number) || number < 1 || number > sb.inodes;
    const table = outside ? null : inodeTableOffset(this.#context, group);
    if (table === null) throw damaged({ number }, 'it lies in no inode table');
    const offset = table + ((number - 1) % sb.inodesPerGroup) * sb.inodeSize;
    const block = Math.floor(offset / sb.blockSize);
    const at = offset - block * sb.blockSize;
    const raw = (await this.#block(block)).subarray(at, at + sb.inodeSize);
    const inode = parseInode(raw, { number, offset });
    if (inode === null) throw damaged({ number }, 'a name leads to it and it is free');
    return inode;
  }

  async #block(block: number): Promise<Buffer> {
    const { volume, sb } = this.#context;
    const known = this.#kept.get(block);
    const bytes = known ?? (await readBytes(volume, block * sb.blockSize, sb.blockSize));
    if (known !== undefined) this.#kept.delete(block);
    this.#kept.set(block, bytes);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > blocksKept && oldest !== undefined) this.#kept.delete(oldest);
    return bytes;
  }
}
