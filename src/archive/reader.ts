import type { Extent } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Layout } from '../layout/layout.ts';
import type { Medium } from '../medium/medium.ts';
import type { Reporter } from '../progress/index.ts';
import type { SetHead, SetTotals, VolumeMap } from './set.ts';

export interface OpenOptions {
  /** Open a set without an end by scanning what is there. */
  readonly salvage?: boolean;
}

export interface GroupsOptions {
  /** First group; 0 when absent. */
  readonly from?: number;
  /** One past the last group; all when absent. */
  readonly to?: number;
  /** `stop` throws at the first damaged record; `report` yields it as a group with `damage`. */
  readonly onDamage: 'stop' | 'report';
  readonly signal?: AbortSignal;
}

/** One group of a volume. */
export interface Group {
  readonly index: number;
  /** Byte extents of the volume, ascending, whose lengths add up to the plain bytes. */
  readonly extents: readonly Extent[];
  /** The bytes, in the order of `extents`; null for zeros and for a damaged group. The buffer is the caller's for good. */
  readonly plain: Buffer | null;
  readonly zero: boolean;
  readonly damage: RemetalError | null;
  /** Byte extents of the volume that the backup could not read (they are zeros here). */
  readonly unreadable: readonly Extent[];
}

/** An open set. */
export interface SetReader {
  readonly name: string;
  readonly head: SetHead;
  readonly layout: Layout;
  /** By volume id, in the order of the set. */
  readonly maps: ReadonlyMap<string, VolumeMap>;
  /** Null only when a set without an end was opened by scanning. */
  readonly totals: SetTotals | null;
  /** Digest of the end record, hex: what a chain and a plan name the set by. Null as for `totals`. */
  readonly digest: string | null;
  /** What was found damaged and could be made good while opening. */
  readonly problems: readonly RemetalError[];
  /** The groups of a volume in ascending order. One iteration at a time. */
  groups(volume: string, options: GroupsOptions): AsyncIterable<Group>;
  /**
   * The checksums of a volume's groups from the table of the set, ascending; a restore compares with
   * them what it reads back. Throws as `groups` does with `stop` where the table is damaged.
   */
  checksums(volume: string): AsyncIterable<GroupChecksum>;
  close(): Promise<void>;
}

/** What the set's table says of one group. */
export interface GroupChecksum {
  readonly index: number;
  /** The first 16 bytes of the SHA-256 of the plain bytes. */
  readonly digest: Buffer;
}

export async function openSet(medium: Medium, name: string, options?: OpenOptions): Promise<SetReader> {
  throw new RemetalError('internal', 'Not there yet.');
}

export interface VerifyOptions {
  readonly reporter: Reporter;
  readonly signal?: AbortSignal;
}

export interface VerifyReport {
  readonly records: number;
  readonly bytes: number;
  /** Every problem found, in the order met; empty for a sound set. */
  readonly problems: readonly RemetalError[];
}

/** Reads a whole set and checks every record, the sequence, the totals and the end digest. */
export async function verifySet(medium: Medium, name: string, options: VerifyOptions): Promise<VerifyReport> {
  throw new RemetalError('internal', 'Not there yet.');
}
