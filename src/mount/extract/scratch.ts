import { constants, readSync } from 'node:fs';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** A temporary file without a name, which grows at its end and is gone when it is closed. */
export class Scratch {
  readonly #file: FileHandle;
  #size = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Makes one in a folder. Throws a system error. */
  static async open(folder: string, name: string): Promise<Scratch> {
    const path = join(folder, name);
    const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    await unlink(path);
    return new Scratch(file);
  }

  get size(): number {
    return this.#size;
  }

  /** Appends the bytes and gives the place they lie at. */
  async append(bytes: Uint8Array): Promise<number> {
    const at = this.#size;
    for (let done = 0; done < bytes.length;) {
      done += (await this.#file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
    }
    this.#size += bytes.length;
    return at;
  }

  read(target: Uint8Array, at: number): void {
    for (let done = 0; done < target.length;) {
      const bytesRead = readSync(this.#file.fd, target, done, target.length - done, at + done);
      if (bytesRead === 0) throw new RangeError(`A temporary file ends before byte ${at + target.length}`);
      done += bytesRead;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
