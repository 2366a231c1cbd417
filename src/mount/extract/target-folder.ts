import { randomBytes } from 'node:crypto';
import { closeSync, constants, lstatSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { RemetalError } from '../../errors/index.ts';
import { renameFile } from '../../system/index.ts';
import { parted, systemPath, type RawPath } from './safe-path.ts';

/* <fcntl.h>; Node has no name for it. A handle that leads to a directory and can do nothing else. */
const O_PATH = 0o10_000_000;
const enter = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const handlesKept = 64;

const way = (descriptor: number): string => `/proc/self/fd/${descriptor}`;

/**
 * The folder files are written to. Every directory below it is entered name by name from an open handle, never
 * through a symbolic link, so that nothing can lead out of it. Files are made in a folder of their own inside it, where
 * nobody else may look, and get their names when they are done. Its calls are short, and come by the million: they are
 * made at once.
 */
export class TargetFolder {
  readonly path: string;
  /** True where this run made it. */
  readonly wasMade: boolean;
  readonly #root: number;
  readonly #stage: number;
  readonly #stagePath: string;
  #stageClosed = false;
  /** By path below the folder, the one used last at the end. */
  readonly #handles = new Map<RawPath, number>();

  private constructor(made: {
    path: string;
    wasMade: boolean;
    root: number;
    stage: number;
    stagePath: string;
  }) {
    this.path = made.path;
    this.wasMade = made.wasMade;
    this.#root = made.root;
    this.#stage = made.stage;
    this.#stagePath = made.stagePath;
  }

  /** Opens the folder, made with those above it where it is missing. Throws `target-unwritable`. */
  static open(path: string): TargetFolder {
    let root: number | undefined;
    try {
      const wasMade = makeFolders(resolve(path));
      root = openSync(path, O_PATH | constants.O_DIRECTORY);
      const name = `.remetal-${randomBytes(6).toString('hex')}`;
      mkdirSync(`${way(root)}/${name}`, { mode: 0o700 });
      const stage = openSync(`${way(root)}/${name}`, enter);
      return new TargetFolder({ path, wasMade, root, stage, stagePath: join(path, name) });
    } catch (cause) {
      if (root !== undefined) closeSync(root);
      const said = cause instanceof Error ? cause.message : String(cause);
      throw new RemetalError('target-unwritable', `${path} cannot be written to: ${said}.`, {
        hint: 'Name a folder of your own that can be written, or one that is not there yet.',
        facts: { path },
        cause,
      });
    }
  }

  /** Folder of the files that are not done. */
  get stage(): string {
    return way(this.#stage);
  }

  /** Where file `number` is written until it is done. */
  staged(number: number): string {
    return `${this.stage}/${number}`;
  }

  /**
   * A way to a directory below the folder, made with those above it where it is missing; good until the next call.
   * Throws a system error: `ENOTDIR` or `ELOOP` where something else, or a symbolic link, has its name.
   */
  folder(path: RawPath): string {
    if (path === '') return way(this.#root);
    const known = this.#handles.get(path);
    if (known !== undefined) {
      this.#handles.delete(path);
      this.#handles.set(path, known);
      return way(known);
    }
    const { folder, name } = parted(path);
    const entered = entering(systemPath(this.folder(folder), name));
    this.#handles.set(path, entered);
    const [oldest] = this.#handles;
    if (this.#handles.size > handlesKept && oldest !== undefined) {
      this.#handles.delete(oldest[0]);
      closeSync(oldest[1]);
    }
    return way(entered);
  }

  /** Makes a directory with these permissions, cut down by the umask; false where it is there already. */
  makeFolder(path: RawPath, mode: number): boolean {
    if (path === '') return this.wasMade;
    try {
      mkdirSync(this.named(path), { mode });
      return true;
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
      this.folder(path);
      return false;
    }
  }

  /** Whether anything has that name, a link that leads nowhere too. */
  holds(path: RawPath): boolean {
    return lstatSync(this.named(path), { throwIfNoEntry: false }) !== undefined;
  }

  /** A way to a file that has its name; good until the next call. */
  named(path: RawPath): Buffer {
    const { folder, name } = parted(path);
    return systemPath(this.folder(folder), name);
  }

  /** Gives a finished file its name. Unless `replace`, a name that is taken is left alone: `EEXIST`. */
  place(number: number, path: RawPath, replace: boolean): void {
    const to = this.named(path);
    const from = this.staged(number);
    try {
      renameFile(from, to, replace);
    } catch (error) {
      // Some file systems know no renaming that leaves others alone.
      if (replace || !hasCode(error, 'EINVAL', 'ENOSYS', 'ENOTSUP')) throw error;
      if (this.holds(path)) throw Object.assign(new Error('The name is taken'), { code: 'EEXIST' });
      renameSync(from, to);
    }
  }

  /** Forgets a file that will not be done. */
  async drop(number: number): Promise<void> {
    await rm(this.staged(number), { force: true });
  }

  /** Takes away the folder of files that are not done, and all of them; it is there no more from then on. */
  async closeStage(): Promise<void> {
    if (this.#stageClosed) return;
    this.#stageClosed = true;
    closeSync(this.#stage);
    await rm(this.#stagePath, { recursive: true, force: true });
  }

  /** Lets go of everything. */
  async close(): Promise<void> {
    await this.closeStage();
    for (const handle of this.#handles.values()) closeSync(handle);
    this.#handles.clear();
    closeSync(this.#root);
  }
}

/**
 * Makes a folder with those above it; false where it is there. Node's own never ends where a file system, as /proc, says of
 * a folder that is there that it is not.
 */
function makeFolders(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return false;
  if (dirname(path) !== path) makeFolders(dirname(path));
  mkdirSync(path);
  return true;
}

/** Opens a directory, made where it is missing. */
function entering(path: Buffer): number {
  try {
    return openSync(path, enter);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    mkdirSync(path);
    return openSync(path, enter);
  }
}

/** True for a system error of one of these names. */
export function hasCode(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && names.includes(String(error.code));
}
