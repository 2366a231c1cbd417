import { isUtf8 } from 'node:buffer';
import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { RemetalError } from '../../errors/index.ts';
import type { ExtendedAttribute, FileKind, Moment, TreeFile, WalkOptions } from '../../filesystem/index.ts';
import { walkTree, type Loaded, type NamedEntry, type Walkable } from '../../filesystem/walk-tree.ts';
import { attributeNames, fileRuns, placeHints, readAttribute } from '../../system/index.ts';
import { rawPath, systemPath } from './safe-path.ts';
import type { TreeRun, VolumeTree } from './volume-tree.ts';

export interface MountedTreeOptions {
  /** False where owners and permissions are made up by the mount (FAT, NTFS). True when absent. */
  readonly hasOwners?: boolean;
  /** False where contents may lie elsewhere than the volume has them: all is read through the mount. True when absent. */
  readonly hasPlaces?: boolean;
}

const pieceSize = 1024 * 1024;
/** Of a larger file the rest is one piece. */
const mostHints = 4096;
const whatIsKept = /^(user|trusted|security)\.|^system\.posix_acl_(access|default)$/;

/**
 * The files of a volume that the kernel has mounted read-only at `root`. One call of the tree is under way at a time
 * and none of them waits in the event loop, so that this process may itself be the one that serves the volume. Errors
 * of the mount are `disk-read-failed`.
 */
export function mountedTree(root: string, options: MountedTreeOptions = {}): VolumeTree {
  return new MountedTree(root, options);
}

class MountedTree implements VolumeTree {
  readonly pending = null;
  readonly #root: string;
  readonly #hasOwners: boolean;
  readonly #hasPlaces: boolean;

  constructor(root: string, { hasOwners = true, hasPlaces = true }: MountedTreeOptions) {
    this.#root = root;
    this.#hasOwners = hasOwners;
    this.#hasPlaces = hasPlaces;
  }

