/**
 * Extent arithmetic. An extent is a half-open run `[start, start + length)` of bytes, sectors or
 * blocks; the holder says which. An extent list is sorted by start, its members neither touch nor
 * overlap, and no member is empty.
 */
export interface Extent {
  readonly start: number;
  readonly length: number;
}

/** Sorts, drops empty members and merges what touches or overlaps. */
export function normalize(extents: Iterable<Extent>): Extent[] {
  const sorted = [...extents].filter((e) => e.length > 0).toSorted((a, b) => a.start - b.start);
  const out: { start: number; length: number }[] = [];
  for (const extent of sorted) {
    const last = out.at(-1);
    if (last !== undefined && extent.start <= last.start + last.length) {
      last.length = Math.max(last.length, extent.start + extent.length - last.start);
    } else {
      out.push({ start: extent.start, length: extent.length });
    }
  }
  return out;
}

/** A list that is being made. */
export type GrowingExtents = { start: number; length: number }[];

/** Adds what lies at or behind the end of the last member; what touches that makes it longer. */
export function appendExtent(list: GrowingExtents, start: number, length: number): void {
  const last = list.at(-1);
  if (last !== undefined && last.start + last.length === start) last.length += length;
  else list.push({ start, length });
}

/** The sum of the lengths. */
export function total(extents: Iterable<Extent>): number {
  let sum = 0;
  for (const extent of extents) sum += extent.length;
  return sum;
}

/** What lies in both lists. */
export function intersect(a: readonly Extent[], b: readonly Extent[]): Extent[] {
  const out: Extent[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i]!;
    const y = b[j]!;
    const start = Math.max(x.start, y.start);
    const end = Math.min(x.start + x.length, y.start + y.length);
    if (start < end) out.push({ start, length: end - start });
    if (x.start + x.length < y.start + y.length) i++;
    else j++;
  }
  return out;
}

/** What lies in `a` and not in `b`. */
export function subtract(a: readonly Extent[], b: readonly Extent[]): Extent[] {
  const out: Extent[] = [];
  let j = 0;
  for (const extent of a) {
    let at = extent.start;
    const end = extent.start + extent.length;
    while (j < b.length && b[j]!.start + b[j]!.length <= at) j++;
    for (let k = j; k < b.length && b[k]!.start < end; k++) {
      const hole = b[k]!;
      if (hole.start > at) out.push({ start: at, length: hole.start - at });
      at = Math.max(at, hole.start + hole.length);
    }
    if (at < end) out.push({ start: at, length: end - at });
  }
  return out;
}

/** What of `[0, size)` lies in no member. */
export function invert(extents: readonly Extent[], size: number): Extent[] {
  return subtract(size > 0 ? [{ start: 0, length: size }] : [], extents);
}

/** Widens each member outward to multiples of `unit`, clips to `[0, size)`, and merges. */
export function alignOutward(extents: Iterable<Extent>, unit: number, size: number): Extent[] {
  const out: Extent[] = [];
  for (const { start, length } of extents) {
    const from = Math.floor(start / unit) * unit;
    const to = Math.min(size, Math.ceil((start + length) / unit) * unit);
    if (to > from) out.push({ start: from, length: to - from });
  }
  return normalize(out);
}
