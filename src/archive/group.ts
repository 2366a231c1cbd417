import type { Extent } from '../bytes/index.ts';
import type { RemetalError } from '../errors/index.ts';

/** Which groups of a volume are read, and what becomes of damaged ones. */
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
  /** The bytes, in the order of `extents`; null for zeros and for a damaged group. The caller's until `release`. */
  readonly plain: Buffer | null;
  readonly zero: boolean;
  readonly damage: RemetalError | null;
  /** Byte extents of the volume that the backup could not read (they are zeros here). */
  readonly unreadable: readonly Extent[];
  /** Lets the buffer be used again. Who does not call it keeps the buffer, and the next group costs a new one. */
  readonly release?: () => void;
}
