import { mappingOf, type DataPartition } from './partition.ts';
import { physicalPieces } from './translation.ts';
import { sectorsPerBlock } from './volume-table.ts';
import type { NetwareVolume } from './volumes.ts';

/** One line of a device-mapper table with target `linear`; all numbers are sectors of 512 bytes. */
export interface LinearExtent {
  /** Place in the volume. */
  readonly start: number;
  readonly length: number;
  readonly device: string;
  /** Place on the device. */
  readonly offset: number;
}

/** Where a partition is to be found by the kernel: the disk's node and the partition's first sector on it, or its own node and 0. */
export interface PartitionNode {
  readonly device: string;
  readonly start: number;
}

/**
 * The device-mapper table that gives a volume to Linux as a block device, units that were moved to the
 * hotfix area read where they live now. Pure. A mirrored group is mapped to its leader: to write to such
 * a device puts the other members out of sync.
 *
 * @param partitions By index, as the segments of the volume name them.
 */
export function linearTable(
  volume: NetwareVolume,
  partitions: readonly {
    readonly partition: Pick<DataPartition, 'hotfix' | 'redirections'>;
    readonly node: PartitionNode;
  }[],
): LinearExtent[] {
  const table: { start: number; length: number; device: string; offset: number }[] = [];
  let at = 0;
  for (const segment of volume.segments) {
    const { partition, node } = partitions[segment.partition]!;
    const count = segment.blocks * sectorsPerBlock(volume.definition.blockShift);
    for (const piece of physicalPieces(mappingOf(partition), segment.start, count)) {
      const offset = node.start + piece.physical;
      const last = table.at(-1);
      if (last !== undefined && last.device === node.device && last.offset + last.length === offset) {
        last.length += piece.sectors;
      } else {
        table.push({ start: at, length: piece.sectors, device: node.device, offset });
      }
      at += piece.sectors;
    }
  }
  return table;
}

/** A table as `dmsetup create` reads it, one line an extent. */
export function formatLinearTable(table: readonly LinearExtent[]): string {
  return table
    .map(({ start, length, device, offset }) => `${start} ${length} linear ${device} ${offset}\n`)
    .join('');
}
