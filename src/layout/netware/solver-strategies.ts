import type { Sharing } from './solver-state.ts';

/** Indices in the order of a number, larger first; equal ones keep their order. */
function byLargest(indices: readonly number[], measure: (index: number) => number): number[] {
  return indices.toSorted((a, b) => measure(b) - measure(a));
}

function all(list: readonly unknown[]): number[] {
  return list.map((_, index) => index);
}

/*
 * Volumes bound to a target before the others, then those of the largest blocks. Each block size divides
 * the next larger one, so whatever is put where, the capacity left for smaller blocks is the same: poured
 * in this order volumes fit if they fit at all (bin packing with divisible sizes), limits of segments aside.
 */
function inPouringOrder(sharing: Sharing): number[] {
  const sized = byLargest(all(sharing.loads), (volume) => sharing.loads[volume]!.blockShift);
  return byLargest(sized, (volume) => (sharing.loads[volume]!.only === null ? 0 : 1));
}

function pour(
  sharing: Sharing,
  volumes: readonly number[],
  rooms: (volume: number) => readonly number[],
): void {
  for (const volume of volumes) {
    let need = sharing.missing(volume);
    for (const room of rooms(volume)) {
      if (need < 1) break;
      need -= sharing.take(volume, room, need);
    }
  }
}

/** Rooms in the order of the targets, each filled up before the next. */
export function pourInOrder(sharing: Sharing): void {
  pour(sharing, inPouringOrder(sharing), () => all(sharing.rooms));
}

/** The largest room first, so that a volume comes to lie in few segments. */
export function pourLargestFirst(sharing: Sharing): void {
  pour(sharing, inPouringOrder(sharing), () => byLargest(all(sharing.rooms), (room) => sharing.left(room)));
}

/** The largest volume first, whatever its block size, each into the largest room. */
export function largestVolumesFirst(sharing: Sharing): void {
  const order = byLargest(
    all(sharing.loads),
    (volume) => sharing.loads[volume]!.blocks * 2 ** sharing.loads[volume]!.blockShift,
  );
  const bound = byLargest(order, (volume) => (sharing.loads[volume]!.only === null ? 0 : 1));
  pour(sharing, bound, () => byLargest(all(sharing.rooms), (room) => sharing.left(room)));
}

/** Every volume that fits in one piece where it does, in the order they were named; the others are shared out. */
export function wholeWhereTheyFit(sharing: Sharing): void {
  const bound = byLargest(all(sharing.loads), (volume) => (sharing.loads[volume]!.only === null ? 0 : 1));
  for (const volume of bound) {
    const { blocks } = sharing.loads[volume]!;
    const room = all(sharing.rooms).find((index) => sharing.capacity(volume, index) >= blocks);
    if (room !== undefined) sharing.take(volume, room, blocks);
  }
  pourLargestFirst(sharing);
}

/** Every volume over all rooms, in proportion to what is free in them. */
export function spreadEvenly(sharing: Sharing): void {
  for (const volume of inPouringOrder(sharing)) {
    const need = sharing.missing(volume);
    const rooms = all(sharing.rooms);
    const capacities = rooms.map((room) => sharing.capacity(volume, room));
    const total = capacities.reduce((sum, capacity) => sum + capacity, 0);
    if (total < need) continue;
    for (const room of rooms) {
      // Blocks and capacities have up to 29 bits each; their product has no place in a number.
      const quota = Number((BigInt(need) * BigInt(capacities[room]!)) / BigInt(total));
      sharing.take(volume, room, quota);
    }
    pour(sharing, [volume], () => rooms);
  }
}
