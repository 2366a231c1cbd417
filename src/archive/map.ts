import { total, type Extent } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { EarlierRuns } from './earlier-runs.ts';
import type { VolumeMap } from './set.ts';
import { lastNotAbove } from './sorted.ts';

/** The largest group a set may have, plain bytes; bounds what a reader allocates for one record. */
export const maxGroupSize = 8 * 1024 * 1024;

/** The most extents a map may have; bounds what a reader keeps of a map that claims more. */
export const maxMapExtents = 2 ** 24;
/** The most groups of a volume. */
const maxGroups = 2 ** 32;

/** Where one extent list of a map lies in its stream: starts, and stream offsets (one more, the last being the total). */
interface Stream {
  readonly starts: Float64Array;
  readonly offsets: Float64Array;
}

function streamOf(extents: readonly Extent[]): Stream {
  const starts = new Float64Array(extents.length);
  const offsets = new Float64Array(extents.length + 1);
  let at = 0;
  for (let i = 0; i < extents.length; i++) {
    starts[i] = extents[i]!.start;
    offsets[i] = at;
    at += extents[i]!.length;
  }
  offsets[extents.length] = at;
  return { starts, offsets };
}

function totalOf(stream: Stream): number {
  return stream.offsets[stream.starts.length]!;
}

/**
 * Which bytes of a volume lie in which group. Groups are cut from the control stream, then from the
 * data stream; the last of each may be short. 16 bytes an extent; every question is O(log extents).
 */
export class GroupIndex {
  readonly groupSize: number;
  /** Groups of the control set; they come first. */
  readonly controlGroups: number;
  readonly groupCount: number;
  /** Plain bytes in all groups. */
  readonly plainBytes: number;
  readonly #control: Stream;
  readonly #data: Stream;

