import type { Extent } from '../../bytes/extents.ts';
import { RemetalError } from '../../errors/index.ts';
import type { FatGeometry } from './boot.ts';
import type { FatChains } from './table.ts';

/**
 * The first `bytes` bytes of the chain of clusters that begins at `first`, as byte extents of the volume, neighbours joined.
 * Throws `filesystem-damaged` where it ends before, runs in a circle or leaves the volume.
 */
export async function* chainExtents(
  geometry: FatGeometry,
  chains: FatChains,
  { first, bytes, mayEnd }: { readonly first: number; readonly bytes: number; readonly mayEnd: boolean },
): AsyncGenerator<Extent> {
  const { clusterSize, clusters, dataOffset } = geometry;
  let cluster = first;
  let start = 0;
  let length = 0;
  // Brent's way to find a circle: the mark is moved on after ever longer stretches.
  let mark = 0;
  let steps = 0;
  let stretch = 1;
  for (let done = 0; done < bytes;) {
    if (cluster < 2 || cluster > clusters + 1) {
      throw damaged(`A chain leads to cluster ${cluster}, which is none`);
    }
    const at = dataOffset + (cluster - 2) * clusterSize;
    const count = Math.min(clusterSize, bytes - done);
    if (length > 0 && start + length === at) length += count;
    else {
      if (length > 0) yield { start, length };
      start = at;
      length = count;
    }
    done += count;
    const entry = await chains.entry(cluster);
    if (entry.kind === 'end') {
      if (done < bytes && !mayEnd) throw damaged('A chain of clusters ends before the file does');
      break;
    }
    if (entry.kind !== 'next')
      throw damaged(`A chain leads through cluster ${cluster}, which is ${entry.kind}`);
    if (entry.cluster === mark) throw damaged('A chain of clusters runs in a circle');
    if (++steps === stretch) {
      mark = cluster;
      stretch *= 2;
      steps = 0;
    }
    cluster = entry.cluster;
  }
  if (length > 0) yield { start, length };
}

export function damaged(what: string): RemetalError {
  return new RemetalError('filesystem-damaged', `The FAT file system is damaged: ${what}`);
}
