import type { Extent } from '../../bytes/index.ts';
import { allocation } from './protocol.ts';

/** Extents as start and end by turns, sixteen bytes each: a large volume has very many. */
export type ExtentTable = Float64Array;

/** One run of a state of base:allocation. */
export interface RunOfState {
  readonly length: number;
  readonly flags: number;
}

/** States in one reply: beyond, the client asks again. */
const mostStates = 2048;

/** @param extents An extent list: sorted, its members apart. */
export function extentTable(extents: readonly Extent[]): ExtentTable {
  const table = new Float64Array(extents.length * 2);
  for (const [i, { start, length }] of extents.entries()) {
    table[2 * i] = start;
    table[2 * i + 1] = start + length;
  }
  return table;
}

/** The number of the first extent that ends after `offset`. */
function firstAfter(table: ExtentTable, offset: number): number {
  let low = 0;
  let high = table.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (table[2 * middle + 1]! <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The states from `offset` on, `length` bytes of them or as many as one reply takes; only the first when
 * `one`. What lies in no extent reads as zeros and takes no room. `length` is at least 1.
 */
export function statesOf(table: ExtentTable, offset: number, length: number, one: boolean): RunOfState[] {
  const states: RunOfState[] = [];
  const end = offset + length;
  const most = one ? 1 : mostStates;
  let number = firstAfter(table, offset);
  for (let at = offset; at < end && states.length < most;) {
    const start = table[2 * number] ?? end;
    const inside = start <= at;
    const to = Math.min(end, inside ? table[2 * number + 1]! : start);
    states.push({ length: to - at, flags: inside ? 0 : allocation.hole | allocation.zero });
    if (inside) number++;
    at = to;
  }
  return states;
}
