import { createHash, randomUUID, type Hash } from 'node:crypto';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Extent } from '../bytes/index.ts';
import { RemetalError, systemCode } from '../errors/index.ts';
import type { Overlay } from './overlay.ts';

/** The volume that something was written over; over any other it means nothing. */
export interface KeptOwner {
  readonly setId: string;
  /** Name of the set, for the person. */
  readonly set: string;
  readonly volume: string;
  /** Bytes. */
  readonly size: number;
}

/*
 * The file: a head of 4096 bytes (a line of JSON, then zeros), a table of extents (start and length, 8 bytes each,
 * little-endian; first those with bytes, then those of zeros), the bytes back to back, SHA-256 of all before.
 */
const headSchema = z.object({
  format: z.literal('remetal-overlay'),
  version: z.literal(1),
  setId: z.string(),
  set: z.string(),
  volume: z.string(),
  size: z.number().int().nonnegative(),
  written: z.number().int().nonnegative(),
  zeroed: z.number().int().nonnegative(),
});
type Head = z.infer<typeof headSchema>;

const headBytes = 4096;
const entryBytes = 16;
const digestBytes = 32;
const step = 1024 * 1024;

/** Which file it was: another process may have kept something else there meanwhile. */
type Version = string | null;

async function versionOf(path: string): Promise<Version> {
  try {
    const { ino, mtimeNs, size } = await stat(path, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

function unusable(path: string, why: string, facts: Record<string, unknown> = {}): RemetalError {
  return new RemetalError('overlay-unusable', `${path} ${why}.`, {
    hint: 'Name the file that was kept of this volume, or one that is not there yet.',
    facts: { path, ...facts },
  });
}

/** The file of `--keep`: what was written over a volume, between one mount of it and the next. */
export class KeptFile {
  readonly path: string;
  readonly #owner: KeptOwner;
  #version: Version;

  private constructor(path: string, owner: KeptOwner, version: Version) {
    this.path = path;
    this.#owner = owner;
    this.#version = version;
  }

  /**
   * A file that is there, or one that will be made; nothing is read of it but its head. Throws `overlay-unusable`
   * where it holds something else, or could not be written in the end.
   */
  static async open(path: string, owner: KeptOwner): Promise<KeptFile> {
    const trial = `${path}.${randomUUID()}.partial`;
    try {
      await (await open(trial, 'wx', 0o600)).close();
      await rm(trial);
      const version = await versionOf(path);
      if (version !== null) await withFile(path, (file) => headOf(file, path, owner));
      return new KeptFile(path, owner, version);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      const said = error instanceof Error ? error.message : String(error);
      throw unusable(path, `cannot be used: ${said}`);
    }
  }

  /** Writes what the file holds, where it is there, over an overlay that is new. Throws `overlay-unusable`. */
  async load(over: Overlay): Promise<void> {
    if (this.#version === null) return;
    const { path } = this;
    await withFile(path, async (file) => {
      const head = await headOf(file, path, this.#owner);
      const reading = new Reading(file, path, await file.stat());
      await reading.next(headBytes);
      const written = await reading.extents(head.written);
      const zeroed = await reading.extents(head.zeroed);
      for (const { start, length } of zeroed) await over.writeZeroes(start, length);
      for (const { start, length } of written) {
        for (let done = 0; done < length; done += step) {
          await over.write(await reading.next(Math.min(step, length - done)), start + done);
        }
      }
      await reading.end();
    });
  }

  /**
   * Puts all that was written into the file, as a whole or not at all. Returns its path, which is another where
   * somebody else has kept something there meanwhile. Throws `overlay-unusable`; nothing is lost then.
   */
  async save(over: Overlay): Promise<string> {
    const making = `${this.path}.${randomUUID()}.partial`;
    try {
      const file = await open(making, 'wx', 0o600);
      try {
        await writeAll(file, over, this.#owner);
        await file.sync();
      } finally {
        await file.close();
      }
      const isOurs = (await versionOf(this.path)) === this.#version;
      const path = isOurs ? this.path : `${this.path}.${new Date().toISOString().replaceAll(/[-:]/g, '')}`;
      await rename(making, path);
      const folder = await open(dirname(path), 'r');
      await folder.sync().finally(() => folder.close());
      if (isOurs) this.#version = await versionOf(path);
      return path;
    } catch (error) {
      await rm(making, { force: true });
      if (systemCode(error) === undefined) throw error;
      const said = error instanceof Error ? error.message : String(error);
      throw unusable(this.path, `cannot be written: ${said}`);
    }
  }
}

async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

async function headOf(file: FileHandle, path: string, owner: KeptOwner): Promise<Head> {
  const bytes = Buffer.alloc(headBytes);
  await file.read(bytes, 0, headBytes, 0);
  const [line = ''] = bytes.toString('utf8').split('\n', 1);
  let head: Head;
  try {
    head = headSchema.parse(JSON.parse(line));
  } catch {
    throw unusable(path, 'is no file of --keep');
  }
  if (head.setId !== owner.setId || head.volume !== owner.volume || head.size !== owner.size) {
    throw unusable(path, `was written over the volume ${head.volume} of ${head.set}`, {
      set: head.set,
      volume: head.volume,
    });
  }
  return head;
}

/** A file from front to back, with the digest of what came by. */
class Reading {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #size: number;
  readonly #hash: Hash = createHash('sha256');
  #at = 0;

  constructor(file: FileHandle, path: string, { size }: { readonly size: number }) {
    this.#file = file;
    this.#path = path;
    this.#size = size;
  }

  async next(length: number): Promise<Buffer> {
    if (this.#at + length > this.#size) throw this.#damaged();
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.#file.read(bytes, done, length - done, this.#at + done);
      if (bytesRead === 0) throw this.#damaged();
      done += bytesRead;
    }
    this.#at += length;
    this.#hash.update(bytes);
    return bytes;
  }

  async extents(count: number): Promise<Extent[]> {
    if (this.#at + count * entryBytes > this.#size) throw this.#damaged();
    const table = await this.next(count * entryBytes);
    return Array.from({ length: count }, (_, i) => ({
      start: Number(table.readBigUInt64LE(i * entryBytes)),
      length: Number(table.readBigUInt64LE(i * entryBytes + 8)),
    }));
  }

  async end(): Promise<void> {
    const digest = this.#hash.copy().digest();
    if (!digest.equals(await this.next(digestBytes)) || this.#at !== this.#size) throw this.#damaged();
  }

  #damaged(): RemetalError {
    return unusable(this.#path, 'is damaged: it is not as it was written');
  }
}

async function writeAll(file: FileHandle, over: Overlay, owner: KeptOwner): Promise<void> {
  const { written, zeroed } = over.changes();
  const hash = createHash('sha256');
  const add = async (bytes: Uint8Array): Promise<void> => {
    hash.update(bytes);
    await file.writeFile(bytes);
  };
  const head: Head = {
    format: 'remetal-overlay',
    version: 1,
    ...owner,
    written: written.length,
    zeroed: zeroed.length,
  };
  const line = Buffer.alloc(headBytes);
  line.write(`${JSON.stringify(head)}\n`);
  await add(line);
  const table = Buffer.alloc((written.length + zeroed.length) * entryBytes);
  for (const [i, { start, length }] of [...written, ...zeroed].entries()) {
    table.writeBigUInt64LE(BigInt(start), i * entryBytes);
    table.writeBigUInt64LE(BigInt(length), i * entryBytes + 8);
  }
  await add(table);
  for (const { start, length } of written) {
    for (let done = 0; done < length; done += step) {
      const piece = Buffer.allocUnsafe(Math.min(step, length - done));
      await over.read(piece, start + done);
      await add(piece);
    }
  }
  await file.writeFile(hash.digest());
}
