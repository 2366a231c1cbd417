import type { Extent } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Layout } from '../layout/layout.ts';
import { GroupIndex } from './map.ts';
import { encodeMap, placeMap } from './map-record.ts';
import type { VolumeMap } from './set.ts';

/** What a writer knows of a volume while its set is written. */
export interface VolumeState {
  readonly volume: string;
  readonly size: number;
  readonly number: number;
  readonly firstOrdinal: number;
  /** Of an incremental set known when the volume has ended. */
  groups: number;
  plainBytes: number;
  /** Plain bytes that lie in earlier sets; null in a full set. */
  earlierBytes: number | null;
  /** Ordinals of the pieces of its map, and of their copies. */
  readonly maps: number[];
  readonly copies: number[];
  next: number;
  zero: number;
  stored: number;
  unreadable: Extent[];
}

/** A volume with its place in the set, and its map as it is written. */
export interface PlacedVolume {
  readonly volume: VolumeState;
  readonly pieces: readonly Buffer[];
}

/**
 * Settles the ordinals of all volumes' groups, which follow their maps, the first of which is `nextOrdinal`.
 * Each map is asked for once and let go.
 */
export function placeVolumes(
  maps: Iterable<VolumeMap>,
  layout: Layout,
  { pieceLength, nextOrdinal }: { readonly pieceLength: number; readonly nextOrdinal: number },
): PlacedVolume[] {
  const found = Array.from(maps, (map) => {
    const { groupCount, plainBytes } = new GroupIndex(map);
    return { id: map.volume, size: map.size, groupCount, plainBytes, pieces: encodeMap(map, pieceLength) };
  });
  const numbers = new Set<number>();
  let firstOrdinal = nextOrdinal + found.reduce((sum, { pieces }) => sum + pieces.length, 0);
  return found.map(({ id, size, groupCount, plainBytes, pieces }) => {
    placeMap(pieces, firstOrdinal);
    const volume = {
      ...newVolume(id, size, layout, numbers),
      firstOrdinal,
      groups: groupCount,
      plainBytes,
    };
    firstOrdinal += groupCount;
    return { volume, pieces };
  });
}

/** A volume of which nothing is written yet. `numbers` are those of the volumes before, and take its own. */
export function newVolume(id: string, size: number, layout: Layout, numbers: Set<number>): VolumeState {
  const number = layout.volumes.findIndex((volume) => volume.id === id);
  if (number === -1 || numbers.has(number)) {
    throw new RemetalError('internal', `Volume ${id} is not the next of the layout.`);
  }
  numbers.add(number);
  return {
    volume: id,
    size,
    number,
    firstOrdinal: 0,
    groups: 0,
    plainBytes: 0,
    earlierBytes: null,
    maps: [],
    copies: [],
    next: 0,
    zero: 0,
    stored: 0,
    unreadable: [],
  };
}
