import type { Extent } from '../bytes/index.ts';
import { GroupIndex } from './map.ts';
import type { VolumeMap } from './set.ts';

/** Where the record of a group lies. Records are read fastest in ascending order of link, then of ordinal. */
export interface GroupPlace {
  /** 0 for the set itself, else which set of its chain, from 1. */
  readonly link: number;
  readonly ordinal: number;
}

/**
 * Which bytes of a volume lie in which group, and where the group lies. Groups of the control set come first, then
 * the data the set itself holds, then what lies in the earlier sets of its chain. Every question is O(log extents).
 */
export interface VolumeIndex {
  /** Bytes of the volume. */
  readonly size: number;
  /** Groups of the control set; they come first. */
  readonly controlGroups: number;
  readonly groupCount: number;
  /** Plain bytes in all groups. */
  readonly plainBytes: number;
  /** True when group `group` belongs to the control set. */
  isControl(group: number): boolean;
  /** Plain bytes of a group. */
  groupLength(group: number): number;
  /** Byte extents of the volume that a group holds, ascending. */
  groupExtents(group: number): Extent[];
  /** The group that holds the volume's byte `offset`, or null when the set keeps no record of it: it reads as zero. */
  groupAtOffset(offset: number): number | null;
  /** The first byte behind `offset` at which an extent of the map begins; infinity when none does. */
  nextStart(offset: number): number;
  place(group: number): GroupPlace;
}

/** The index of a volume whose groups all lie in the set itself, from record `firstOrdinal` on. */
export function indexOfMap(map: VolumeMap, firstOrdinal: number): VolumeIndex {
  const index = new GroupIndex(map);
  return {
    size: map.size,
    controlGroups: index.controlGroups,
    groupCount: index.groupCount,
    plainBytes: index.plainBytes,
    isControl: (group) => index.isControl(group),
    groupLength: (group) => index.groupLength(group),
    groupExtents: (group) => index.groupExtents(group),
    groupAtOffset: (offset) => index.groupAtOffset(offset),
    nextStart: (offset) => index.nextStart(offset),
    place: (group) => ({ link: 0, ordinal: firstOrdinal + group }),
  };
}
