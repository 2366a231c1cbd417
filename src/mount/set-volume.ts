import { tmpdir } from 'node:os';
import type { SetReader } from '../archive/index.ts';
import { normalize, type Extent } from '../bytes/index.ts';
import { checkRange, openSpill, type BlockDevice } from '../disk/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import { ControlShelf } from './control-shelf.ts';
import { batchesOf, groupsOf, heldExtents, piecesOf, type Batch, type Piece } from './group-lookup.ts';
import type { GroupContent } from './group-scheduler.ts';
import { inOrder } from './in-order.ts';
import { Forward, groupsOfSet } from './set-groups.ts';
import { wantedPieces, zeroPieces, type VolumeBytes } from './wanted-pieces.ts';

export interface SetVolumeOptions {
  /** Of the device, bytes: what of the volume makes no whole sector is left out. 512 when absent. */
  readonly sectorSize?: number;
  /** Bytes of groups that are kept in memory, for all volumes of the set together; 64 MiB when absent. */
  readonly memoryBytes?: number;
  /** Where what of the control set finds no room in memory goes; the system's folder when absent. */
  readonly folder?: string;
  /** Ends every read. */
  readonly signal?: AbortSignal;
}

/** What was read of a volume, and where it is held. */
export interface SetVolumeStatistics {
  /** Groups of the control set that were read off the medium. */
  readonly controlGroups: number;
  /** Groups of files' data that were read off the medium. */
  readonly dataGroups: number;
  /** Groups of both that were read before anybody asked for them. */
  readonly aheadGroups: number;
  /** Stretches of neighbouring groups they were read in. */
  readonly runs: number;
  /** Bytes of the control set in memory, and in a temporary file. */
  readonly controlBytes: number;
  readonly spilledBytes: number;
  /** Bytes in memory of all volumes of the set. */
  readonly memoryBytes: number;
}

export interface InOrderOptions {
  readonly signal?: AbortSignal;
  /** Told of every extent that is lost with a damaged record; without it, the first one is thrown. */
  readonly onDamage?: (extent: Extent, error: RemetalError) => void;
}

/** A volume of a set as a device that can only be read. */
export interface SetVolume extends BlockDevice {
  /** Reads the whole control set in one pass of the medium, and keeps it. Throws what the medium throws. */
  loadControl(): Promise<void>;
  /** What of the control set is in memory: reading it moves no medium. Sorted. */
  controlAtHand(): Extent[];
  /** What any record of the set holds bytes of, those of earlier sets too; everything else is zeros. */
  dataExtents(): Promise<Extent[]>;
  /**
   * The bytes of some extents of the volume in the order the medium has them, every byte once, in one pass and
   * with no record read twice; what the set holds no record of comes first, as zeros. Nobody may change the bytes.
   * Throws `disk-range`, `disk-read-failed`, what the medium throws and the reason of `signal`.
   */
  readInOrder(
    extents: readonly Extent[],
    options?: InOrderOptions,
  ): AsyncGenerator<VolumeBytes, void, undefined>;
  statistics(): SetVolumeStatistics;
}

const usualMemory = 64 * 1024 * 1024;
/** Plain bytes of groups that one read has at hand at the same time. */
const mostOfRead = 8 * 1024 * 1024;

/**
 * A volume of a set as a device: what the set holds is read from its records, everything else is zeros. Reads may
 * overlap; those of all volumes of the same reader are done in the order of the medium (`GroupScheduler`). The first
 * read of the control set fetches all of it. It cannot be written (`disk-write-failed`). A record that is damaged
 * throws `disk-read-failed` with the record's error as its cause. Closing it leaves the set open.
 *
 * @param reader Nothing else may read groups of it at the same time.
 * @throws `volume-not-found`
 */
