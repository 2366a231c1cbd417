import type { VolumeDefinition } from './definition.ts';
import type { Segment } from './volumes.ts';

/** A volume that wants room. */
export interface VolumeWish {
  readonly definition: VolumeDefinition;
  /** Blocks it must have; as many as it had by default, and never fewer. */
  readonly blocks?: number;
  /** Its segments as they were, their partitions counted as the targets are; needed for the same shape. */
  readonly before?: readonly Segment[];
  /** Takes what is left over when every volume has its room. */
  readonly fill?: boolean;
}

/** A data partition that takes segments. */
export interface SolverTarget {
  /** For messages: `disk1 partition 2`. */
  readonly name: string;
  /** Sectors of its logical partition. */
  readonly dataSectors: number;
  /** Segments that are there and stay. Logical sectors. */
  readonly kept?: readonly { readonly start: number; readonly sectors: number }[];
}

/** How volumes are to lie. */
export interface ShapeWishes {
  /**
   * `same`: each segment on the target of its number, as long as it was and where it was if that fits;
   * `packed`: in as few segments as possible; `spread`: over all targets, in proportion to their room.
   */
  readonly shape: 'same' | 'packed' | 'spread';
  /** Keeps the volume SYS on the first target, from which a server starts. */
  readonly sysFirst: boolean;
}
