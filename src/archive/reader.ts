import { RemetalError } from '../errors/index.ts';
import type { Layout } from '../layout/layout.ts';
import type { Medium } from '../medium/medium.ts';
import { readChecksums, readSums, type GroupChecksum } from './checksums.ts';
import type { Codec } from './codec.ts';
import type { VolumePlace } from './documents.ts';
import type { Group, GroupsOptions } from './group.ts';
import { readGroups, type GroupSource } from './groups.ts';
import { GroupIndex } from './map.ts';
import { MetSums } from './met-sums.ts';
import { openRecords, type OpenedSet } from './open.ts';
import type { ChainLink, SetHead, SetTotals, VolumeMap } from './set.ts';
import { Chain } from './chain.ts';
import { indexOfMap, type VolumeIndex } from './volume-index.ts';

export interface OpenOptions {
  /** Open a set without an end by scanning what is there. */
  readonly salvage?: boolean;
  /**
   * Where the earlier sets of an incremental one are looked for, when not beside it; they are checked before the set
   * is given back. `leave` opens it without them: then its own groups can be read and no others.
   */
  readonly chain?: 'leave' | readonly Medium[];
  /** Decompresses and checks the groups; what Node has when absent or null. */
  readonly codec?: Codec | null;
}

/** An open set. */
export interface SetReader {
  readonly name: string;
  readonly head: SetHead;
  readonly layout: Layout;
  /** By volume id, in the order of the set. */
  readonly maps: ReadonlyMap<string, VolumeMap>;
  /** Which group holds which bytes of a volume, and where it lies. Throws `volume-not-found`. */
  index(volume: string): VolumeIndex;
  /** Null when they could not be read, as in a set without an end that was opened by scanning, and on a tape, where they lie at its end. */
  readonly totals: SetTotals | null;
  /** Digest of the end record, hex: what a chain names the set by. Null in a set without an end and on a tape. */
  readonly digest: string | null;
  /** What was found damaged and could be made good, while opening and since. */
  readonly problems: readonly RemetalError[];
  /** The groups of a volume in ascending order. One iteration at a time. Throws `volume-not-found`. */
  groups(volume: string, options: GroupsOptions): AsyncIterable<Group>;
  /**
   * The checksums of a volume's groups from the table of the set, ascending; a restore compares with
   * them what it reads back. Not while `groups` is under way. Throws `volume-not-found`, `record-damaged`.
   */
  checksums(volume: string): AsyncIterable<GroupChecksum>;
  /** The table of what later incremental backups compare with, in pieces of whole entries of 16 bytes. Throws `record-damaged`. */
  sums(): AsyncIterable<Buffer>;
  /** What a set that builds on this one calls it. On a tape its end is looked at. */
  link(): Promise<ChainLink>;
  close(): Promise<void>;
}

/** Boot code of all disks together that is kept in memory, plain bytes. */
const mostBootCode = 64 * 1024 * 1024;

/* It stands first in a set and is written last, when everything it starts is there. */
function retainBootCode({ records, layout, volumes }: OpenedSet): void {
  let bytes = 0;
  for (const { map, number, firstOrdinal } of volumes) {
    const { groupCount, plainBytes } = new GroupIndex(map);
    if (layout.volumes[number]?.kind !== 'boot' || bytes + plainBytes > mostBootCode) continue;
    bytes += plainBytes;
    records.retain(firstOrdinal, groupCount);
  }
}

/**
 * Opens a set by its end record, on a tape from its front. Refuses what is no set (`not-a-set`), not whole (`set-incomplete`,
 * `set-truncated`, `part-missing`), of a later format (`set-too-new`) or encrypted
 * (`set-encrypted`), and an incremental set whose chain is not there as it was (`chain-link-missing`,
 * `chain-link-foreign`, `chain-out-of-order`). Damage in the records that describe the set is made good from their copies or
 * by reading the whole set once, and listed in `problems`; where it cannot be, `record-damaged`.
 */
export async function openSet(medium: Medium, name: string, options: OpenOptions = {}): Promise<SetReader> {
  const source = await medium.open(name);
  const { codec = null } = options;
  let chain: Chain | null = null;
  try {
    const opened = await openRecords(source, name, options.salvage ?? false);
    const { records, head, layout, volumes, totals, digest } = opened;
    if (head.chain.length > 0 && options.chain !== 'leave') {
      chain = new Chain(name, head, options.chain ?? [medium]);
      await chain.check();
    }
    if (records.byOrdinal) retainBootCode(opened);
    const placeOf = (id: string): VolumePlace => {
      const volume = volumes.find(({ map }) => map.volume === id);
      if (volume !== undefined) return volume;
      throw new RemetalError('volume-not-found', `Set ${name} holds no volume ${id}.`, {
        facts: { volume: id, volumes: volumes.map(({ map }) => map.volume) },
      });
    };
    const sources = new Map<string, GroupSource>();
    const sourceOf = (id: string): GroupSource => {
      let known = sources.get(id);
      if (known === undefined) {
        const volume = placeOf(id);
        const index = indexOfMap(volume.map, volume.firstOrdinal);
        known = { records, chain, volume, index, earlierSums: new MetSums() };
        sources.set(id, known);
      }
      return known;
    };
    return {
      name,
      head,
      layout,
      maps: new Map(volumes.map(({ map }) => [map.volume, map])),
      index: (id) => sourceOf(id).index,
      totals,
      digest,
      problems: records.problems.items,
      groups: (id, groupsOptions) => readGroups(sourceOf(id), { ...groupsOptions, codec }),
      checksums: (id) => readChecksums(sourceOf(id), volumes, codec),
      sums: () => readSums(records),
      link: async () => ({
        setId: head.setId,
        digest: digest ?? (await records.end()).digest,
        name,
      }),
      close: async () => {
        await chain?.close();
        await records.close();
      },
    };
  } catch (error) {
    await chain?.close();
    await source.close();
    throw error;
  }
}