export function setVolume(reader: SetReader, volume: string, options: SetVolumeOptions = {}): SetVolume {
  const { sectorSize = 512, memoryBytes = usualMemory, folder = tmpdir() } = options;
  const map = reader.maps.get(volume);
  if (map === undefined) {
    throw new RemetalError('volume-not-found', `The set ${reader.name} holds no volume ${volume}`, {
      facts: { volume, volumes: [...reader.maps.keys()] },
    });
  }
  const name = `${reader.name} ${volume}`;
  const index = reader.index(volume);
  const { scheduler, cache, allowance } = groupsOfSet(reader);
  cache.allow(memoryBytes);
  const closing = new AbortController();
  const ended =
    options.signal === undefined ? closing.signal : AbortSignal.any([closing.signal, options.signal]);
  const forward = new Forward(index);
  let held: Extent[] | null = null;

  const shelf = new ControlShelf({
    index,
    cache,
    read: (group, signal) => scheduler.read({ volume, index, group, signal, isSweep: true }),
    openSpill: (mostBytes) => openSpill({ folder, mostBytes }),
    signal: ended,
  });
  const keyOf = (group: number): string => `${volume} ${group}`;

  const keepAhead = async (group: number): Promise<void> => {
    cache.put(keyOf(group), await scheduler.read({ volume, index, group, isAhead: true, signal: ended }));
  };
  /** Reads that nobody waits for: the medium is not to be closed under them. */
  const aheads = new Set<Promise<void>>();
  const readAhead = (group: number): void => {
    for (const next of forward.next(group)) {
      if (cache.get(keyOf(next)) !== undefined) continue;
      // Where it fails, it fails again for whoever asks for it.
      const ahead: Promise<void> = keepAhead(next)
        .catch(() => {})
        .finally(() => aheads.delete(ahead));
      aheads.add(ahead);
    }
  };

  const contentOf = async (group: number): Promise<GroupContent> => {
    const isControl = index.isControl(group);
    if (!isControl) readAhead(group);
    const known = cache.get(keyOf(group));
    if (known !== undefined) return known;
    if (isControl) {
      const content = await shelf.get(group);
      if (!shelf.isHeld(group)) cache.put(keyOf(group), content);
      return content;
    }
    const content = await scheduler.read({ volume, index, group, signal: ended });
    cache.put(keyOf(group), content);
    return content;
  };

  const failed = (start: number, length: number, cause: RemetalError): RemetalError =>
    new RemetalError('disk-read-failed', `${name} cannot be read at byte ${start}: ${cause.message}`, {
      facts: { offset: start, length, code: cause.code },
      cause,
    });

  const fill = (target: Uint8Array, { start, group }: Piece, content: GroupContent): void => {
    if (content.damage !== null) throw failed(start, target.length, content.damage);
    let at = 0;
    for (const extent of content.extents) {
      const inside = start - extent.start;
      if (inside >= 0 && inside < extent.length) {
        if (content.bytes === null) target.fill(0);
        else target.set(content.bytes.subarray(at + inside, at + inside + target.length));
        return;
      }
      at += extent.length;
    }
    throw new RemetalError('internal', `Group ${group} of ${name} does not hold byte ${start}.`);
  };

  const readBatch = async (target: Uint8Array, offset: number, batch: Batch): Promise<void> => {
    const giveBack = await allowance.take(batch.bytes);
    try {
      const contents = new Map<number, Promise<GroupContent>>();
      for (const group of batch.groups) {
        const content = contentOf(group);
        // The first that fails, in the order of the volume, is what the read fails with.
        content.catch(() => {});
        contents.set(group, content);
      }
      for (const piece of batch.pieces) {
        const { start, length, group } = piece;
        const part = target.subarray(start - offset, start - offset + length);
        if (group === null) {
          part.fill(0);
          continue;
        }
        const content = await contents.get(group)!.catch((error: unknown) => {
          if (!isCoded(error) || error.code === 'internal') throw error;
          throw failed(start, length, error);
        });
        fill(part, piece, content);
      }
    } finally {
      giveBack();
    }
  };

  const read = async (target: Uint8Array, offset: number): Promise<void> => {
    checkRange(device, offset, target.length);
    ended.throwIfAborted();
    for (const batch of batchesOf(index, { start: offset, length: target.length }, mostOfRead)) {
      await readBatch(target, offset, batch);
    }
  };

  /** A group for a pass in order: what is at hand is taken, and nothing is kept. */
  const passingBy = async (group: number, signal: AbortSignal): Promise<GroupContent> => {
    const known = cache.get(keyOf(group)) ?? (index.isControl(group) ? await shelf.peek(group) : null);
    return known ?? (await scheduler.read({ volume, index, group, signal }));
  };

  const lengthOf = (group: number): number => index.groupLength(group);
  async function* readInOrder(
    extents: readonly Extent[],
    { signal, onDamage }: InOrderOptions = {},
  ): AsyncGenerator<VolumeBytes, void, undefined> {
    const wanted = normalize(extents);
    for (const { start, length } of wanted) checkRange({ ...device, sectorSize: 1 }, start, length);
    for (const extent of wanted) {
      for (const { start, length, group } of piecesOf(index, extent)) {
        if (group === null) yield* zeroPieces(start, length);
      }
    }
    const both = signal === undefined ? ended : AbortSignal.any([ended, signal]);
    for await (const { result } of inOrder(groupsOf(index, wanted), lengthOf, passingBy, both)) {
      for (const { start, length, bytes } of wantedPieces(wanted, result)) {
        if (result.damage !== null) {
          const error = failed(start, length, result.damage);
          if (onDamage === undefined) throw error;
          onDamage({ start, length }, error);
        } else if (bytes === null) {
          yield* zeroPieces(start, length);
        } else {
          yield { start, bytes };
        }
      }
    }
  }

  const refused = (): Promise<never> =>
    Promise.reject(new RemetalError('disk-write-failed', `${name} is a backup set and is not written to`));
  const device: SetVolume = {
    name,
    size: Math.floor(map.size / sectorSize) * sectorSize,
    sectorSize,
    read,
    write: refused,
    writeZeroes: refused,
    discard: refused,
    flush: () => Promise.resolve(),
    close: async () => {
      closing.abort(new RemetalError('disk-read-failed', `${name} was closed.`));
      await shelf.close();
      await Promise.all(aheads);
      await scheduler.atRest();
    },
    loadControl: () => shelf.load(),
    controlAtHand: () => shelf.heldExtents(),
    dataExtents: () => Promise.resolve((held ??= heldExtents(map, index, device.size))),
    readInOrder,
    statistics: () => {
      const { control, data, ahead, runs } = scheduler.counts(volume);
      return {
        controlGroups: control,
        dataGroups: data,
        aheadGroups: ahead,
        runs,
        controlBytes: shelf.heldBytes,
        spilledBytes: shelf.spilledBytes,
        memoryBytes: cache.bytes,
      };
    },
  };
  return device;
}
