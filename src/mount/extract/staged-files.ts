import { closeSync, constants, ftruncateSync, openSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import type { TargetFolder } from './target-folder.ts';

const handlesKept = 64;
const openFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
const blockSize = 4096;
const zeros = Buffer.alloc(blockSize);
/** Fewer bytes are written at once: the way to another thread and back takes longer than that. */
const large = 64 * 1024;

const writeOnPool = promisify(write);

/**
 * The files that are being written, each piece where it belongs; few of them are open at a time. Small calls do not go
 * to another thread: of a million files that is most of the time.
 */
export class StagedFiles {
  readonly #target: TargetFolder;
  readonly #open = new Map<number, number>();

  constructor(target: TargetFolder) {
    this.#target = target;
  }

  /** Throws a system error. */
  async write(number: number, bytes: Uint8Array, offset: number): Promise<void> {
    const fd = this.#descriptor(number);
    for (let done = 0; done < bytes.length;) {
      const left = bytes.length - done;
      done +=
        left < large
          ? writeSync(fd, bytes, done, left, offset + done)
          : (await writeOnPool(fd, bytes, done, left, offset + done)).bytesWritten;
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
  finish(number: number, size: number): void {
    ftruncateSync(this.#descriptor(number), size);
    this.forget(number);
  }

  forget(number: number): void {
    const fd = this.#open.get(number);
    if (fd === undefined) return;
    this.#open.delete(number);
    closeSync(fd);
  }

  close(): Promise<void> {
    for (const number of this.#open.keys()) this.forget(number);
    return Promise.resolve();
  }

  #descriptor(number: number): number {
    const known = this.#open.get(number);
    if (known !== undefined) {
      this.#open.delete(number);
      this.#open.set(number, known);
      return known;
    }
    const [oldest] = this.#open.keys();
    if (this.#open.size >= handlesKept && oldest !== undefined) this.forget(oldest);
    const fd = openSync(this.#target.staged(number), openFlags, 0o600);
    this.#open.set(number, fd);
    return fd;
  }
}

function isZero(bytes: Buffer, at: number): boolean {
  const length = Math.min(blockSize, bytes.length - at);
  return bytes.compare(zeros, 0, length, at, at + length) === 0;
}
