import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { TargetFolder } from './target-folder.ts';

const handlesKept = 64;
const openFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
const blockSize = 4096;
const zeros = Buffer.alloc(blockSize);

/** The files that are being written, each piece where it belongs; few of them are open at a time. */
export class StagedFiles {
  readonly #target: TargetFolder;
  readonly #handles = new Map<number, FileHandle>();

  constructor(target: TargetFolder) {
    this.#target = target;
  }

  /** Throws a system error. */
  async write(number: number, bytes: Uint8Array, offset: number): Promise<void> {
    const handle = await this.#handle(number);
    for (let done = 0; done < bytes.length;) {
      done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    }
  }

  /** The same, with blocks of zeros left out as holes. */
  async writeSparse(number: number, bytes: Buffer, offset: number): Promise<void> {
    for (let from = 0; from < bytes.length;) {
      let to = from;
      const isHole = isZero(bytes, from);
      while (to < bytes.length && isZero(bytes, to) === isHole) to += blockSize;
      if (!isHole) await this.write(number, bytes.subarray(from, to), offset + from);
      from = to;
    }
  }

  /** Gives the file its length and lets go of it. */
  async finish(number: number, size: number): Promise<void> {
    const handle = await this.#handle(number);
    await handle.truncate(size);
    await this.forget(number);
  }

  async forget(number: number): Promise<void> {
    const handle = this.#handles.get(number);
    if (handle === undefined) return;
    this.#handles.delete(number);
    await handle.close();
  }

  async close(): Promise<void> {
    for (const number of this.#handles.keys()) await this.forget(number);
  }

  async #handle(number: number): Promise<FileHandle> {
    const known = this.#handles.get(number);
    if (known !== undefined) {
      this.#handles.delete(number);
      this.#handles.set(number, known);
      return known;
    }
    const [oldest] = this.#handles.keys();
    if (this.#handles.size >= handlesKept && oldest !== undefined) await this.forget(oldest);
    const handle = await open(this.#target.staged(number), openFlags, 0o600);
    this.#handles.set(number, handle);
    return handle;
  }
}

function isZero(bytes: Buffer, at: number): boolean {
  const length = Math.min(blockSize, bytes.length - at);
  return bytes.compare(zeros, 0, length, at, at + length) === 0;
}
