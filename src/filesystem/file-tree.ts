import type { Extent } from '../bytes/extents.ts';

/** A moment: whole seconds since 1970 and nanoseconds, at most nine digits, on top of them. */
export interface Moment {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export type FileKind = 'file' | 'directory' | 'link' | 'fifo' | 'socket' | 'character' | 'block';

/** A file, directory, link or node, as the structures of a file system tell it. */
export interface TreeFile {
  /** Path from the root of the volume, beginning with `/`; `/` is the root itself. */
  readonly path: string;
  /** The path as the bytes the file system has, where they are no UTF-8; else null. */
  readonly rawPath: Buffer | null;
  readonly kind: FileKind;
  /** The same for all names of one file, and for nothing else of the volume. */
  readonly id: number;
  /** How many names it has. */
  readonly links: number;
  /** Bytes; 0 for everything but files and links. */
  readonly size: number;
  /** Permission bits, 0o7777 at most; null where the file system has none. */
  readonly mode: number | null;
  readonly owner: { readonly user: number; readonly group: number } | null;
  readonly modified: Moment | null;
  readonly accessed: Moment | null;
  readonly changed: Moment | null;
  readonly created: Moment | null;
  /** Of character and block nodes. */
  readonly device: { readonly major: number; readonly minor: number } | null;
  /** What the file system adds that nothing above says, for `files -l` and `--json`: attributes of DOS, say. */
  readonly more: Readonly<Record<string, string>>;
}

/** So many bytes of a file, and where they lie. */
export interface FileRun {
  /** Byte of the file. */
  readonly offset: number;
  readonly length: number;
  /** Byte of the volume; null for zeros that lie nowhere: a hole, or allocated and never written. */
  readonly start: number | null;
  /** The bytes themselves, where they lie inside a structure that was read anyway; then `start` is null. */
  readonly inline?: Buffer;
}

/** One extended attribute, with its full name as Linux has it: `user.comment`, `system.posix_acl_access`. */
export interface ExtendedAttribute {
  readonly name: string;
  readonly value: Buffer;
}

export interface WalkOptions {
  /** Only these paths and what lies below them; everything when absent. */
  readonly paths?: readonly string[];
  readonly signal?: AbortSignal;
  /** Told of a directory or file that cannot be read, with what the walk then goes on without. Thrown when absent. */
  readonly onLost?: (path: string, error: Error) => void;
}

/**
 * The files of a volume, read by our own knowledge of its structures. Walking reads nothing outside the control set.
 * Hostile structures (loops, lengths, counts) end as `filesystem-damaged`, never as a loop or an allocation without bound.
 */
export interface FileTree {
  /** Each directory before what is in it. A path asked for that is not there throws `path-not-found`. */
  walk(options?: WalkOptions): AsyncGenerator<TreeFile>;
  /** Where the bytes of a file lie, ascending in the file; what no run covers up to its size is a hole. */
  runs(file: TreeFile): AsyncGenerator<FileRun>;
  /** What a symbolic link points to. */
  target(file: TreeFile): Promise<Buffer>;
  attributes(file: TreeFile): Promise<readonly ExtendedAttribute[]>;
  /** Why what is read may not be the newest state: a journal that was not replayed; null when nothing is pending. */
  readonly pending: string | null;
  /** Extents of the volume that `pending` means, for a caller that replays it. */
  readonly journal?: readonly Extent[];
}
