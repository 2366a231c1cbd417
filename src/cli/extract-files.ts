import { createHash } from 'node:crypto';
import { lstat, mkdir, open, rm, utimes, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { isCoded } from '../errors/index.ts';
import type { Fork, NetwareFile, NetwareFileSystem } from '../filesystem/netware/index.ts';

/** What is taken out of a volume. */
export interface ExtractRequest {
  readonly files: AsyncIterable<NetwareFile>;
  /** The folder it goes into, made where it is missing. */
  readonly folder: string;
  /** Files that cannot be read in full are kept, with zeros for what is lost. */
  readonly damaged: boolean;
  readonly signal: AbortSignal;
  /** Called once a file is done, whichever way. */
  readonly onFile: (extracted: Extracted) => void;
}

/** How it went with one file. */
export interface Extracted {
  /** Its path in the volume. */
  readonly path: string;
  readonly number: number;
  /** Where it was written, below the folder; null when it was not. */
  readonly written: string | null;
  readonly bytes: number;
  readonly sha256: string | null;
  /** Why it was not written as it was, or null. */
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/** Added to the names of what is no plain content; both are longer than any DOS extension. */
export const compressedSuffix = '.compressed';
export const forkSuffix = '.resource';
const zeroPiece = Buffer.alloc(1024 * 1024);

/**
 * Writes files below a folder, under their paths, with the time of their last modification. Nothing that is there
 * is ever overwritten or followed through a symbolic link. A file that fails stops no other.
 *
 * @throws `interrupted` and system errors that concern the folder as a whole.
 */
export async function extractFiles(filesystem: NetwareFileSystem, request: ExtractRequest): Promise<void> {
  const extraction = new Extraction(filesystem, request);
  await extraction.run();
}

class Extraction {
  readonly #filesystem: NetwareFileSystem;
  readonly #request: ExtractRequest;
  /** Folders that were made or found, below the folder. */
  readonly #folders = new Set<string>();
  /** Files written by this run: of several deleted files of one path each has to be told from the others. */
  readonly #written = new Set<string>();
  readonly #times: { readonly path: string; readonly modified: string }[] = [];

  constructor(filesystem: NetwareFileSystem, request: ExtractRequest) {
    this.#filesystem = filesystem;
    this.#request = request;
  }

  async run(): Promise<void> {
    const { files, folder, signal, onFile } = this.#request;
    await mkdir(folder, { recursive: true });
    for await (const file of files) {
      signal.throwIfAborted();
      if (file.kind === 'directory') await this.#directory(file, onFile);
      else await this.#file(file, onFile);
    }
    // Writing into a folder changes its time, so folders come last, the inner ones first.
    for (const { path, modified } of this.#times.toReversed()) await setTime(join(folder, path), modified);
  }

  async #directory(file: NetwareFile, onFile: (extracted: Extracted) => void): Promise<void> {
    const base = { path: file.path, number: file.number, bytes: 0, sha256: null };
    const path = safePath(file.path);
    try {
      await this.#folder(path);
      if (file.modified !== null) this.#times.push({ path, modified: file.modified });
      onFile({ ...base, written: path, problem: null });
    } catch (error) {
      onFile({ ...base, written: null, problem: problemOf(error, file.path) });
    }
  }

  async #file(file: NetwareFile, onFile: (extracted: Extracted) => void): Promise<void> {
    if (file.migrated) {
      const message = `${file.path} was migrated to another medium: its contents are not on the volume.`;
      const problem = { code: 'migrated', message };
      onFile({ path: file.path, number: file.number, written: null, bytes: 0, sha256: null, problem });
    } else {
      onFile(await this.#fork(file, 'data', file.compressed ? compressedSuffix : ''));
    }
    if (file.resourceFork !== null && file.resourceFork.size > 0) {
      onFile(await this.#fork(file, 'resource', forkSuffix));
    }
  }

  async #fork(file: NetwareFile, fork: Fork, suffix: string): Promise<Extracted> {
    const { path, number } = file;
    const base = { path, number };
    const target = this.#free(safePath(path) + suffix, file);
    let handle: FileHandle | null = null;
    try {
      await this.#folder(target.slice(0, Math.max(0, target.lastIndexOf('/'))));
      handle = await open(join(this.#request.folder, target), 'wx', 0o644);
      this.#written.add(target);
      const { sha256, lost } = await this.#copy(file, fork, handle);
      await handle.close();
      if (file.modified !== null) await setTime(join(this.#request.folder, target), file.modified);
      const bytes = this.#filesystem.length(file, fork);
      return { ...base, written: target, bytes, sha256, problem: this.#remark(file, fork, lost) };
    } catch (error) {
      await handle?.close().catch(() => {});
      if (handle !== null) await rm(join(this.#request.folder, target), { force: true });
      return { ...base, written: null, bytes: 0, sha256: null, problem: problemOf(error, path) };
    }
  }

  #remark(file: NetwareFile, fork: Fork, lost: number): Extracted['problem'] {
    if (lost > 0) {
      const message = `${file.path} is damaged: ${lost} bytes of it are lost and were written as zeros.`;
      return { code: 'filesystem-damaged', message };
    }
    if (!file.compressed || fork !== 'data') return null;
    const message = `${file.path} is compressed by NetWare and was written as it is stored.`;
    return { code: 'compressed', message };
  }

  async #copy(file: NetwareFile, fork: Fork, handle: FileHandle): Promise<{ sha256: string; lost: number }> {
    const { signal, damaged } = this.#request;
    const hash = createHash('sha256');
    let lost = 0;
    const onLost = damaged ? ({ length }: { length: number }): number => (lost += length) : undefined;
    let at = 0;
    for await (const piece of this.#filesystem.stream(file, { fork }, onLost)) {
      signal.throwIfAborted();
      hash.update(piece);
      // Holes stay holes.
      if (!piece.equals(zeroPiece.subarray(0, piece.length))) await writeAll(handle, piece, at);
      at += piece.length;
    }
    await handle.truncate(at);
    return { sha256: hash.digest('hex'), lost };
  }

  /** A name nothing of this run has: a deleted file may share its own with others. */
  #free(path: string, { number, deletion }: NetwareFile): string {
    return deletion !== null && this.#written.has(path) ? `${path}.${number}` : path;
  }

  /** Makes a folder and those above it; never goes through a symbolic link. */
  async #folder(path: string): Promise<void> {
    let at = '';
    for (const part of path.split('/').filter((name) => name !== '')) {
      at = at === '' ? part : `${at}/${part}`;
      if (this.#folders.has(at)) continue;
      const whole = join(this.#request.folder, at);
      await mkdir(whole).catch(async (error: unknown) => {
        if (!(await lstat(whole).catch(() => null))?.isDirectory()) throw error;
      });
      this.#folders.add(at);
    }
  }
}

async function writeAll(handle: FileHandle, piece: Buffer, at: number): Promise<void> {
  for (let done = 0; done < piece.length;) {
    const { bytesWritten } = await handle.write(piece, done, piece.length - done, at + done);
    done += bytesWritten;
  }
}

/** Sets the time of a file from NetWare's local time, taken as this machine's own. */
async function setTime(path: string, modified: string): Promise<void> {
  const time = new Date(modified);
  await utimes(path, time, time);
}

/** A path of the volume as one below a folder: no part of it leads out of there or is hidden from a terminal. */
export function safePath(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '')
    .map((part) =>
      /^\.+$/.test(part) ? part.replaceAll('.', '%2E') : part.replaceAll(/[\p{Cc}\p{Cf}\\]/gu, escaped),
    )
    .join('/');
}

function escaped(character: string): string {
  return [...Buffer.from(character)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
}

/** What went wrong with one file; what concerns all of them is thrown on. */
function problemOf(error: unknown, path: string): { code: string; message: string } {
  if (isCoded(error, 'interrupted', 'disk-gone')) throw error;
  if (isCoded(error)) return { code: error.code, message: `${error.message}.` };
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) throw error;
  const code = String(error.code);
  if (code === 'ENOSPC' || code === 'EROFS' || code === 'EIO' || code === 'EACCES') throw error;
  if (code === 'EEXIST')
    return { code: 'file-exists', message: `${path} is there already and was left alone.` };
  return { code, message: `${path}: ${error.message}.` };
}
