import type { Extent } from '../bytes/extents.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import type { FilesystemFacts } from '../layout/layout.ts';

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
  /** Which tool does it; `header` means rewriting the header with `grownHeader`. */
  readonly by: 'resize2fs' | 'xfs_growfs' | 'header';
  /** For `header`: the bytes to write at the start of a volume of `size` bytes, from the bytes stored. */
  readonly grownHeader?: (stored: Buffer, size: number) => Buffer;
}
