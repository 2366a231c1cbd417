import { RemetalError } from '../../errors/index.ts';
import { tableContradiction } from './create.ts';
import type { VolumeDefinition } from './definition.ts';
import type { VolumeTableEntry } from './volume-table.ts';
import type { NetwareVolume, Segment } from './volumes.ts';

/**
 * A volume on other segments: as long as they are, everything else as it was. The sync field is what
 * the server writes there, the number of segments less one, unless their number stays.
 */
export function rearranged(definition: VolumeDefinition, segments: readonly Segment[]): NetwareVolume {
  const blocks = segments.reduce((sum, segment) => sum + segment.blocks, 0);
  const sameCount = segments.length === definition.segments.length;
  return {
    definition: {
      ...definition,
      blocks,
      segments: segments.map(({ firstBlock, blocks: own }) => ({ firstBlock, blocks: own })),
      sync: sameCount ? definition.sync : segments.length - 1,
    },
    segments,
  };
}

/** The entries a volume puts into the volume tables, one a segment, with the partition each goes to. */
export function entriesOf(volume: NetwareVolume): { partition: number; entry: VolumeTableEntry }[] {
  const { definition, segments } = volume;
  return segments.map((segment, position) => ({
    partition: segment.partition,
    entry: {
      name: definition.name,
      sync: definition.sync,
      blockShift: definition.blockShift,
      segments: segments.length,
      position,
      flags: definition.flags,
      start: segment.start,
      sectors: segment.sectors,
      blocks: definition.blocks,
      firstBlock: segment.firstBlock,
      firstFat: definition.firstFat,
      mirrorFat: definition.mirrorFat,
      firstDirectory: definition.firstDirectory,
      mirrorDirectory: definition.mirrorDirectory,
    },
  }));
}

/** A partition that volumes are put on. */
export interface TablePartition {
  /** For messages. */
  readonly name: string;
  readonly dataSectors: number;
  /** Entries that are there and stay. */
  readonly kept: readonly VolumeTableEntry[];
}

/**
 * The volume tables of all partitions with these volumes on them, entries by start as servers keep
 * them. Pure; what `assembleVolumes` makes of the tables is these volumes again.
 *
 * @throws `layout-damaged` when they do not fit or overlap.
 */
export function volumeTables(
  volumes: readonly NetwareVolume[],
  partitions: readonly TablePartition[],
): VolumeTableEntry[][] {
  const tables = partitions.map(({ kept }) => [...kept]);
  for (const { partition, entry } of volumes.flatMap(entriesOf)) {
    const table = tables[partition];
    if (table === undefined) {
      throw new RemetalError(
        'layout-damaged',
        `Volume ${entry.name} has a segment on a partition that is not there`,
        {
          facts: { volume: entry.name, partition },
        },
      );
    }
    table.push(entry);
  }
  return tables.map((entries, index) => {
    const { name, dataSectors } = partitions[index]!;
    const wrong = tableContradiction(entries, dataSectors);
    if (wrong !== null) {
      throw new RemetalError(
        'layout-damaged',
        `The volume table of ${name} cannot be written: it would have ${wrong}`,
        {
          facts: { partition: name, dataSectors },
        },
      );
    }
    return entries.toSorted((a, b) => a.start - b.start);
  });
}
