import { dataPartitions, sectorsOf, withoutExact, type Layout } from '../layout/index.ts';
import type { NetwarePartitionRecord } from '../layout/netware/index.ts';
import {
  arrange,
  mbrLimit,
  tooSmall,
  type Arrangement,
  type ArrangementInput,
  type PlanNotice,
} from './plan-arrangement.ts';

/** The data partitions of a set whose volumes are in it by themselves; the others are imaged whole. */
export function openPartitions(layout: Layout): NetwarePartitionRecord[] {
  const whole = new Set(
    layout.volumes
      .filter(({ kind }) => kind === 'partition')
      .map(({ segments, partition }) => `${segments[0]!.disk} ${partition}`),
  );
  return (layout.netware?.partitions ?? []).filter(
    ({ disk, partition }) => !whole.has(`${disk} ${partition}`),
  );
}

/**
 * Lays out a disk with NetWare data partitions, `open` being their numbers. What is in them is laid out
 * anew, so the last partition of the disk takes what room there is when it is one of them: more on a
 * larger disk, less on a smaller one. On other disks partitions lie as ever.
 *
 * @throws as `arrange`.
 */
export function arrangeNetware(input: ArrangementInput, open: ReadonlySet<number>): Arrangement {
  const { disk, target, grow, volumes } = input;
  if (open.size === 0) return arrange(input);
  const plain = volumes.filter(({ kind }) => kind !== 'netware');
  const last = dataPartitions(disk.table)
    .toSorted((a, b) => a.start - b.start)
    .at(-1);
  const named = plain.some(({ id }) => id === grow);
  if (disk.table.kind !== 'mbr' || last === undefined || !open.has(last.number) || last.number > 4 || named) {
    return arrange({ ...input, volumes: plain, grow: named ? grow : 'none' });
  }
  const sectors = sectorsOf(target);
  const usable = Math.min(sectors, mbrLimit);
  const larger = sectors > sectorsOf(disk.identity) && grow !== 'none';
  const end = larger ? usable : Math.min(usable, last.start + last.length);
  if (end <= last.start) throw tooSmall(input, last.start + 1, sectors);
  const length = end - last.start;
  const { table: kept, notices } = arrange({
    ...input,
    volumes: plain,
    grow: 'none',
    disk: {
      ...disk,
      table: {
        ...withoutExact(disk.table),
        partitions: disk.table.partitions.filter(({ number }) => number !== last.number),
      },
    },
  });
  const partitions = disk.table.partitions.map((partition) =>
    partition.number === last.number ? { ...partition, length } : partition,
  );
  const told: PlanNotice[] =
    length === last.length
      ? []
      : [
          {
            level: 'info',
            code: 'netware-partition-resized',
            message: `NetWare partition ${last.number} of ${disk.id} gets ${length} sectors; it had ${last.length}.`,
          },
        ];
  return {
    table: kept.kind === 'mbr' ? { ...kept, partitions } : kept,
    moved: (start) => start,
    grown: null,
    gaps: false,
    notices: [...notices, ...told],
  };
}
