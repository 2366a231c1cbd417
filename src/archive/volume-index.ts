import type { Extent } from '../bytes/index.ts';
import type { EarlierRuns } from './earlier-runs.ts';
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
 * the data the set itself holds, then what lies in the earlier sets of its chain: there a group is what this volume
 * keeps of one record. Every question is O(log extents).
 */
export interface VolumeIndex {
  /** Bytes of the volume. */
  readonly size: number;
  /** Groups of the control set; they come first. */
  readonly controlGroups: number;
  /** Groups that lie in the set itself; those of earlier sets follow. */
  readonly ownGroups: number;
  readonly groupCount: number;
  /** Plain bytes in all groups. */
  readonly plainBytes: number;
  /** Plain bytes of the largest group. */
  readonly largestGroup: number;
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

/** The index of a volume whose own groups lie from record `firstOrdinal` on. Throws `field-range` for a map that breaks its rules. */
export function indexOfMap(map: VolumeMap, firstOrdinal: number): VolumeIndex {
  const index = new GroupIndex(map);
  const own: VolumeIndex = {
    size: map.size,
    controlGroups: index.controlGroups,
    ownGroups: index.groupCount,
    groupCount: index.groupCount,
    plainBytes: index.plainBytes,
    largestGroup: Math.min(map.groupSize, index.plainBytes),
    isControl: (group) => index.isControl(group),
    groupLength: (group) => index.groupLength(group),
    groupExtents: (group) => index.groupExtents(group),
    groupAtOffset: (offset) => index.groupAtOffset(offset),
    nextStart: (offset) => index.nextStart(offset),
    place: (group) => ({ link: 0, ordinal: firstOrdinal + group }),
  };
  return map.earlier === undefined ? own : withEarlier(own, map.earlier);
}

/** The groups of a set with those that lie in earlier ones behind them. */
function withEarlier(own: VolumeIndex, earlier: EarlierRuns): VolumeIndex {
  const groups = new EarlierGroups(earlier);
  const first = own.ownGroups;
  const isOwn = (group: number): boolean => group < first;
  return {
    ...own,
    groupCount: first + groups.count,
    plainBytes: own.plainBytes + groups.plainBytes,
    largestGroup: Math.max(own.largestGroup, groups.largest),
    groupLength: (group) => (isOwn(group) ? own.groupLength(group) : groups.length(group - first)),
    groupExtents: (group) => (isOwn(group) ? own.groupExtents(group) : groups.extents(group - first)),
    groupAtOffset(offset) {
      const found = own.groupAtOffset(offset);
      if (found !== null) return found;
      const run = earlier.lastAt(offset);
      if (run < 0 || offset >= earlier.start(run) + earlier.length(run)) return null;
      return first + groups.ofRun(run);
    },
    nextStart(offset) {
      const next = earlier.lastAt(offset) + 1;
      const start = next < earlier.count ? earlier.start(next) : Number.POSITIVE_INFINITY;
      return Math.min(own.nextStart(offset), start);
    },
    place: (group) => (isOwn(group) ? own.place(group) : groups.place(group - first)),
  };
}

/** The runs of a volume in earlier sets, those of one record together, in the order in which the records lie. */
class EarlierGroups {
  readonly count: number;
  readonly plainBytes: number;
  readonly largest: number;
  readonly #runs: EarlierRuns;
  readonly #order: Uint32Array;
  /** By group: where its runs begin in the order; one more at the end. */
  readonly #firsts: Uint32Array;
  /** By run: its group. */
  readonly #groups: Uint32Array;

  constructor(runs: EarlierRuns) {
    this.#runs = runs;
    this.#order = runs.inMediumOrder();
    this.#groups = new Uint32Array(runs.count);
    const firsts = new Uint32Array(runs.count + 1);
    let count = 0;
    let before = -1;
    let length = 0;
    let plainBytes = 0;
    let largest = 0;
    for (const [at, run] of this.#order.entries()) {
      if (before < 0 || !this.#sameRecord(before, run)) {
        firsts[count++] = at;
        length = 0;
      }
      this.#groups[run] = count - 1;
      length += runs.length(run);
      plainBytes += runs.length(run);
      largest = Math.max(largest, length);
      before = run;
    }
    firsts[count] = runs.count;
    this.count = count;
    this.plainBytes = plainBytes;
    this.largest = largest;
    this.#firsts = firsts.slice(0, count + 1);
  }

  #sameRecord(a: number, b: number): boolean {
    return this.#runs.link(a) === this.#runs.link(b) && this.#runs.ordinal(a) === this.#runs.ordinal(b);
  }

  ofRun(run: number): number {
    return this.#groups[run]!;
  }

  extents(group: number): Extent[] {
    const out: Extent[] = [];
    for (let at = this.#firsts[group]!; at < this.#firsts[group + 1]!; at++) {
      const run = this.#order[at]!;
      out.push({ start: this.#runs.start(run), length: this.#runs.length(run) });
    }
    return out;
  }

  length(group: number): number {
    return this.extents(group).reduce((sum, extent) => sum + extent.length, 0);
  }

  place(group: number): GroupPlace {
    const run = this.#order[this.#firsts[group]!]!;
    return { link: this.#runs.link(run), ordinal: this.#runs.ordinal(run) };
  }
}
