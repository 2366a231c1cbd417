import { intersect, normalize, subtract, type Extent } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { BlockDevice } from './block-device.ts';
import { RangeLock } from './overlay-lock.ts';
import { ClusterStore } from './overlay-store.ts';
import { ClusterTable, zeroSlot } from './overlay-table.ts';
import { ZeroedClusters } from './overlay-zeroes.ts';
import { checkRange } from './range.ts';
import { overlayFull } from './spill.ts';

/** A device whose writes go elsewhere; they are gone when it is closed. */
export interface Overlay extends BlockDevice {
  /** The byte extents that were written, zeroed or discarded, widened to whole clusters. */
  changed(): Extent[];
  /** The same, what holds bytes apart from what reads as zeros; each sorted. */
  changes(): { written: Extent[]; zeroed: Extent[] };
  /** Bytes of memory and file that what was written takes. */
  readonly usedBytes: number;
}

export interface OverlayOptions {
  /** Of what is written, so many bytes stay in memory; 32 MiB by default. */
  readonly memoryBytes?: number;
  /** Where the rest goes, in a file without a name. */
  readonly folder: string;
  /** The most that may be written, bytes in whole clusters; beyond, writes throw `overlay-full`. */
  readonly mostBytes: number;
}

const usualMemory = 32 * 1024 * 1024;
const [leastCluster, mostCluster] = [4096, 65536];
/** The table has room for about so many clusters: 64 MiB of it. */
const manyClusters = 4 * 1024 * 1024;
/** From so many clusters on, zeros are kept as one run and not cluster by cluster. */
const longRun = 256;

/**
 * Lays what is written over a device that is only read. A cluster that is written in part for the first time
 * takes the rest of it from the device. Closing it leaves the device open.
 */
export function overlay(device: BlockDevice, options: OverlayOptions): Promise<Overlay> {
  return Promise.resolve(new CopyOnWrite(device, options));
}

/** Small clusters are copied quickly, large ones need less account of them. */
function clusterSizeFor({ size }: BlockDevice, mostBytes: number): number {
  let clusterSize = leastCluster;
  while (
    clusterSize < mostCluster &&
    (mostBytes / clusterSize > manyClusters || size / clusterSize >= zeroSlot)
  ) {
    clusterSize *= 2;
  }
  if (size / clusterSize >= zeroSlot) {
    throw new RemetalError('disk-range', `A device of ${size} bytes is too large to be written over`, {
      facts: { size },
    });
  }
  return clusterSize;
}

class CopyOnWrite implements Overlay {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #device: BlockDevice;
  readonly #options: OverlayOptions;
  readonly #clusterSize: number;
  readonly #most: number;
  readonly #table = new ClusterTable();
  readonly #zeroed = new ZeroedClusters();
  readonly #store: ClusterStore;
  readonly #lock = new RangeLock();
  #closed = false;

  constructor(device: BlockDevice, options: OverlayOptions) {
    this.name = device.name;
    this.size = device.size;
    this.sectorSize = device.sectorSize;
    this.#device = device;
    this.#options = options;
    this.#clusterSize = clusterSizeFor(device, options.mostBytes);
    this.#most = Math.floor(options.mostBytes / this.#clusterSize);
    const { folder, mostBytes, memoryBytes = usualMemory } = options;
    this.#store = new ClusterStore({ clusterSize: this.#clusterSize, folder, mostBytes, memoryBytes });
  }

  get usedBytes(): number {
    return this.#store.used * this.#clusterSize;
  }

  async read(target: Uint8Array, offset: number): Promise<void> {
    await this.#during(offset, target.length, false, () => this.#read(target, offset));
  }

