import { RemetalError } from '../../errors/index.ts';
import type { TableWrite } from '../writes.ts';
import { encodeHotfixHeader, groupsFor, unitsIn, type TableGroup } from './hotfix-header.ts';
import { encodeMirrorHeader } from './mirror-header.ts';
import type { DataPartition } from './partition.ts';
import {
  firstSegmentSector,
  headerPlaces,
  mostSegmentsOfPartition,
  sectorSize,
  tablePlaces,
  unitSectors,
  unitSize,
} from './places.ts';
import { encodeTables, tablesInOrder } from './redirections.ts';
import { encodeRecordsBackup, encodeStamp } from './stamp.ts';
import { physicalPieces } from './translation.ts';
import { encodeVolumeTable, entryFault, isVolumeName, type VolumeTableEntry } from './volume-table.ts';

/** Bytes of a NetWare structure and where they go. */
export interface NetwareWrite extends TableWrite {
  /**
   * The structure this is one of several copies of: the work goes on as long as one of them can be
   * written. Absent where there is only this.
   */
  readonly copyOf?: string;
  /** The partition can be used without it. */
  readonly optional?: boolean;
}

/** What a new data partition is to be. */
export interface PartitionSpec {
  /** Sectors of the whole partition. */
  readonly sectors: number;
  /** Unique among the partitions of the machine; see `freshIds`. */
  readonly id: number;
  /** Id of its mirrored group, of which it is the only member. */
  readonly group: number;
  /** Date and time of the stamp, or null for a partition without one, as 3.x makes them. */
  readonly created: number | null;
  /** Sectors of the hotfix area; 2 % of the partition by default (`defaultHotfixSectors`). */
  readonly hotfixSectors?: number;
}

/*
 * The tables of the group of units t, as jeffmerkey/netware-file-system nwtool.c places them; a server
 * goes by the pointers. Units 0 to 19 hold stamp and headers.
 */
const tablesStart = 160;
const tableStep = 64;
const groupStep = 4 * tableStep;
const headUnits = 20;
/** Units up to the last table of the first group, and one spare. */
const smallestHotfixSectors = 46 * unitSectors;
/** 242 units: below this the same tool does not go. */
const usualHotfixSectors = 242 * unitSectors;
/** 16384 units, 64 MiB: the most the same tool makes. */
const largestHotfixSectors = 0x4000 * unitSectors;
/** A partition this small gets the smallest hotfix area instead of the usual one. */
const smallPartition = 4 * usualHotfixSectors;
const smallestDataSectors = firstSegmentSector + unitSectors;
/** Sync numbers jeffmerkey/netware-file-system writes for a healthy partition. */
const hotfixSync = 1;
const mirrorSync = 0x0186;

/** Sectors of the hotfix area Novell makes by default: 2 % of the partition, and room for its tables. */
export function defaultHotfixSectors(sectors: number): number {
  const share = Math.ceil(sectors / 50 / unitSectors) * unitSectors;
  const floor = sectors < smallPartition ? smallestHotfixSectors : usualHotfixSectors;
  return Math.min(largestHotfixSectors, Math.max(floor, share));
}

/** True for a number of sectors a new hotfix area can have. */
export function isHotfixSize(hotfixSectors: number): boolean {
  return (
    Number.isSafeInteger(hotfixSectors) &&
    hotfixSectors % unitSectors === 0 &&
    hotfixSectors >= smallestHotfixSectors &&
    hotfixSectors <= largestHotfixSectors
  );
}

/**
 * `count` pairs of partition and group id that none of `taken` is, counted from `from` on; servers make
 * them from date and time. Deterministic.
 */
export function freshIds(
  from: number,
  taken: ReadonlySet<number>,
  count: number,
): { id: number; group: number }[] {
  const ids: number[] = [];
  for (let id = Math.max(1, from); ids.length < count * 2; id = id >= 0xffff_fffe ? 1 : id + 1) {
    if (!taken.has(id)) ids.push(id);
  }
  return Array.from({ length: count }, (_, index) => ({ id: ids[index * 2]!, group: ids[index * 2 + 1]! }));
}

/**
 * A new data partition without volumes: hotfix area with no spare in use, then the data.
 *
 * @throws `target-too-small` when the partition has no room for hotfix area and data, `usage` for a
 *   hotfix area that cannot be.
 */
export function newDataPartition(spec: PartitionSpec): DataPartition {
  const { sectors, id, group } = spec;
  const hotfixSectors = spec.hotfixSectors ?? defaultHotfixSectors(sectors);
  if (!isHotfixSize(hotfixSectors)) {
    throw new RemetalError('usage', `A hotfix area of ${hotfixSectors} sectors is not possible`, {
      hint: `Choose a multiple of ${unitSectors} from ${smallestHotfixSectors} to ${largestHotfixSectors} sectors.`,
      facts: { hotfixSectors },
    });
  }
  const dataSectors = Math.floor((sectors - hotfixSectors) / unitSectors) * unitSectors;
  if (dataSectors < smallestDataSectors) {
    const needed = hotfixSectors + smallestDataSectors;
    throw new RemetalError(
      'target-too-small',
      `A NetWare partition of ${sectors} sectors has no room for a hotfix area of ${hotfixSectors} sectors and a volume; ${needed - sectors} sectors are missing`,
      { facts: { sectors, hotfixSectors, neededSectors: needed, missingSectors: needed - sectors } },
    );
  }
  const tables = Array.from({ length: groupsFor(hotfixSectors) }, (_, t): TableGroup => {
    const at = tablesStart + t * groupStep;
    return {
      redirection: [at, at + 2 * tableStep],
      badBits: [at + tableStep, at + 3 * tableStep],
    };
  });
  const tableUnits = tables.flatMap(({ redirection, badBits }) =>
    [...redirection, ...badBits].map((sector) => sector / unitSectors),
  );
  const heads = Array.from({ length: headUnits }, (_, unit) => unit);
  return {
    sectors,
    stamp: spec.created === null ? null : { sectors, created: spec.created },
    hotfix: { id, dataBad: 0, sync: hotfixSync, dataSectors, hotfixSectors, tables },
    mirror: {
      id,
      dataBad: 0,
      active: 0,
      sync: mirrorSync,
      deviceBad: 0,
      deviceActive: 0,
      deviceSync: 1,
      dataSectors,
      group,
      members: [id],
    },
    redirections: {
      units: unitsIn(hotfixSectors),
      moved: [],
      unusable: [...heads, ...tableUnits].toSorted((a, b) => a - b),
    },
    table: { entries: [], faults: [] },
    tablePlace: tablePlaces[0]!,
  };
}

