import type { Group, GroupPlace, SetReader, VolumeIndex } from '../archive/index.ts';
import type { Extent } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { nextRun, type Waiting } from './elevator.ts';

/** What a group holds. Nobody may change the bytes: they are shared. */
export interface GroupContent {
  /** Byte extents of the volume, ascending. */
  readonly extents: readonly Extent[];
  /** In the order of `extents`; null for zeros and for a damaged group. */
  readonly bytes: Buffer | null;
  readonly damage: RemetalError | null;
}

/** What was read of a volume. */
export interface ReadCounts {
  /** Groups of the control set, and others. */
  control: number;
  data: number;
  /** Of these, read before anybody asked. */
  ahead: number;
  /** Stretches of neighbouring groups they were read in. */
  runs: number;
}

export interface GroupRequest {
  readonly volume: string;
  readonly index: VolumeIndex;
  readonly group: number;
  /** Only where the medium comes by and nobody else waits; given up otherwise. */
  readonly isAhead?: boolean;
  /** Reading it costs nobody who waits his patience: it is part of a pass that has an end. */
  readonly isSweep?: boolean;
  readonly signal?: AbortSignal;
}

class Entry implements Waiting {
  readonly volume: string;
  readonly group: number;
  readonly place: GroupPlace;
  readonly bytes: number;
  readonly isControl: boolean;
  readonly isSweep: boolean;
  readonly settled = Promise.withResolvers<GroupContent>();
  isAhead: boolean;
  wasAhead: boolean;
  passed = 0;
  waiters = 0;

  constructor({ volume, index, group, isAhead = false, isSweep = false }: GroupRequest) {
    this.volume = volume;
    this.group = group;
    this.place = index.place(group);
    this.bytes = index.groupLength(group);
    this.isControl = index.isControl(group);
    this.isSweep = isSweep;
    this.isAhead = isAhead;
    this.wasAhead = isAhead;
    // Who waits meets the failure; it may be that nobody does any more.
    this.settled.promise.catch(() => {});
  }
}

/** Larger buffers than this in proportion are not kept for the group in them. */
const mostSlack = 64 * 1024;

/** The bytes of a group in a buffer that holds little else. */
function keepable(plain: Buffer, release: (() => void) | undefined): Buffer {
  if (plain.buffer.byteLength <= plain.length + mostSlack) return plain;
  const own = Buffer.allocUnsafeSlow(plain.length);
  plain.copy(own);
  release?.();
  return own;
}

/**
 * Reads groups of a set for all who want some, one run at a time and in the order of the medium (`nextRun`). The
 * only one that calls `reader.groups`.
 */
export class GroupScheduler {
  readonly #reader: SetReader;
  readonly #entries = new Map<string, Entry>();
  readonly #waiting = new Set<Entry>();
  readonly #counts = new Map<string, ReadCounts>();
  #position: GroupPlace = { link: 0, ordinal: 0 };
  #isWorking = false;
  #run: Promise<unknown> = Promise.resolve();

  constructor(reader: SetReader) {
    this.#reader = reader;
  }

  /** What was read of a volume so far. */
  counts(volume: string): ReadCounts {
    let counts = this.#counts.get(volume);
    if (counts === undefined) {
      counts = { control: 0, data: 0, ahead: 0, runs: 0 };
      this.#counts.set(volume, counts);
    }
    return counts;
  }

  /**
   * A group, read once for all who want it at the same time. A damaged one comes with its `damage`. Throws what
   * the medium throws, and the reason of `signal`. One that was to be read ahead and is given up never comes.
   */
  async read(request: GroupRequest): Promise<GroupContent> {
    const { volume, group, isAhead = false, signal } = request;
    signal?.throwIfAborted();
    const key = `${volume} ${group}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = new Entry(request);
      this.#entries.set(key, entry);
      this.#waiting.add(entry);
      if (!this.#isWorking) {
        this.#isWorking = true;
        void this.#work();
      }
    }
    entry.isAhead &&= isAhead;
    entry.waiters++;
    if (signal === undefined) return await entry.settled.promise;
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => {
      entry.waiters--;
      if (entry.waiters === 0 && this.#waiting.delete(entry)) this.#entries.delete(key);
      aborted.reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([entry.settled.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Waits for the run that is under way: what nobody waits for any more is read to its end all the same. */
  async atRest(): Promise<void> {
    await this.#run;
  }

  async #work(): Promise<void> {
    for (;;) {
      // Who was just served may want the next one, and who asks at once is sorted together.
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      const run = nextRun([...this.#waiting], this.#position);
      const [first] = run;
      if (first === undefined) break;
      for (const entry of run) this.#waiting.delete(entry);
      const reading = this.#read(run, first).then(
        () => null,
        (error: unknown) => error,
      );
      this.#run = reading;
      const failure = await reading;
      for (const entry of run) {
        this.#forget(entry);
        entry.settled.reject(failure ?? new RemetalError('internal', `Group ${entry.group} was not read.`));
      }
    }
    // What is left was to be read ahead, and lies elsewhere.
    for (const entry of this.#waiting) this.#forget(entry);
    this.#waiting.clear();
    this.#isWorking = false;
  }

  /* The group may be wanted anew meanwhile, by another entry. */
  #forget(entry: Entry): void {
    const key = `${entry.volume} ${entry.group}`;
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }

  async #read(run: readonly Entry[], { volume, group: from }: Entry): Promise<void> {
    const counts = this.counts(volume);
    counts.runs++;
    let at = 0;
    const groups = this.#reader.groups(volume, { from, to: from + run.length, onDamage: 'report' });
    for await (const group of groups) {
      const entry = run[at++]!;
      const { link, ordinal } = entry.place;
      this.#position = { link, ordinal: ordinal + 1 };
      counts[entry.isControl ? 'control' : 'data']++;
      if (entry.wasAhead) counts.ahead++;
      if (!entry.isSweep) for (const other of this.#waiting) other.passed += entry.bytes;
      this.#forget(entry);
      entry.settled.resolve(contentOf(group));
    }
  }
}

function contentOf({ extents, plain, damage, release }: Group): GroupContent {
  return { extents, bytes: plain === null ? null : keepable(plain, release), damage };
}
