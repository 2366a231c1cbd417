import type { TreeFile } from '../../filesystem/index.ts';
import type { Notice } from '../../progress/index.ts';
import type { ReadableVolume } from './in-order.ts';
import type { Problem } from './problems.ts';
import type { VolumeTree } from './volume-tree.ts';

/** What is taken out of a volume, and where it goes. */
export interface ExtractRequest {
  readonly tree: VolumeTree;
  /** Where the runs of the tree lie. */
  readonly volume: ReadableVolume;
  /** Files, and directories with all below them; everything when absent. */
  readonly paths?: readonly string[];
  /** The folder it goes into, made where it is missing. */
  readonly folder: string;
  /** Files that are there already are replaced; without it they are left alone, as a problem. */
  readonly overwrite?: boolean;
  /** So many names at the front of each path are left off. */
  readonly strip?: number;
  /** Files that cannot be read in full are kept, with zeros for what is lost. */
  readonly damaged?: boolean;
  readonly signal?: AbortSignal;
  /** Called once a file is done, whichever way. */
  readonly onFile?: (extracted: Extracted) => void;
  readonly tell?: (notice: Notice) => void;
  /** Told how many bytes of files are written, of how many. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Rows of the table of runs that are kept in memory. */
  readonly rowsInMemory?: number;
}

/** How it went with one file. */
export interface Extracted {
  /** Its path in the volume. */
  readonly path: string;
  readonly kind: TreeFile['kind'] | null;
  /** Where it was written, below the folder; null when it was not. */
  readonly written: string | null;
  readonly bytes: number;
  /** Why it was not written as it was, or null. */
  readonly problem: Problem | null;
}

export interface ExtractTotals {
  /** Names written that are no directories. */
  readonly files: number;
  readonly directories: number;
  /** Of the files, holes counted too. */
  readonly bytes: number;
  readonly problems: number;
}