  walk(options?: WalkOptions): AsyncGenerator<TreeFile> {
    return walkTree(new Directories(this.#root, this.#hasOwners), options);
  }

  async *runs(file: TreeFile): AsyncGenerator<TreeRun> {
    if (file.kind !== 'file' || file.size === 0) return;
    const runs = this.#hasPlaces ? await readable(file.path, () => fileRuns(this.#path(file))) : null;
    if (runs === null) {
      yield* this.#throughAll(file);
      return;
    }
    for (const { offset, length, start, kind } of runs) {
      if (kind === 'zeros') continue;
      yield kind === 'through' ? { offset, length, start: null, through: true } : { offset, length, start };
    }
  }

  /** Pieces in an order that suits the medium, where anybody tells about their places. */
  async *#throughAll(file: TreeFile): AsyncGenerator<TreeRun> {
    const offsets: number[] = [];
    for (let at = 0; at < file.size && offsets.length < mostHints; at += pieceSize) offsets.push(at);
    const hints = await readable(file.path, () => placeHints(this.#path(file), offsets));
    for (const [index, offset] of offsets.entries()) {
      const end = offsets[index + 1] ?? file.size;
      yield { offset, length: end - offset, start: hints[index] ?? null, through: true };
    }
  }

  async target(file: TreeFile): Promise<Buffer> {
    return await readable(file.path, () => readlink(this.#path(file), { encoding: 'buffer' }));
  }

  async attributes(file: TreeFile): Promise<readonly ExtendedAttribute[]> {
    return await readable(file.path, async () => {
      const path = this.#path(file);
      const out: ExtendedAttribute[] = [];
      for (const name of await attributeNames(path)) {
        if (!whatIsKept.test(name)) continue;
        const value = await readAttribute(path, name);
        if (value !== null) out.push({ name, value });
      }
      return out;
    });
  }

  async *content(
    file: Pick<TreeFile, 'path' | 'rawPath'>,
    offset: number,
    length: number,
  ): AsyncGenerator<Buffer> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await readable(file.path, () => open(this.#path(file), flags));
    try {
      for (let done = 0; done < length;) {
        const piece = Buffer.alloc(Math.min(pieceSize, length - done));
        const { bytesRead } = await readable(file.path, () =>
          handle.read(piece, 0, piece.length, offset + done),
        );
        if (bytesRead === 0) return;
        yield piece.subarray(0, bytesRead);
        done += bytesRead;
      }
    } finally {
      await handle.close();
    }
  }

  #path(file: Pick<TreeFile, 'path' | 'rawPath'>): Buffer {
    return systemPath(this.#root, rawPath(file).replace(/^\//, ''));
  }
}

class Directories implements Walkable<Buffer> {
  readonly #root: string;
  readonly #hasOwners: boolean;
  /** Numbers of files that have several names, by device (a subvolume is one) and inode. */
  readonly #ids = new Map<string, number>();
  #nextId = 1;

  constructor(root: string, hasOwners: boolean) {
    this.#root = root;
    this.#hasOwners = hasOwners;
  }

  root(): Promise<Loaded<Buffer>> {
    return this.#load(Buffer.from(this.#root), '/');
  }

  async *entries(directory: Buffer): AsyncGenerator<NamedEntry<Buffer>> {
    const shown = directory.toString().slice(this.#root.length) || '/';
    const names = await readable(shown, () => readdir(directory, { encoding: 'buffer' }));
    for (const raw of names.toSorted((a, b) => a.compare(b))) {
      const path = Buffer.concat([directory, Buffer.from('/'), raw]);
      const name = raw.toString();
      yield {
        name,
        raw: isUtf8(raw) ? null : raw,
        load: () => this.#load(path, `${shown === '/' ? '' : shown}/${name}`),
      };
    }
  }

  async #load(path: Buffer, shown: string): Promise<Loaded<Buffer>> {
    const stats = await readable(shown, () => lstat(path, { bigint: true }));
    const kind = kindOf(stats);
    return {
      file: {
        kind,
        id: this.#idOf(stats, kind),
        links: kind === 'directory' ? 1 : Number(stats.nlink),
        size: kind === 'file' || kind === 'link' ? Number(stats.size) : 0,
        mode: this.#hasOwners ? Number(stats.mode & 0o7777n) : null,
        owner: this.#hasOwners ? { user: Number(stats.uid), group: Number(stats.gid) } : null,
        modified: momentOf(stats.mtimeNs),
        accessed: momentOf(stats.atimeNs),
        changed: momentOf(stats.ctimeNs),
        created: stats.birthtimeNs === 0n ? null : momentOf(stats.birthtimeNs),
        device: kind === 'character' || kind === 'block' ? deviceOf(stats.rdev) : null,
        more: {},
      },
      directory: kind === 'directory' ? path : null,
    };
  }

  #idOf({ dev, ino, nlink }: BigIntStats, kind: FileKind): number {
    if (kind === 'directory' || nlink <= 1n) return this.#nextId++;
    const key = `${dev} ${ino}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#nextId++;
    this.#ids.set(key, id);
    return id;
  }
}

function kindOf(stats: BigIntStats): FileKind {
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'link';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) return 'socket';
  if (stats.isCharacterDevice()) return 'character';
  return stats.isBlockDevice() ? 'block' : 'file';
}

const billion = 1_000_000_000n;

/** Nanoseconds count up from the second before, in front of 1970 as well. */
function momentOf(nanoseconds: bigint): Moment {
  const rest = ((nanoseconds % billion) + billion) % billion;
  return { seconds: Number((nanoseconds - rest) / billion), nanoseconds: Number(rest) };
}

/* gnu_dev_major and gnu_dev_minor of glibc. */
function deviceOf(number: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xffff_f000n)),
    minor: Number((number & 0xffn) | ((number >> 12n) & 0xffff_ff00n)),
  };
}

async function readable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof Error) || !('code' in cause)) throw cause;
    throw new RemetalError('disk-read-failed', `${path} cannot be read: ${cause.message}`, {
      facts: { path, errno: cause.code },
      cause,
    });
  }
}
