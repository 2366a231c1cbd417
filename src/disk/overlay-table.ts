/** What stands for a slot where a cluster is known to be zeros. */
export const zeroSlot = 0xffff_fffe;
/** What stands in a place of the table that is empty. */
const none = 0xffff_ffff;
/** Places at first; a quarter stays empty, and the table grows by half, so that a cluster costs 10 to 16 bytes. */
const firstCapacity = 1024;

/**
 * Which slot of a store holds a cluster of a device: numbers below 2^32 - 2 on both sides. Open addressing
 * with linear probing, in two typed arrays: very many clusters cost the garbage collector nothing.
 */
export class ClusterTable {
  #clusters = new Uint32Array(firstCapacity).fill(none);
  #slots = new Uint32Array(firstCapacity);
  #size = 0;

  /** Clusters that have a slot, or are known to be zeros. */
  get size(): number {
    return this.#size;
  }

  /** The slot of a cluster, `zeroSlot`, or null. */
  get(cluster: number): number | null {
    const place = this.#find(cluster);
    return this.#clusters[place] === cluster ? this.#slots[place]! : null;
  }

  set(cluster: number, slot: number): void {
    let place = this.#find(cluster);
    if (this.#clusters[place] !== cluster) {
      if (this.#size + 1 > this.#clusters.length * 0.75) {
        this.#grow();
        place = this.#find(cluster);
      }
      this.#clusters[place] = cluster;
      this.#size++;
    }
    this.#slots[place] = slot;
  }

  /** Forgets a cluster, where it is known. */
  delete(cluster: number): void {
    let gap = this.#find(cluster);
    if (this.#clusters[gap] !== cluster) return;
    const { length } = this.#clusters;
    // Those behind move up, where their own place allows it: nobody is looked for past an empty place.
    for (let next = (gap + 1) % length; this.#clusters[next] !== none; next = (next + 1) % length) {
      const wanted = this.#place(this.#clusters[next]!);
      if ((next - wanted + length) % length < (next - gap + length) % length) continue;
      this.#clusters[gap] = this.#clusters[next]!;
      this.#slots[gap] = this.#slots[next]!;
      gap = next;
    }
    this.#clusters[gap] = none;
    this.#size--;
  }

  /** All clusters in the order of their numbers. */
  sorted(): Uint32Array {
    return this.#clusters.filter((cluster) => cluster !== none).toSorted();
  }

  /** The clusters of a range, in no order; each may be changed or deleted when it is met. */
  *within(from: number, to: number): Generator<number> {
    if (to - from <= this.#clusters.length) {
      for (let cluster = from; cluster < to; cluster++) if (this.get(cluster) !== null) yield cluster;
      return;
    }
    for (const cluster of this.#clusters.filter((one) => one !== none && one >= from && one < to))
      yield cluster;
  }

  /** The place a cluster would stand at were it alone. */
  #place(cluster: number): number {
    // Fibonacci hashing, scaled to the capacity instead of masked.
    const hash = Math.imul(cluster, 0x9e3779b1) >>> 0;
    return Math.floor((hash / 2 ** 32) * this.#clusters.length);
  }

  /** The place of a cluster, or the empty one it would take. */
  #find(cluster: number): number {
    const { length } = this.#clusters;
    let place = this.#place(cluster);
    while (this.#clusters[place] !== cluster && this.#clusters[place] !== none) place = (place + 1) % length;
    return place;
  }

  #grow(): void {
    const [clusters, slots] = [this.#clusters, this.#slots];
    const capacity = Math.ceil(clusters.length * 1.5);
    this.#clusters = new Uint32Array(capacity).fill(none);
    this.#slots = new Uint32Array(capacity);
    for (let i = 0; i < clusters.length; i++) {
      const cluster = clusters[i]!;
      if (cluster === none) continue;
      const place = this.#find(cluster);
      this.#clusters[place] = cluster;
      this.#slots[place] = slots[i]!;
    }
  }
}
