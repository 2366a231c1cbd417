import { RemetalError } from '../errors/index.ts';
import type { Moment, TreeFile, WalkOptions } from '../filesystem/index.ts';
import type { Fork, NameSpace, NetwareFile, NetwareFileSystem } from '../filesystem/netware/index.ts';
import type { TreeRun, VolumeTree } from '../mount/extract/index.ts';
import { compressedSuffix, forkSuffix, safePath } from './extract-files.ts';
import { chosenFiles } from './netware-choice.ts';

/** What is to be said of a file that was written. */
export interface Remark {
  readonly code: string;
  readonly message: string;
}

export interface NetwareTreeOptions {
  /** The deleted files that can be salvaged, in place of the live ones. */
  readonly deleted: boolean;
  readonly names: NameSpace;
  /** What is lost of a file is read as zeros, and remarked. */
  readonly damaged: boolean;
}

/** A fork of a file as one of its own. */
interface ForkFile {
  readonly file: NetwareFile;
  readonly fork: Fork;
}

/**
 * The files of a NetWare volume as they are extracted: compressed data and resource forks are files of their own.
 * `remarks` fills while the runs of files are asked for.
 */
export function netwareTree(
  filesystem: NetwareFileSystem,
  options: NetwareTreeOptions,
): { readonly tree: VolumeTree; readonly remarks: ReadonlyMap<string, Remark> } {
  const tree = new NetwareTree(filesystem, options);
  return { tree, remarks: tree.remarks };
}

class NetwareTree implements VolumeTree {
  readonly pending = null;
  readonly remarks = new Map<string, Remark>();
  readonly #filesystem: NetwareFileSystem;
  readonly #options: NetwareTreeOptions;
  /** What the files told last are: their runs are asked for before the next one is. */
  #told: ForkFile | null = null;
  /** Of several deleted files of one path each has to be told from the others. */
  readonly #taken = new Set<string>();

  constructor(filesystem: NetwareFileSystem, options: NetwareTreeOptions) {
    this.#filesystem = filesystem;
    this.#options = options;
  }

  async *walk({ paths, signal, onLost }: WalkOptions = {}): AsyncGenerator<TreeFile> {
    const { deleted, names } = this.#options;
    for await (const file of chosenFiles(this.#filesystem, { paths: paths ?? [], deleted, names })) {
      signal?.throwIfAborted();
      const path = `/${safePath(file.path)}`;
      if (file.kind === 'directory') {
        yield this.#entry(file, path, 'data');
        continue;
      }
      if (file.migrated) onLost?.(path, migrated(path));
      else yield this.#forkOf(file, 'data', path + (file.compressed ? compressedSuffix : ''));
      if (file.resourceFork !== null && file.resourceFork.size > 0) {
        yield this.#forkOf(file, 'resource', path + forkSuffix);
      }
    }
  }

  async *runs(file: TreeFile): AsyncGenerator<TreeRun> {
    const told = this.#told;
    if (told === null || file.kind !== 'file') return;
    let lost = 0;
    for (const extent of this.#filesystem.extents(told.file, told.fork)) {
      const { offset, length } = extent;
      if (extent.kind === 'data') yield { offset, length, start: extent.at };
      else if (extent.kind === 'missing') lost += length;
    }
    if (lost > 0) {
      const message = `${file.path} is damaged: ${lost} bytes of it are lost`;
      if (!this.#options.damaged) throw new RemetalError('filesystem-damaged', message);
      this.remarks.set(file.path, {
        code: 'filesystem-damaged',
        message: `${message} and were written as zeros.`,
      });
    } else if (told.file.compressed && told.fork === 'data') {
      const message = `${file.path} is compressed by NetWare and was written as it is stored.`;
      this.remarks.set(file.path, { code: 'compressed', message });
    }
  }

  target(): Promise<Buffer> {
    return Promise.reject(new RemetalError('internal', 'A NetWare volume has no symbolic links.'));
  }

  attributes(): Promise<readonly []> {
    return Promise.resolve([]);
  }

  #forkOf(file: NetwareFile, fork: Fork, path: string): TreeFile {
    const free = file.deletion !== null && this.#taken.has(path) ? `${path}.${file.number}` : path;
    if (file.deletion !== null) this.#taken.add(free);
    this.#told = { file, fork };
    return this.#entry(file, free, fork);
  }

  #entry(file: NetwareFile, path: string, fork: Fork): TreeFile {
    const modified = momentOf(file.modified);
    return {
      path,
      rawPath: null,
      kind: file.kind,
      id: file.number,
      links: 1,
      size: file.kind === 'file' ? this.#filesystem.length(file, fork) : 0,
      mode: null,
      owner: null,
      modified,
      accessed: null,
      changed: null,
      created: momentOf(file.created),
      device: null,
      more: {},
    };
  }
}

/** The server's local time, taken as this machine's own. */
function momentOf(time: string | null): Moment | null {
  if (time === null) return null;
  const milliseconds = new Date(time).getTime();
  return Number.isNaN(milliseconds) ? null : { seconds: Math.floor(milliseconds / 1000), nanoseconds: 0 };
}

function migrated(path: string): Error {
  const message = `${path} was migrated to another medium: its contents are not on the volume`;
  return Object.assign(new Error(message), { code: 'migrated', syscall: 'read' });
}
