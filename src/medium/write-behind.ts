import { systemCode } from '../errors/index.ts';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { pageAligned } from '../bytes/index.ts';
import { mediumError } from './file-errors.ts';

/** One write. Large, so that a rotating disk or a network mount streams. */
const batchLength = 4 * 1024 * 1024;
/** One being filled, two under way. */
const batchCount = 3;
/** Direct I/O wants lengths and offsets on this grid, which every sector size in use divides. */
const grid = 4096;
/** Where the page cache is used, so much may be dirty before it is pushed out: no long wait at the end. */
const syncEvery = 64 * 1024 * 1024;

/**
 * A new file written from its start to its end, in the background. Direct I/O where the file system
 * has it (a fifth of the CPU time, and no page cache filled with what nobody will read again);
 * where not, dirty pages are pushed out steadily.
 */
export class WriteBehind {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #direct: boolean;
  readonly #spare: Buffer[];
  #batch: Buffer;
  #filled = 0;
  /** Bytes of the batches handed to the system. */
  #handed = 0;
  #unsynced = 0;
  #underWay: Promise<void>[] = [];
  #failure: unknown = null;

  private constructor(file: FileHandle, path: string, direct: boolean) {
    this.#file = file;
    this.#path = path;
    this.#direct = direct;
    const slab = pageAligned(batchLength * batchCount);
    this.#spare = Array.from({ length: batchCount }, (_, i) =>
      slab.subarray(i * batchLength, (i + 1) * batchLength),
    );
    this.#batch = this.#spare.pop()!;
  }

  /** Makes the file, which must not be there yet. Throws `medium-failed` or `medium-full`. */
  static async create(path: string): Promise<WriteBehind> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    try {
      return new WriteBehind(await open(path, flags | constants.O_DIRECT, 0o644), path, true);
    } catch (error) {
      if (systemCode(error) !== 'EINVAL') throw mediumError(path, error, 0);
    }
    // A file system without direct I/O may have made the file before it refused to open it so.
    const file = await open(path, flags & ~constants.O_EXCL, 0o644).catch((error: unknown) => {
      throw mediumError(path, error, 0);
    });
    return new WriteBehind(file, path, false);
  }

  /** Takes a copy of the bytes; resolves when there is room for more. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      this.#throwFailure();
      const length = Math.min(bytes.length - at, batchLength - this.#filled);
      this.#batch.set(bytes.subarray(at, at + length), this.#filled);
      this.#filled += length;
      at += length;
      if (this.#filled === batchLength) await this.#hand(batchLength);
    }
  }

  /** Hands the current batch over and waits until another is free. */
  async #hand(length: number): Promise<void> {
    const batch = this.#batch;
    const offset = this.#handed;
    this.#handed += length;
    const writing = this.#put(batch.subarray(0, length), offset)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#spare.push(batch));
    this.#underWay.push(writing);
    while (this.#spare.length === 0) await this.#underWay.shift();
    this.#underWay = this.#underWay.slice(-batchCount);
    this.#throwFailure();
    this.#batch = this.#spare.pop()!;
    this.#filled = 0;
  }

  async #put(bytes: Buffer, offset: number): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, offset + at);
      at += bytesWritten;
    }
    this.#unsynced += bytes.length;
    if (!this.#direct && this.#unsynced >= syncEvery) {
      this.#unsynced = 0;
      await this.#file.datasync();
    }
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw mediumError(this.#path, this.#failure, this.#handed);
  }

  /** Writes what is left and makes everything durable. */
  async finish(): Promise<void> {
    try {
      await Promise.all(this.#underWay);
      this.#throwFailure();
      await this.#writeRest();
      await this.#file.sync();
    } catch (error) {
      throw mediumError(this.#path, error, this.#handed);
    } finally {
      await this.#file.close().catch(() => {});
    }
  }

  /** Stops where it is: what was given stays in the file as far as it can be written. */
  async abandon(): Promise<void> {
    await Promise.all(this.#underWay);
    if (this.#failure === null) await this.#writeRest().catch(() => {});
    await this.#file.close().catch(() => {});
  }

  async #writeRest(): Promise<void> {
    if (this.#filled === 0) return;
    const length = Math.ceil(this.#filled / grid) * grid;
    this.#batch.fill(0, this.#filled, length);
    await this.#put(this.#batch.subarray(0, length), this.#handed);
    await this.#file.truncate(this.#handed + this.#filled);
  }
}
