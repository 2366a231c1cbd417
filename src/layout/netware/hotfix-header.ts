import { readUint, writeUint } from '../../bytes/index.ts';
import type { Parsed } from './copies.ts';
import { headerPlaces, mostTableGroups, sectorSize, unitSectors, unitsOfTable } from './places.ts';

const magic = 'HOTFIX00';
/** Unit of 8 sectors, upper mask, shift, lower mask: the bytes 08 f8 03 07. */
const unitGeometry = 0x0703_f808;
const groupsOffset = 28;
const groupSize = 16;

/** Where the tables of 1024 units of the hotfix area lie, sectors of the partition, each table 8 long. */
export interface TableGroup {
  /** Both copies of the redirection table. */
  readonly redirection: readonly [number, number];
  /** Both copies of the bad-bits table. */
  readonly badBits: readonly [number, number];
}

/** The HOTFIX00 header: how a partition is divided into hotfix area and data. */
export interface HotfixHeader {
  /** Unique number of the partition, made from date and time. */
  readonly id: number;
  readonly dataBad: number;
  readonly sync: number;
  /** Sectors of the logical partition. */
  readonly dataSectors: number;
  /** Sectors of the hotfix area, with which the partition begins. */
  readonly hotfixSectors: number;
  readonly tables: readonly TableGroup[];
}

/** Units of 8 sectors of a hotfix area that its tables can speak for; what is beyond is never used. */
export function unitsIn(hotfixSectors: number): number {
  return Math.min(Math.floor(hotfixSectors / unitSectors), mostTableGroups * unitsOfTable);
}

/** Groups of tables that speak for a hotfix area. */
export function groupsFor(hotfixSectors: number): number {
  return Math.ceil(unitsIn(hotfixSectors) / unitsOfTable);
}

/**
 * Parses a copy of the HOTFIX00 header of a partition of `partitionSectors` sectors. Every number is
 * checked against the partition; table pointers lie behind the headers and inside the hotfix area.
 */
export function parseHotfixHeader(sector: Buffer, partitionSectors: number): Parsed<HotfixHeader> {
  if (sector.toString('latin1', 0, 8) !== magic)
    return { fault: 'is no hotfix header (no HOTFIX00)', stamped: false };
  const dataSectors = readUint(sector, 20, 4, 'hotfix data sectors');
  const hotfixSectors = readUint(sector, 24, 4, 'hotfix area sectors');
  const fault = headerFault({
    unit: readUint(sector, 16, 4, 'hotfix unit'),
    dataSectors,
    hotfixSectors,
    partitionSectors,
  });
  if (fault !== null) return { fault, stamped: true };
  const tables: TableGroup[] = [];
  for (let group = 0; group < groupsFor(hotfixSectors); group++) {
    const at = groupsOffset + group * groupSize;
    const pointerAt = (field: number): number => sector.readUInt32LE(at + field * 4);
    const redirection = [pointerAt(0), pointerAt(2)] as const;
    const badBits = [pointerAt(1), pointerAt(3)] as const;
    const astray = [...redirection, ...badBits].find(
      (pointer) => pointer <= headerPlaces[0]! || pointer + unitSectors > hotfixSectors,
    );
    if (astray !== undefined) {
      return {
        fault: `places a redirection table at sector ${astray}, outside the hotfix area of ${hotfixSectors} sectors`,
        stamped: true,
      };
    }
    tables.push({ redirection, badBits });
  }
  const crossed = crossingTable(tables);
  if (crossed !== null) {
    return { fault: `places a table at sector ${crossed}, over another or over a header`, stamped: true };
  }
  return {
    value: {
      id: sector.readUInt32LE(8),
      dataBad: sector.readUInt16LE(12),
      sync: sector.readUInt16LE(14),
      dataSectors,
      hotfixSectors,
      tables,
    },
    doubt: null,
  };
}

function headerFault(found: {
  unit: number;
  dataSectors: number;
  hotfixSectors: number;
  partitionSectors: number;
}): string | null {
  const { dataSectors, hotfixSectors, partitionSectors } = found;
  if (found.unit !== unitGeometry) return 'names another unit than 8 sectors';
  if (hotfixSectors < headerPlaces.at(-1)! + 2) {
    return `claims a hotfix area of ${hotfixSectors} sectors, too small for its own headers`;
  }
  if (hotfixSectors + dataSectors > partitionSectors) {
    return `claims ${hotfixSectors} + ${dataSectors} sectors of a partition of ${partitionSectors}`;
  }
  return null;
}

/*
 * The sector of a table that lies over a header or another table, or null: to enter a redirection there
 * would destroy what it lies over. Both copies at one place are one copy, and no danger.
 */
function crossingTable(tables: readonly TableGroup[]): number | null {
  const pointers = tables.flatMap(({ redirection, badBits }) => [
    ...new Set(redirection),
    ...new Set(badBits),
  ]);
  const sorted = pointers.toSorted((a, b) => a - b);
  const crossed = sorted.find((pointer, index) => {
    const end = pointer + unitSectors;
    const overNext = (sorted[index + 1] ?? Infinity) < end;
    return overNext || headerPlaces.some((place) => place + 2 > pointer && place < end);
  });
  return crossed ?? null;
}

/** A copy of the HOTFIX00 header. Throws `field-range`. */
export function encodeHotfixHeader(header: HotfixHeader): Buffer {
  const sector = Buffer.alloc(sectorSize);
  sector.write(magic, 0, 'latin1');
  writeUint(sector, 8, 4, header.id, 'hotfix partition id');
  writeUint(sector, 12, 2, header.dataBad, 'hotfix data bad bits');
  writeUint(sector, 14, 2, header.sync, 'hotfix sync');
  writeUint(sector, 16, 4, unitGeometry, 'hotfix unit');
  writeUint(sector, 20, 4, header.dataSectors, 'hotfix data sectors');
  writeUint(sector, 24, 4, header.hotfixSectors, 'hotfix area sectors');
  header.tables.forEach(({ redirection, badBits }, group) => {
    const pointers = [redirection[0], badBits[0], redirection[1], badBits[1]];
    pointers.forEach((pointer, field) => {
      writeUint(sector, groupsOffset + group * groupSize + field * 4, 4, pointer, 'hotfix table pointer');
    });
  });
  return sector;
}
