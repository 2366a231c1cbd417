import type { BlockDevice } from '../disk/block-device.ts';
import type { DiskIdentity } from '../disk/identity.ts';
import type { Layout } from '../layout/layout.ts';
import type { Since } from '../archive/index.ts';
import type { SetHead, SetTotals } from '../archive/set.ts';
import type { Medium } from '../medium/medium.ts';
import type { Reporter } from '../progress/progress.ts';
import type { Observe } from './volume-map.ts';

/** A disk or image file to be imaged. The caller opened it and made sure that nothing has it mounted. */
export interface SourceDisk {
  readonly device: BlockDevice;
  readonly identity: DiskIdentity;
}

export interface BackupRequest {
  readonly disks: readonly SourceDisk[];
  readonly medium: Medium;
  readonly machine: Layout['machine'];
  /** What the set is called; the host name by default. */
  readonly name: string;
  readonly note: string;
  /** Take every sector, whatever the used maps say. */
  readonly allSectors: boolean;
  /** Keep the blocks of deleted files that the file system still knows (NetWare). False by default. */
  readonly keepDeleted?: boolean;
  /** `stop` throws `disk-read-failed`; `skip` stores zeros for the sectors and lists them. */
  readonly onReadError: 'stop' | 'skip';
  /**
   * Finds the control set of a volume whose format only the kernel knows, by walking its files; where it is absent or
   * fails such a volume has none.
   */
  readonly observe?: Observe;
  /** zstd level, 1 by default; 0 stores plain. */
  readonly level: number;
  readonly now: Date;
  /** The earlier set an incremental backup builds on; a full one is made when absent. Closed by the caller. */
  readonly since?: Since;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal;
}

export interface BackupResult {
  /** Name of the set on its medium. */
  readonly set: string;
  readonly head: SetHead;
  readonly layout: Layout;
  readonly totals: SetTotals;
}
