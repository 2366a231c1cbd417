import { isExtended, type Table } from '../layout/index.ts';
import { grownMbrType } from './plan-fat.ts';

/** The table with the type that a FAT of this kind has, in an MBR, in the partition at `at`. */
export function retyped(table: Table, at: number, kind: number): Table {
  if (table.kind !== 'mbr') return table;
  return {
    ...table,
    partitions: table.partitions.map((partition) =>
      partition.start === at && !isExtended(partition.type)
        ? {
            ...partition,
            type: grownMbrType(partition.type, { kind, start: at, count: partition.length }),
          }
        : partition,
    ),
  };
}

/** The table with the partition at `at` longer by `extra` and all behind it moved up. */
export function stretch(table: Table, at: number, extra: number): Table {
  const shift = (start: number): number => (start > at ? start + extra : start);
  if (table.kind === 'none') return table;
  if (table.kind === 'gpt') {
    return {
      ...table,
      partitions: table.partitions.map((partition) => ({
        ...partition,
        start: shift(partition.start),
        length: partition.start === at ? partition.length + extra : partition.length,
      })),
    };
  }
  return {
    ...table,
    partitions: table.partitions.map((partition) => {
      const contains =
        isExtended(partition.type) && partition.start < at && at < partition.start + partition.length;
      const grows = partition.start === at || contains;
      return {
        ...partition,
        start: shift(partition.start),
        length: grows ? partition.length + extra : partition.length,
        ...(partition.ebr === undefined ? {} : { ebr: shift(partition.ebr) }),
      };
    }),
  };
}
