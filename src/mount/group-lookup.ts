import type { VolumeIndex, VolumeMap } from '../archive/index.ts';
import type { Extent } from '../bytes/index.ts';
import { comparePlaces } from './elevator.ts';

/** A stretch of a volume that lies in one extent of one group, or in none. */
export interface Piece {
  readonly start: number;
  readonly length: number;
  /** Null for what the set holds no record of: it is zeros. */
  readonly group: number | null;
}

/** The pieces that `[start, start + length)` of a volume is made of, in its order. */
export function* piecesOf(index: VolumeIndex, { start, length }: Extent): Generator<Piece, void, undefined> {
  const end = start + length;
  let known = -1;
  let extents: readonly Extent[] = [];
  for (let at = start; at < end;) {
    const group = index.groupAtOffset(at);
    let next = Math.min(end, index.nextStart(at));
    if (group !== null) {
      if (known !== group) extents = index.groupExtents(group);
      known = group;
      const extent = extentAt(extents, at);
      // An index that names a group which has not the byte would have us go on for ever.
      if (extent !== undefined) next = Math.min(end, extent.start + extent.length);
    }
    yield { start: at, length: next - at, group };
    at = next;
  }
}

/** Pieces of a read that are served together. */
export interface Batch {
  readonly pieces: readonly Piece[];
  /** The groups they lie in, each once. */
  readonly groups: ReadonlySet<number>;
  /** Plain bytes of these. */
  readonly bytes: number;
}

/** The pieces of an extent, as many together as need groups of at most `mostBytes`, and one in any case. */
export function* batchesOf(
  index: VolumeIndex,
  extent: Extent,
  mostBytes: number,
): Generator<Batch, void, undefined> {
  let pieces: Piece[] = [];
  let groups = new Set<number>();
  let bytes = 0;
  for (const piece of piecesOf(index, extent)) {
    const { group } = piece;
    if (group !== null && !groups.has(group)) {
      const length = index.groupLength(group);
      if (groups.size > 0 && bytes + length > mostBytes) {
        yield { pieces, groups, bytes };
        pieces = [];
        groups = new Set();
        bytes = 0;
      }
      groups.add(group);
      bytes += length;
    }
    pieces.push(piece);
  }
  if (pieces.length > 0) yield { pieces, groups, bytes };
}

function extentAt(extents: readonly Extent[], offset: number): Extent | undefined {
  return extents.find(({ start, length }) => offset >= start && offset < start + length);
}

/** The groups that hold any byte of some extents, each once, in the order of the medium. */
export function groupsOf(index: VolumeIndex, extents: readonly Extent[]): number[] {
  const found: number[] = [];
  // Of control set and data, which alternate while each of them ascends.
  let [control, data] = [-1, -1];
  for (const extent of extents) {
    for (const { group } of piecesOf(index, extent)) {
      if (group === null || group === control || group === data) continue;
      if (index.isControl(group)) control = group;
      else data = group;
      found.push(group);
    }
  }
  const sorted = found.toSorted((a, b) => a - b);
  const groups = sorted.filter((group, i) => group !== sorted[i - 1]);
  const isInOrder = groups.every(
    (group, i) => i === 0 || comparePlaces(index.place(groups[i - 1]!), index.place(group)) < 0,
  );
  return isInOrder ? groups : groups.toSorted((a, b) => comparePlaces(index.place(a), index.place(b)));
}

/**
 * Everything of a volume that any record holds: the control set, the data, and what lies in earlier sets of its
 * chain. The last are in no list of the map, and are asked of the index. Nothing from byte `size` on.
 */
export function heldExtents(map: VolumeMap, index: VolumeIndex, size: number): Extent[] {
  const lists: (readonly Extent[])[] = [map.control, map.data];
  const own = groupsFor(map.control, map.groupSize) + groupsFor(map.data, map.groupSize);
  const earlier: Extent[] = [];
  for (let group = own; group < index.groupCount; group++) earlier.push(...index.groupExtents(group));
  lists.push(earlier.toSorted((a, b) => a.start - b.start));
  const held = lists.reduce<readonly Extent[]>(merged, []).slice();
  while (held.length > 0 && held.at(-1)!.start >= size) held.pop();
  const last = held.at(-1);
  if (last !== undefined && last.start + last.length > size) {
    held[held.length - 1] = { start: last.start, length: size - last.start };
  }
  return held;
}

function groupsFor(extents: readonly Extent[], groupSize: number): number {
  return Math.ceil(extents.reduce((sum, { length }) => sum + length, 0) / groupSize);
}

/** Two ascending lists as one; what touches becomes one extent, the others are taken as they are. */
function merged(a: readonly Extent[], b: readonly Extent[]): readonly Extent[] {
  if (b.length === 0) return a;
  const out: Extent[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const next = j >= b.length || (i < a.length && a[i]!.start <= b[j]!.start) ? a[i++]! : b[j++]!;
    const last = out.at(-1);
    if (last !== undefined && next.start <= last.start + last.length) {
      const end = Math.max(last.start + last.length, next.start + next.length);
      out[out.length - 1] = { start: last.start, length: end - last.start };
    } else {
      out.push(next);
    }
  }
  return out;
}