  async write(source: Uint8Array, offset: number): Promise<void> {
    await this.#during(offset, source.length, true, () => this.#write(source, offset));
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    await this.#during(offset, length, true, async () => {
      const { from, to } = this.#whole(offset, length);
      const end = offset + length;
      const [head, tail] =
        from >= to
          ? [length, 0]
          : [from * this.#clusterSize - offset, Math.max(0, end - to * this.#clusterSize)];
      if (head > 0) await this.#write(Buffer.alloc(head), offset);
      if (tail > 0) await this.#write(Buffer.alloc(tail), end - tail);
      this.#zero(from, to);
    });
  }

  async discard(offset: number, length: number): Promise<void> {
    await this.#during(offset, length, true, () => {
      const { from, to } = this.#whole(offset, length);
      // What was never written stays what it is: less account to keep, and nobody is promised zeros.
      if (to - from >= longRun && this.#known < this.#most) this.#zero(from, to);
      else for (const cluster of this.#table.within(from, to)) this.#mark(cluster);
      return Promise.resolve();
    });
  }

  flush(): Promise<void> {
    // What is thrown away at the end need not outlive a power cut.
    return this.#during(0, 0, false, () => Promise.resolve());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#store.close();
  }

  changed(): Extent[] {
    const { written, zeroed } = this.changes();
    return normalize([...written, ...zeroed]);
  }

  changes(): { written: Extent[]; zeroed: Extent[] } {
    const written = this.#runs((slot) => slot !== zeroSlot);
    const zeroes = normalize([...this.#runs((slot) => slot === zeroSlot), ...this.#zeroed.extents()]);
    // A cluster that was written after the long run it lies in became zeros is in both.
    return { written: this.#bytes(written), zeroed: this.#bytes(subtract(zeroes, written)) };
  }

  async dataExtents(): Promise<Extent[]> {
    const below = (await this.#device.dataExtents?.()) ?? [{ start: 0, length: this.size }];
    const { written, zeroed } = this.changes();
    return normalize([...subtract(below, zeroed), ...written]);
  }

  /** Clusters and runs that account is kept of. */
  get #known(): number {
    return this.#table.size + this.#zeroed.count;
  }

  async #during(offset: number, length: number, alone: boolean, work: () => Promise<void>): Promise<void> {
    if (this.#closed) throw new RemetalError('internal', `${this.name} was used after it was closed`);
    checkRange(this, offset, length);
    if (length === 0) return;
    const to = Math.ceil((offset + length) / this.#clusterSize);
    await this.#lock.hold(Math.floor(offset / this.#clusterSize), to, alone, work);
  }

  /** The clusters that lie in a range as a whole; the last of the device may be a short one. */
  #whole(offset: number, length: number): { from: number; to: number } {
    const end = offset + length;
    const to = end === this.size ? Math.ceil(end / this.#clusterSize) : Math.floor(end / this.#clusterSize);
    return { from: Math.ceil(offset / this.#clusterSize), to };
  }

  /** The slot of a cluster, `zeroSlot` however it came to be zeros, or null for what is below. */
  #slotOf(cluster: number): number | null {
    return this.#table.get(cluster) ?? (this.#zeroed.has(cluster) ? zeroSlot : null);
  }

  async #read(target: Uint8Array, offset: number): Promise<void> {
    const size = this.#clusterSize;
    const end = offset + target.length;
    for (let at = offset; at < end;) {
      const from = Math.floor(at / size);
      const last = Math.ceil(end / size);
      const slot = this.#slotOf(from);
      const stored = slot !== null && slot !== zeroSlot;
      const slots = [slot];
      while (from + slots.length < last) {
        const next = this.#slotOf(from + slots.length);
        if (stored ? next !== slot + slots.length : next !== slot) break;
        slots.push(next);
      }
      const count = stored
        ? this.#store.run(
            slots.filter((one) => one !== null),
            0,
          )
        : slots.length;
      const to = Math.min(end, (from + count) * size);
      const piece = target.subarray(at - offset, to - offset);
      if (slot === null) await this.#device.read(piece, at);
      else if (slot === zeroSlot) piece.fill(0);
      else await this.#store.read(slot, at - from * size, piece);
      at = to;
    }
  }

  async #write(source: Uint8Array, offset: number): Promise<void> {
    const size = this.#clusterSize;
    const end = offset + source.length;
    const from = Math.floor(offset / size);
    const to = Math.ceil(end / size);
    const taken: { cluster: number; before: number | null }[] = [];
    try {
      const slots: number[] = [];
      for (let cluster = from; cluster < to; cluster++) {
        const known = this.#table.get(cluster);
        if (known !== null && known !== zeroSlot) {
          slots.push(known);
          continue;
        }
        const [start, stop] = [cluster * size, Math.min(this.size, (cluster + 1) * size)];
        const partly = start < offset || stop > end;
        // The rest of the cluster comes from where it was until now.
        const rest = partly ? Buffer.alloc(stop - start) : null;
        if (rest !== null) await this.#read(rest, start);
        const slot = this.#take(cluster);
        taken.push({ cluster, before: known });
        slots.push(slot);
        if (rest !== null) await this.#store.write(slot, 0, rest);
      }
      for (let i = 0; i < slots.length;) {
        const count = this.#store.run(slots, i);
        const start = Math.max(offset, (from + i) * size);
        const stop = Math.min(end, (from + i + count) * size);
        const piece = source.subarray(start - offset, stop - offset);
        await this.#store.write(slots[i]!, start - (from + i) * size, piece);
        i += count;
      }
    } catch (error) {
      // What is new to the overlay is as it was; what was written before may be half of both.
      for (const { cluster, before } of taken) this.#untake(cluster, before);
      throw error;
    }
  }

  #admit(): void {
    if (this.#known >= this.#most) throw overlayFull(this.#options.mostBytes, this.#options.folder);
  }

  #take(cluster: number): number {
    if (this.#table.get(cluster) === null) this.#admit();
    const slot = this.#store.take();
    this.#table.set(cluster, slot);
    return slot;
  }

  #untake(cluster: number, before: number | null): void {
    this.#give(cluster);
    if (before === null) this.#table.delete(cluster);
    else this.#table.set(cluster, before);
  }

  /** Gives back the slot of a cluster, where it has one. */
  #give(cluster: number): void {
    const slot = this.#table.get(cluster);
    if (slot !== null && slot !== zeroSlot) this.#store.give(slot);
  }

  /** A cluster that account is kept of reads as zeros from now on. */
  #mark(cluster: number): void {
    this.#give(cluster);
    this.#table.set(cluster, zeroSlot);
  }

  #zero(from: number, to: number): void {
    if (to - from < longRun) {
      for (let cluster = from; cluster < to; cluster++) {
        if (this.#slotOf(cluster) === null) this.#admit();
        if (this.#table.get(cluster) !== null || !this.#zeroed.has(cluster)) this.#mark(cluster);
      }
      return;
    }
    this.#admit();
    for (const cluster of this.#table.within(from, to)) {
      this.#give(cluster);
      this.#table.delete(cluster);
    }
    this.#zeroed.add(from, to);
  }

  /** Runs of clusters whose slot, which is known, is one that is wanted. */
  #runs(wanted: (slot: number) => boolean): Extent[] {
    const runs: { start: number; length: number }[] = [];
    for (const cluster of this.#table.sorted()) {
      if (!wanted(this.#table.get(cluster)!)) continue;
      const last = runs.at(-1);
      if (last !== undefined && last.start + last.length === cluster) last.length++;
      else runs.push({ start: cluster, length: 1 });
    }
    return runs;
  }

  /** Clusters as bytes; the last one may be short. */
  #bytes(clusters: readonly Extent[]): Extent[] {
    const size = this.#clusterSize;
    return intersect(
      clusters.map(({ start, length }) => ({ start: start * size, length: length * size })),
      [{ start: 0, length: this.size }],
    );
  }
}