  /** Throws `field-range` for a map that breaks the rules of `checkMap`. */
  constructor(map: VolumeMap) {
    checkMap(map);
    this.groupSize = map.groupSize;
    this.#control = streamOf(map.control);
    this.#data = streamOf(map.data);
    this.controlGroups = Math.ceil(totalOf(this.#control) / map.groupSize);
    this.groupCount = this.controlGroups + Math.ceil(totalOf(this.#data) / map.groupSize);
    this.plainBytes = totalOf(this.#control) + totalOf(this.#data);
  }

  /** True when group `index` belongs to the control set. */
  isControl(index: number): boolean {
    return index < this.controlGroups;
  }

  #locate(index: number): { stream: Stream; from: number; to: number } {
    if (!Number.isInteger(index) || index < 0 || index >= this.groupCount) {
      throw new RemetalError('field-range', `Group ${index} is not in the map.`, {
        facts: { index, groups: this.groupCount },
      });
    }
    const stream = this.isControl(index) ? this.#control : this.#data;
    const from = (this.isControl(index) ? index : index - this.controlGroups) * this.groupSize;
    return { stream, from, to: Math.min(from + this.groupSize, totalOf(stream)) };
  }

  /** Plain bytes of group `index`. */
  groupLength(index: number): number {
    const { from, to } = this.#locate(index);
    return to - from;
  }

  /** Byte extents of the volume that group `index` holds, ascending. */
  groupExtents(index: number): Extent[] {
    const { stream, from, to } = this.#locate(index);
    const out: Extent[] = [];
    let i = lastNotAbove(stream.offsets, stream.starts.length, from);
    for (let at = from; at < to; i++) {
      const end = Math.min(stream.offsets[i + 1]!, to);
      out.push({ start: stream.starts[i]! + (at - stream.offsets[i]!), length: end - at });
      at = end;
    }
    return out;
  }

  /** The group that holds the volume's byte `offset`, or null when the set does not keep it. */
  groupAtOffset(offset: number): number | null {
    return this.#find(this.#control, offset, 0) ?? this.#find(this.#data, offset, this.controlGroups);
  }

  /** The first byte behind `offset` at which an extent of the map begins; infinity when none does. */
  nextStart(offset: number): number {
    const after = ({ starts }: Stream): number =>
      starts[lastNotAbove(starts, starts.length, offset) + 1] ?? Number.POSITIVE_INFINITY;
    return Math.min(after(this.#control), after(this.#data));
  }

  #find(stream: Stream, offset: number, firstGroup: number): number | null {
    const i = lastNotAbove(stream.starts, stream.starts.length, offset);
    if (i < 0) return null;
    const at = stream.offsets[i]! + (offset - stream.starts[i]!);
    return at < stream.offsets[i + 1]! ? firstGroup + Math.floor(at / this.groupSize) : null;
  }
}

function broken(map: VolumeMap, why: string, facts: Record<string, unknown> = {}): RemetalError {
  return new RemetalError('field-range', `Block map of volume ${map.volume} is not valid: ${why}.`, {
    facts: { volume: map.volume, ...facts },
  });
}

function checkExtents(map: VolumeMap, extents: readonly Extent[], name: string): void {
  let last = -1;
  for (const { start, length } of extents) {
    const end = start + length;
    const whole = Number.isSafeInteger(start) && Number.isSafeInteger(length) && length > 0;
    if (!whole || start <= last || end > map.size) throw broken(map, `${name} extents`, { start, length });
    if (start % map.blockSize !== 0 || (end % map.blockSize !== 0 && end !== map.size)) {
      throw broken(map, `${name} extent off the block grid`, { start, length, blockSize: map.blockSize });
    }
    last = end;
  }
}

function checkApart(map: VolumeMap, names: string, a: readonly Extent[], b: readonly Extent[]): void {
  let j = 0;
  for (const { start, length } of a) {
    while (j < b.length && b[j]!.start + b[j]!.length <= start) j++;
    if (j < b.length && b[j]!.start < start + length) throw broken(map, `${names} share bytes`, { start });
  }
}

function checkEarlier(map: VolumeMap, earlier: EarlierRuns): void {
  let last = 0;
  for (let i = 0; i < earlier.count; i++) {
    const start = earlier.start(i);
    const end = start + earlier.length(i);
    const onGrid = start % map.blockSize === 0 && (end % map.blockSize === 0 || end === map.size);
    if (start < last || end <= start || end > map.size || !onGrid)
      throw broken(map, 'earlier runs', { start });
    last = end;
  }
  for (const [name, list] of Object.entries({ control: map.control, data: map.data, zero: map.zero ?? [] })) {
    let i = 0;
    for (const { start, length } of list) {
      while (i < earlier.count && earlier.start(i) + earlier.length(i) <= start) i++;
      if (i < earlier.count && earlier.start(i) < start + length) {
        throw broken(map, `earlier runs and ${name} share bytes`, { start });
      }
    }
  }
}

/**
 * Throws `field-range` unless the map keeps its rules: whole sizes, `groupSize` a multiple of
 * `blockSize` and at most `maxGroupSize`, at most `maxMapExtents`, extents ascending, apart, inside the volume and on the
 * block grid (the last block may be short), and no byte in two of `control`, `data`, `zero` and `earlier`.
 */
export function checkMap(map: VolumeMap): void {
  const { size, blockSize, groupSize } = map;
  if (!Number.isSafeInteger(size) || size < 0) throw broken(map, 'size', { size });
  if (!Number.isSafeInteger(blockSize) || blockSize < 1) throw broken(map, 'block size', { blockSize });
  if (
    !Number.isSafeInteger(groupSize) ||
    groupSize < blockSize ||
    groupSize > maxGroupSize ||
    groupSize % blockSize !== 0
  ) {
    throw broken(map, 'group size', { groupSize, blockSize });
  }
  const extents = map.control.length + map.data.length + (map.zero?.length ?? 0) + (map.earlier?.count ?? 0);
  if (extents > maxMapExtents) throw broken(map, 'too many extents', { extents });
  checkExtents(map, map.control, 'control');
  checkExtents(map, map.data, 'data');
  const groups = (total(map.control) + total(map.data)) / groupSize;
  if (groups > maxGroups) throw broken(map, 'too many groups', { groups });
  const zero = map.zero ?? [];
  checkExtents(map, zero, 'zero');
  checkApart(map, 'control and data', map.control, map.data);
  checkApart(map, 'control and zero', map.control, zero);
  checkApart(map, 'data and zero', map.data, zero);
  if (map.earlier !== undefined) checkEarlier(map, map.earlier);
}
