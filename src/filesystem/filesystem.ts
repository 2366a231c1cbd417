import type { Extent } from '../bytes/extents.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import type { FilesystemFacts } from '../layout/layout.ts';
import type { FileTree } from './file-tree.ts';
import type { Move } from './moves.ts';

/** Which bytes of a volume hold live data. */
export interface UsedMap {
  /** Byte extents, on the file system's block grid, clipped to the volume. */
  readonly used: readonly Extent[];
  /**
   * False where the map may not be believed (an unknown feature bit, a count that disagrees with the
   * file system's own free counter, a log that must be replayed first); then `used` is the whole volume.
   */
  readonly trusted: boolean;
  /** Why it may not be believed, a plain sentence; null when trusted. */
  readonly reason: string | null;
}

/** A file whose data or metadata lies in a range somebody asks about. */
export interface AffectedFile {
  /** Path from the root of the file system, starting with `/`; `null` for an inode with no name found. */
  readonly path: string | null;
  readonly inode: number;
  /** What of it is hit. */
  readonly part: 'data' | 'metadata';
}

/** A recognised file system on a volume. Pure over the device's bytes: reads, never writes. */
export interface FileSystem {
  readonly facts: FilesystemFacts;
  usedMap(): Promise<UsedMap>;
  /**
   * Byte extents needed to mount the volume and walk its directories, a subset of the used map;
   * duplicated structures left out. Empty where the driver has no such knowledge.
   */
  controlSet(): Promise<Extent[]>;
  /** The files that own any byte of `ranges` (byte extents of the volume). Absent where not known. */
  filesIn?(ranges: readonly Extent[]): Promise<AffectedFile[]>;
  /** Its files, by our own reader. Absent where there is none; then the kernel has to mount it. */
  tree?(): Promise<FileTree>;
}

/** One family of file systems. Listed in `filesystem/all.ts`. */
export interface FileSystemDriver {
  /** The family: `ext`, `xfs`, `fat`, `swap`. */
  readonly family: string;
  /** The file system on `volume`, or null when it is not of this family. Hostile input never allocates by an unchecked number. */
  probe(volume: BlockDevice): Promise<FileSystem | null>;
  /** How a file system of this family is made to fill a larger volume; absent where it cannot grow. */
  readonly growth?: Growth;
}

/** What the planner has to know about growing. The work is done in `restore/`. */
export interface Growth {
  /** Which tool does it; `header` means rewriting the header with `grownHeader`, `fat` laying it out anew with `laidOut`. */
  readonly by: 'resize2fs' | 'xfs_growfs' | 'header' | 'fat';
  /** For `header`: the bytes to write at the start of a volume of `size` bytes, from the bytes stored. */
  readonly grownHeader?: (stored: Buffer, size: number) => Buffer;
  /**
   * For `fat`: how the file system on `old`, the volume in its old size, is laid out in a larger one; a
   * sentence instead where it is not sound enough. Throws `disk-read-failed`.
   */
  readonly laidOut?: (old: BlockDevice, wish: LargerWish) => Promise<LargerLayout | string>;
}

/** What a file system that is laid out anew is to become, and where. */
export interface LargerWish {
  /** Bytes of the volume from now on. */
  readonly size: number;
  /** What was planned: type, bytes of an allocation unit, bytes of the file system. Anything else is refused. */
  readonly planned: { readonly type: string; readonly blockSize: number; readonly size: number };
  /** It may become FAT32 although its boot code is not of that kind. */
  readonly fat32: boolean;
  /** Sectors in front of the volume on its disk; null leaves what is written in it. */
  readonly hidden: number | null;
  /** Heads and sectors per track as the firmware counts them; null leaves what is written in it. */
  readonly geometry: { readonly heads: number; readonly sectorsPerTrack: number } | null;
}

/** A directory, or a part of one, in which numbers change: byte extents after the moves, and what to do to each. */
export interface Patch {
  readonly extents: readonly Extent[];
  readonly patch: (bytes: Buffer) => void;
}

/** Bytes, or so many zeros, for a place of the volume; all on its sector grid. */
export type StructureWrite =
  | { readonly offset: number; readonly bytes: Buffer }
  | { readonly offset: number; readonly zeros: number };

/** A file system laid out anew in a larger volume: first the moves, then the patches, then the writes, in order. */
export interface LargerLayout {
  readonly type: string;
  /** Bytes the file system takes. */
  readonly size: number;
  readonly blockSize: number;
  /** Bytes the moves write. */
  readonly bytes: number;
  readonly moves: () => Iterable<Move>;
  readonly patches: readonly Patch[];
  readonly writes: readonly StructureWrite[];
}
