import type { VolumeIndex } from '../archive/index.ts';
import { normalize, type Extent } from '../bytes/index.ts';
import type { GroupCache } from './group-cache.ts';
import type { GroupContent } from './group-scheduler.ts';
import { inOrder } from './in-order.ts';
import type { Spill } from '../disk/index.ts';

export interface ControlShelfOptions {
  readonly index: VolumeIndex;
  /** Whose room the groups held in memory take. */
  readonly cache: GroupCache;
  /** Reads a group off the medium, as a part of one pass. */
  readonly read: (group: number, signal: AbortSignal) => Promise<GroupContent>;
  /** A file for at most so many bytes. */
  readonly openSpill: (mostBytes: number) => Promise<Spill>;
  readonly signal: AbortSignal;
}

/** Where a group is: in memory, in the file from a byte on, or only on the medium. */
type Kept =
  | { readonly in: 'memory'; readonly content: GroupContent }
  | { readonly in: 'spill'; readonly at: number }
  | { readonly in: 'medium' };

/**
 * The control set of a volume, read in one pass when the first of it is wanted: as much as there is room for in
 * memory, the rest in a temporary file. Where that finds no room either, the medium is asked again.
 */
export class ControlShelf {
  readonly #options: ControlShelfOptions;
  readonly #kept = new Map<number, Kept>();
  readonly #arriving = new Map<number, PromiseWithResolvers<GroupContent>>();
  #loading: Promise<void> | null = null;
  #spill: Promise<Spill> | null = null;
  #held = 0;
  #spilled = 0;
  #isFull = false;
  #isClosed = false;

  constructor(options: ControlShelfOptions) {
    this.#options = options;
  }

  /** Plain bytes of it in memory. */
  get heldBytes(): number {
    return this.#held;
  }

  /** The extents of what is in memory for good, sorted. */
  heldExtents(): Extent[] {
    const kept = [...this.#kept.values()];
    return normalize(kept.flatMap((each) => (each.in === 'memory' ? each.content.extents : [])));
  }

  /** Plain bytes of it in the file. */
  get spilledBytes(): number {
    return this.#spilled;
  }

  /** Reads all of it that was not read yet. Throws what reading throws; then it may be called again. */
  async load(): Promise<void> {
    this.#loading ??= this.#run().catch((error: unknown) => {
      this.#loading = null;
      for (const waiting of this.#arriving.values()) waiting.reject(error);
      this.#arriving.clear();
      throw error;
    });
    await this.#loading;
  }

  async #run(): Promise<void> {
    const { index, read, signal } = this.#options;
    const missing = Array.from({ length: index.controlGroups }, (_, group) => group).filter(
      (group) => !this.#kept.has(group),
    );
    for await (const { item, result } of inOrder(
      missing,
      (group) => index.groupLength(group),
      read,
      signal,
    )) {
      this.#kept.set(item, await this.#shelve(result));
      this.#arriving.get(item)?.resolve(result);
      this.#arriving.delete(item);
    }
  }

  async #shelve(content: GroupContent): Promise<Kept> {
    const { cache } = this.#options;
    const { bytes } = content;
    if (bytes === null) return { in: 'memory', content };
    if (cache.hold(bytes.length)) {
      this.#held += bytes.length;
      return { in: 'memory', content };
    }
    if (this.#isFull) return { in: 'medium' };
    try {
      const spill = await this.#opened();
      const at = this.#spilled;
      await spill.write(at, bytes);
      this.#spilled += bytes.length;
      return { in: 'spill', at };
    } catch {
      // A full disk is no reason not to read: what finds no room is read again when it is wanted.
      this.#isFull = true;
      return { in: 'medium' };
    }
  }

  #opened(): Promise<Spill> {
    const { index, openSpill } = this.#options;
    if (this.#spill === null) {
      let most = 0;
      for (let group = 0; group < index.controlGroups; group++) most += index.groupLength(group);
      this.#spill = openSpill(most);
    }
    return this.#spill;
  }

  /** Whether a group is in memory for good. */
  isHeld(group: number): boolean {
    return this.#kept.get(group)?.in === 'memory';
  }

  /** A group that was read already; null where it is only on the medium. */
  async peek(group: number): Promise<GroupContent | null> {
    const kept = this.#kept.get(group);
    if (kept === undefined || kept.in === 'medium') return null;
    if (kept.in === 'memory') return kept.content;
    const { index } = this.#options;
    const bytes = Buffer.allocUnsafeSlow(index.groupLength(group));
    await (await this.#opened()).read(kept.at, bytes);
    return { extents: index.groupExtents(group), bytes, damage: null };
  }

  /** A group; the pass over all of them begins where it was not made yet, and this waits until it has come by. */
  async get(group: number): Promise<GroupContent> {
    const found = await this.peek(group);
    if (found !== null) return found;
    if (this.#kept.has(group)) return await this.#options.read(group, this.#options.signal);
    let arrival = this.#arriving.get(group);
    if (arrival === undefined) {
      arrival = Promise.withResolvers();
      this.#arriving.set(group, arrival);
      arrival.promise.catch(() => {});
    }
    this.load().catch(() => {});
    return await arrival.promise;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.cache.letGo(this.#held);
    this.#kept.clear();
    await (await this.#spill?.catch(() => null))?.close();
  }
}
