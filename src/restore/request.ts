import type { SetHead, VolumeMap } from '../archive/set.ts';
import type { DiskIdentity } from '../disk/identity.ts';
import type { AffectedFile } from '../filesystem/filesystem.ts';
import type { Extent } from '../bytes/extents.ts';
import type { Layout } from '../layout/layout.ts';
import type { Wishes } from './wishes.ts';

/** A disk that could be restored onto, as the planner sees it. */
export interface TargetDisk {
  readonly identity: DiskIdentity;
  /** Every path that names it: the device node, its links under /dev/disk, the image file. */
  readonly paths: readonly string[];
  /** What was found on it, in words (`gpt with 3 partitions`, `ext4 "data"`); empty when blank. */
  readonly holds: readonly string[];
  /** Why it must never be written: it carries the appliance, the set, or is mounted; null otherwise. */
  readonly reserved: 'boot-medium' | 'holds-the-set' | 'mounted' | null;
}

/** Everything the pure planner needs. */
export interface PlanInput {
  readonly head: SetHead;
  readonly layout: Layout;
  readonly maps: readonly VolumeMap[];
  readonly candidates: readonly TargetDisk[];
  readonly wishes: Wishes;
  /** The first bytes of volumes that are to grow and whose file system lies in them, by id: `volumeStarts`. */
  readonly starts?: ReadonlyMap<string, Buffer>;
  /** Firmware of the machine that restores; null where unknown (restoring from another machine). */
  readonly firmware: 'bios' | 'uefi' | null;
}

/** How a restore ended. */
export interface RestoreReport {
  readonly planHash: string;
  /** By this run: after a resume, what was written before is not counted. */
  readonly writtenBytes: number;
  /** Of the whole run. */
  readonly seconds: number;
  /** True when everything that was written was read back and compared. */
  readonly verified: boolean;
  /** The reading back of this run; null where none was asked for. `seconds` of the run include it. */
  readonly readBack: { readonly bytes: number; readonly seconds: number } | null;
  /** The step of the plan, counted from 0, that an interrupted restore was taken up at. */
  readonly resumedAt: number | null;
  /** Records that could not be read, and what they held. Empty for a restore without exceptions. */
  readonly damage: readonly {
    readonly volume: string;
    readonly extents: readonly Extent[];
    readonly files: readonly AffectedFile[];
    readonly reason: string;
  }[];
  /** Units of 4 KiB that a disk could not hold and that were moved to the hotfix area of their NetWare partition. */
  readonly moved: readonly {
    readonly disk: string;
    readonly partition: number;
    /** Sectors of the disk that failed; the first of the unit where a restore that was taken up knows no more. */
    readonly sectors: readonly number[];
    /** First sector of the unit's new place. */
    readonly movedTo: number;
    /** What it holds: a volume, and of that the files. */
    readonly volume: string | null;
    readonly files: readonly string[];
  }[];
  readonly notices: readonly { readonly code: string; readonly message: string }[];
}
