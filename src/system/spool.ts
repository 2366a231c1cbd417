import { randomUUID } from 'node:crypto';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Bytes written once from front to end and read at any place. */
export interface SpoolFile {
  /** Bytes written. */
  readonly length: number;
  append(bytes: Uint8Array): Promise<void>;
  /** `length` bytes from `at`; they are there. */
  read(at: number, length: number): Promise<Buffer>;
  /** Gives back what it takes. */
  close(): Promise<void>;
}

const usualMemory = 16 * 1024 * 1024;

/** A spool in memory that goes on in a temporary file without a name once it is longer than `memoryBytes`. */
export function spoolFile(memoryBytes = usualMemory): SpoolFile {
  let chunks: Buffer[] = [];
  let whole: Buffer | null = null;
  let length = 0;
  let file: FileHandle | null = null;
  return {
    get length() {
      return length;
    },
    async append(bytes) {
      if (file === null && length + bytes.length > memoryBytes) {
        file = await unnamedFile();
        await writeAll(file, Buffer.concat(chunks), 0);
        chunks = [];
        whole = null;
      }
      if (file === null) {
        chunks.push(Buffer.from(bytes));
        whole = null;
      } else await writeAll(file, bytes, length);
      length += bytes.length;
    },
    async read(at, count) {
      if (file === null) {
        whole ??= Buffer.concat(chunks);
        return whole.subarray(at, at + count);
      }
      const out = Buffer.alloc(count);
      for (let done = 0; done < count;) {
        const { bytesRead } = await file.read(out, done, count - done, at + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return out;
    },
    async close() {
      chunks = [];
      whole = null;
      await file?.close();
      file = null;
    },
  };
}

async function unnamedFile(): Promise<FileHandle> {
  const path = join(tmpdir(), `remetal-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
}