/**
 * The exact bytes that make a data partition, its volume table included, offsets in bytes of the
 * partition, in the order in which they should be written: the headers by which it is known come last.
 * Pure.
 *
 * @param records Bytes 446 to 511 of the disk's MBR, of which sector 1 keeps a copy; null for none.
 * @throws `field-range`.
 */
export function dataPartitionWrites(partition: DataPartition, records: Buffer | null): NetwareWrite[] {
  const { hotfix, redirections, stamp, table } = partition;
  const tables = hotfix.tables.flatMap((group, index) => {
    const bytes = encodeTables(redirections, index);
    return tablesInOrder(group).map(({ sector, kind, copy }) => ({
      offset: sector * sectorSize,
      bytes: bytes[kind],
      what: `${kind === 'redirection' ? 'redirection' : 'bad-bits'} table ${index + 1}, copy ${copy} of 2`,
      copyOf: `${kind} table ${index + 1}`,
    }));
  });
  const mapping = { hotfixSectors: hotfix.hotfixSectors, moved: redirections.moved };
  const volumeTable = volumeTableWrites(table.entries, partition.tablePlace).map((write) => {
    const [piece] = physicalPieces(mapping, write.offset / sectorSize, 1);
    return { ...write, offset: piece!.physical * sectorSize };
  });
  return [
    ...tables,
    ...volumeTable,
    {
      offset: sectorSize,
      bytes: records === null ? Buffer.alloc(sectorSize) : encodeRecordsBackup(records),
      what: records === null ? 'sector 1, empty' : 'copy of the partition records',
      optional: true,
    },
    {
      offset: 0,
      bytes: stamp === null ? Buffer.alloc(sectorSize) : encodeStamp(stamp),
      what: stamp === null ? 'sector 0, without a stamp' : 'partition stamp',
      optional: true,
    },
    ...headerPlaces.map((sector, index) => ({
      offset: sector * sectorSize,
      bytes: headerBytes(partition),
      what: `hotfix and mirror header, copy ${index + 1} of ${headerPlaces.length}`,
      copyOf: 'hotfix and mirror header',
    })),
  ];
}

/* Both headers and, zeroed, the rest of their unit: third-party drivers keep a log behind them. */
function headerBytes({ hotfix, mirror }: DataPartition): Buffer {
  const bytes = Buffer.alloc(unitSize);
  encodeHotfixHeader(hotfix).copy(bytes);
  if (mirror !== null) encodeMirrorHeader(mirror).copy(bytes, sectorSize);
  return bytes;
}

/**
 * The four copies of a volume table, offsets in bytes of the **logical** partition. Pure.
 *
 * @param place Logical sector of the first copy.
 * @throws `field-range` when an entry does not fit its fields.
 */
export function volumeTableWrites(
  entries: readonly VolumeTableEntry[],
  place: number = tablePlaces[0]!,
): NetwareWrite[] {
  const bytes = encodeVolumeTable(entries);
  return tablePlaces.map((sector, index) => ({
    offset: (sector - tablePlaces[0]! + place) * sectorSize,
    bytes,
    what: `volume table, copy ${index + 1} of ${tablePlaces.length}`,
    copyOf: 'volume table',
  }));
}

/**
 * The first thing that keeps a volume table from being written to a logical partition, in words, or
 * null: more segments than fit, a segment outside the data, two that overlap, a name that cannot be.
 */
export function tableContradiction(
  entries: readonly VolumeTableEntry[],
  dataSectors: number,
  place: number = tablePlaces[0]!,
): string | null {
  if (entries.length > mostSegmentsOfPartition) {
    return `${entries.length} segments on a partition that can have ${mostSegmentsOfPartition}`;
  }
  const firstData = place + tablePlaces.at(-1)! - tablePlaces[0]! + 1;
  const sorted = entries.toSorted((a, b) => a.start - b.start);
  for (const [index, entry] of sorted.entries()) {
    const nth = `segment ${entry.position + 1} of ${entry.name}`;
    if (!isVolumeName(entry.name)) return `the name ${JSON.stringify(entry.name)}`;
    const fault = entryFault(entry, dataSectors, firstData);
    if (fault !== null) return `${nth} with ${fault}`;
    const next = sorted[index + 1];
    if (next !== undefined && entry.start + entry.sectors > next.start) {
      return `${nth} and segment ${next.position + 1} of ${next.name} overlap at sector ${next.start}`;
    }
  }
  return null;
}
