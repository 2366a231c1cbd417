import type { GroupPlace } from '../archive/index.ts';

/** A group that somebody waits for. */
export interface Waiting {
  readonly volume: string;
  readonly group: number;
  readonly place: GroupPlace;
  /** Plain bytes. */
  readonly bytes: number;
  /** Read ahead: nobody has asked for it yet. */
  readonly isAhead: boolean;
  /** Plain bytes that were read for others since it was asked for. */
  passed: number;
}

/**
 * Plain bytes that may be read for others before a group that waits is gone to, wherever it lies: about what a
 * tape gives in the time of one jump.
 */
export const patience = 128 * 1024 * 1024;
/** Groups of a run: what asks for another one meanwhile waits no longer than for these. */
const mostInRun = 32;
/** As many with those that are only read ahead. */
const mostAlong = 8;
const mostRunBytes = 16 * 1024 * 1024;
/** Records ahead that are still worth reading ahead to. */
const nearby = 64;

/** Negative where `a` lies before `b` on the medium. */
export function comparePlaces(a: GroupPlace, b: GroupPlace): number {
  return a.link - b.link || a.ordinal - b.ordinal;
}

function firstOf<W extends Waiting>(waiting: Iterable<W>, from: GroupPlace | null): W | undefined {
  let first: W | undefined;
  for (const one of waiting) {
    if (from !== null && comparePlaces(one.place, from) < 0) continue;
    if (first === undefined || comparePlaces(one.place, first.place) < 0) first = one;
  }
  return first;
}

function hungriest<W extends Waiting>(waiting: Iterable<W>): W | undefined {
  let found: W | undefined;
  for (const one of waiting) {
    if (one.passed >= patience && (found === undefined || one.passed > found.passed)) found = one;
  }
  return found;
}

/** Adds the groups that lie one behind the other after the last of a run, up to so many of them. */
function extend<W extends Waiting>(run: W[], waiting: readonly W[], most: number): void {
  let bytes = run.reduce((sum, one) => sum + one.bytes, 0);
  const behind = waiting
    .filter((one) => comparePlaces(one.place, run.at(-1)!.place) > 0)
    .toSorted((a, b) => comparePlaces(a.place, b.place));
  for (const one of behind) {
    const last = run.at(-1)!;
    const isNext =
      one.volume === last.volume &&
      one.group === last.group + 1 &&
      one.place.link === last.place.link &&
      one.place.ordinal === last.place.ordinal + 1;
    bytes += one.bytes;
    if (!isNext || run.length >= most || bytes > mostRunBytes) break;
    run.push(one);
  }
}

/**
 * Which groups to read next, in the order of the medium: upwards from where it stands and then from the lowest
 * again, as a tape reads in one direction only; but who has waited longer than `patience` comes first. Groups
 * that lie one behind the other make one run. What is only read ahead comes when nobody else waits, and where it lies
 * before the medium.
 *
 * @param position Where the medium stands: the place behind the record read last.
 * @returns None where nothing is worth reading.
 */
export function nextRun<W extends Waiting>(waiting: readonly W[], position: GroupPlace): W[] {
  const wanted = waiting.filter(({ isAhead }) => !isAhead);
  const isNear = ({ place }: W): boolean =>
    place.link === position.link &&
    place.ordinal >= position.ordinal &&
    place.ordinal - position.ordinal < nearby;
  const eligible = wanted.length > 0 ? wanted : waiting.filter(isNear);
  const first = hungriest(eligible) ?? firstOf(eligible, position) ?? firstOf(eligible, null);
  if (first === undefined) return [];
  const run = [first];
  extend(run, eligible, mostInRun);
  // What is read ahead and lies next comes along, but for nobody else's time.
  if (wanted.every((one) => run.includes(one))) extend(run, waiting, mostAlong);
  return run;
}
