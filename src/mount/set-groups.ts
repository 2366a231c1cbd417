import type { SetReader, VolumeIndex } from '../archive/index.ts';
import { Allowance } from './allowance.ts';
import { GroupCache } from './group-cache.ts';
import { GroupScheduler } from './group-scheduler.ts';

/** Plain bytes of groups that reads under way need at the same time, for all volumes of a set. */
const mostInUse = 64 * 1024 * 1024;
/** Groups that one reader is ahead of who takes them, and their plain bytes. */
const mostAhead = 16;
const mostAheadBytes = 8 * 1024 * 1024;
/** A group so far behind the last one still belongs to a reader that goes forward on several connections. */
const jitter = 4;

/** What all volumes of an open set share. */
export interface SetGroups {
  readonly scheduler: GroupScheduler;
  readonly cache: GroupCache;
  readonly allowance: Allowance;
}

const known = new WeakMap<SetReader, SetGroups>();

/** The same for the same reader, so that one scheduler moves its medium. */
export function groupsOfSet(reader: SetReader): SetGroups {
  let groups = known.get(reader);
  if (groups === undefined) {
    groups = {
      scheduler: new GroupScheduler(reader),
      cache: new GroupCache(),
      allowance: new Allowance(mostInUse),
    };
    known.set(reader, groups);
  }
  return groups;
}

/** Which groups to read before they are asked for: the further ahead, the longer a volume is read forward. */
export class Forward {
  readonly #index: VolumeIndex;
  #last = -1;
  #steps = 0;
  /** One past the last group that was asked for ahead. */
  #asked = 0;

  constructor(index: VolumeIndex) {
    this.#index = index;
  }

  /** A group was asked for; gives those that will be next, if it goes on like this. */
  next(group: number): number[] {
    const index = this.#index;
    const isForward = group > this.#last && group <= this.#last + jitter;
    const isAmong = group <= this.#last && group >= this.#last - jitter;
    if (isForward) this.#steps++;
    else if (!isAmong) this.#steps = this.#asked = 0;
    if (!isAmong) this.#last = group;
    if (this.#steps < 2) return [];
    const next = this.#last + 1;
    const depth = Math.min(mostAhead, 2 ** (this.#steps - 1));
    // Several at a time: then they are decoded beside each other.
    if (this.#asked - next > depth / 2) return [];
    const out: number[] = [];
    let bytes = 0;
    for (let at = next; at < Math.min(index.groupCount, next + depth); at++) {
      bytes += index.groupLength(at);
      if (bytes > mostAheadBytes) break;
      if (at >= this.#asked) out.push(at);
    }
    this.#asked = Math.max(this.#asked, (out.at(-1) ?? -1) + 1);
    return out;
  }
}
