import type { Extent } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import { largestRead, readTolerant } from '../reading.ts';
import type { FatGeometry } from './boot.ts';
import { filesOf, type FatFile } from './directory.ts';
import { FatChains } from './table.ts';

/** A directory holds at most 65,536 entries of 32 bytes. */
const longestDirectory = 2 * 1024 * 1024;
/** Paths are at most 260 characters long, so sound trees are nowhere near this deep. */
const deepest = 256;

/** A file or directory met on the walk. */
export interface Met {
  readonly path: string;
  readonly file: FatFile;
  /** Byte extents of its clusters in the order of the chain. */
  readonly clusters: readonly Extent[];
  /** Byte extents of its directory entries. */
  readonly entries: readonly Extent[];
}

/**
 * Walks the tree from the root. Each cluster is visited once, so loops and cross-links end: of two files that
 * share clusters the first met has them. With `contents` false, chains of plain files are not followed.
 */
export class FatWalk {
  readonly #volume: BlockDevice;
  readonly #geometry: FatGeometry;
  readonly #chains: FatChains;
  readonly #visited: Uint8Array;

  constructor(volume: BlockDevice, geometry: FatGeometry) {
    this.#volume = volume;
    this.#geometry = geometry;
    this.#chains = new FatChains(volume, geometry);
    this.#visited = new Uint8Array(Math.ceil((geometry.clusters + 2) / 8));
  }

  /** The root directory's bytes: its fixed place, or its chain. */
  async root(): Promise<Extent[]> {
    const { rootOffset, rootLength, rootCluster } = this.#geometry;
    if (rootLength > 0) return [{ start: rootOffset, length: rootLength }];
    return await this.#chain(rootCluster, longestDirectory);
  }

  async *tree(contents: boolean): AsyncGenerator<Met> {
    const pending = [{ path: '', extents: await this.root(), depth: 0 }];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { path: above, extents, depth } = next;
      const bytes = await this.#bytesOf(extents);
      for (const file of filesOf(bytes, this.#geometry.kind === 32)) {
        const most = file.directory ? longestDirectory : file.size;
        const clusters = file.directory || contents ? await this.#chain(file.firstCluster, most) : [];
        const path = `${above}/${file.name}`;
        yield { path, file, clusters, entries: portion(extents, file.from, file.to) };
        if (file.directory && depth < deepest) pending.push({ path, extents: clusters, depth: depth + 1 });
      }
    }
  }

  async #bytesOf(extents: readonly Extent[]): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (const { start, length } of extents) {
      const most = Math.min(length, largestRead);
      parts.push(
        await readTolerant(this.#volume, { offset: start, length: most, unit: this.#geometry.sectorSize }),
      );
    }
    return Buffer.concat(parts);
  }

  /** The clusters of a chain, up to `bytes`, neighbours joined. */
  async #chain(first: number, bytes: number): Promise<Extent[]> {
    const { clusterSize, clusters, dataOffset } = this.#geometry;
    const out: { start: number; length: number }[] = [];
    let cluster = first;
    for (let done = 0; done < bytes; done += clusterSize) {
      if (cluster < 2 || cluster > clusters + 1) break;
      const bit = 1 << (cluster & 7);
      if ((this.#visited[cluster >> 3]! & bit) !== 0) break;
      this.#visited[cluster >> 3]! |= bit;
      const start = dataOffset + (cluster - 2) * clusterSize;
      const last = out.at(-1);
      if (last !== undefined && last.start + last.length === start) last.length += clusterSize;
      else out.push({ start, length: clusterSize });
      const entry = await this.#chains.entry(cluster);
      if (entry.kind !== 'next') break;
      cluster = entry.cluster;
    }
    return out;
  }
}

/** The parts of `extents`, laid end to end, that hold bytes `[from, to)`. */
function portion(extents: readonly Extent[], from: number, to: number): Extent[] {
  const out: Extent[] = [];
  let at = 0;
  for (const { start, length } of extents) {
    const low = Math.max(from, at);
    const high = Math.min(to, at + length);
    if (low < high) out.push({ start: start + low - at, length: high - low });
    at += length;
  }
  return out;
}
