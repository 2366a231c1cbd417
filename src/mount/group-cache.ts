import type { GroupContent } from './group-scheduler.ts';

/** What an entry costs beside the bytes of its group. */
const overhead = 256;
const perExtent = 64;

/**
 * Groups in memory, within one bound for all volumes of a set: those used last, and beside them the control sets
 * that are held for good, which take half of it at most.
 */
export class GroupCache {
  #limit = 0;
  #held = 0;
  #bytes = 0;
  /** The one used last at the end. */
  readonly #kept = new Map<string, { readonly content: GroupContent; readonly cost: number }>();

  /** Bytes all in all: held for good, and of the groups used last. */
  get bytes(): number {
    return this.#held + this.#bytes;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Raises the bound to so many bytes where it is lower. */
  allow(bytes: number): void {
    this.#limit = Math.max(this.#limit, bytes);
  }

  /** Takes room for good; false where a control set has to go elsewhere. */
  hold(bytes: number): boolean {
    if (this.#held + bytes > this.#limit / 2) return false;
    this.#held += bytes;
    this.#trim();
    return true;
  }

  letGo(bytes: number): void {
    this.#held -= bytes;
  }

  get(key: string): GroupContent | undefined {
    const found = this.#kept.get(key);
    if (found === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, found);
    return found.content;
  }

  /** Keeps a group; a damaged one is read again when it is asked for again. */
  put(key: string, content: GroupContent): void {
    if (content.damage !== null || this.#kept.has(key)) return;
    const cost = (content.bytes?.length ?? 0) + content.extents.length * perExtent + overhead;
    this.#kept.set(key, { content, cost });
    this.#bytes += cost;
    this.#trim();
  }

  #trim(): void {
    for (const [key, { cost }] of this.#kept) {
      if (this.bytes <= this.#limit) return;
      this.#kept.delete(key);
      this.#bytes -= cost;
    }
  }
}
