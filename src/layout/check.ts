import type { Table } from './layout.ts';
import { sectorsOf, type Geometry } from './fields.ts';
import { entrySectors } from './gpt-structures.ts';

/** A run of sectors that something of a table claims for itself. */
export interface Claim {
  readonly what: string;
  readonly start: number;
  readonly length: number;
}

const extendedTypes: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);

/** True for the MBR types of a partition that only contains logical ones (5, f, 85 hex). */
export function isExtended(type: number): boolean {
  return extendedTypes.has(type);
}

/** Sectors the backup copy of a GPT takes at the end of a disk: entries and header. */
export function backupSectors(
  table: { readonly entryCount: number; readonly entrySize: number },
  sectorSize: number,
): number {
  return entrySectors(table, sectorSize) + 1;
}

/** Every sector range a table's own structures take on a disk, without partitions. */
export function structureClaims(table: Table, geometry: Geometry): Claim[] {
  const sectors = sectorsOf(geometry);
  if (table.kind === 'none') return [];
  const first = { what: 'sector 0', start: 0, length: 1 };
  if (table.kind === 'gpt') {
    const entries = entrySectors(table, geometry.sectorSize);
    const backup = backupSectors(table, geometry.sectorSize);
    return [
      first,
      { what: 'GPT header', start: 1, length: 1 },
      { what: 'GPT entries', start: table.entriesStart ?? 2, length: entries },
      { what: 'GPT backup', start: sectors - backup, length: backup },
    ];
  }
  const ebrs = new Set<number>();
  for (const partition of table.partitions) {
    if (isExtended(partition.type) && partition.number <= 4) ebrs.add(partition.start);
    if (partition.ebr !== undefined) ebrs.add(partition.ebr);
  }
  return [
    first,
    ...[...ebrs].map((start) => ({ what: `extended boot record at ${start}`, start, length: 1 })),
  ];
}

/** Partitions that hold data: all but the extended ones, which only contain others. */
export function dataPartitions(table: Table): { number: number; start: number; length: number }[] {
  if (table.kind === 'none') return [];
  if (table.kind === 'gpt') return table.partitions;
  return table.partitions.filter((partition) => partition.number > 4 || !isExtended(partition.type));
}

/**
 * The first contradiction of a table with the disk it is meant for or with itself, as words, or null:
 * claims outside the disk, claims that overlap, logical partitions outside every extended one.
 */
export function contradiction(table: Table, geometry: Geometry, options: { backup: boolean }): string | null {
  const sectors = sectorsOf(geometry);
  const parts = table.kind === 'none' ? [] : table.partitions;
  const outside = parts.find((partition) => partition.start + partition.length > sectors);
  if (outside !== undefined) {
    return `partition ${outside.number} ends at sector ${outside.start + outside.length - 1}, outside the disk of ${sectors} sectors`;
  }
  const claims: Claim[] = [
    ...structureClaims(table, geometry).filter((claim) => options.backup || claim.what !== 'GPT backup'),
    ...dataPartitions(table).map((partition) => ({ ...partition, what: `partition ${partition.number}` })),
  ].toSorted((a, b) => a.start - b.start || a.length - b.length);
  for (const [index, claim] of claims.entries()) {
    if (claim.start < 0 || claim.length < 1 || claim.start + claim.length > sectors) {
      return `${claim.what} (sectors ${claim.start} to ${claim.start + claim.length - 1}) lies outside the disk of ${sectors} sectors`;
    }
    const next = claims[index + 1];
    if (next !== undefined && claim.start + claim.length > next.start) {
      return `${claim.what} and ${next.what} overlap at sector ${next.start}`;
    }
  }
  return table.kind === 'mbr' ? misplacedLogical(table) : null;
}

function misplacedLogical(table: Extract<Table, { kind: 'mbr' }>): string | null {
  const primaries = table.partitions
    .filter((entry) => entry.number <= 4)
    .toSorted((a, b) => a.start - b.start);
  for (const [index, primary] of primaries.entries()) {
    const next = primaries[index + 1];
    if (next !== undefined && primary.start + primary.length > next.start) {
      return `partitions ${primary.number} and ${next.number} overlap at sector ${next.start}`;
    }
  }
  const containers = primaries.filter((entry) => isExtended(entry.type));
  for (const logical of table.partitions.filter((entry) => entry.number > 4)) {
    const ebr = logical.ebr ?? -1;
    const from = Math.min(ebr, logical.start);
    const to = Math.max(ebr + 1, logical.start + logical.length);
    if (!containers.some((outer) => from >= outer.start && to <= outer.start + outer.length)) {
      return `logical partition ${logical.number} lies outside every extended partition`;
    }
    const headed = containers.find((outer) => outer.start === ebr);
    const earlier = table.partitions.some(
      (other) =>
        headed !== undefined &&
        other.number > 4 &&
        other.number < logical.number &&
        other.start > headed.start &&
        other.start < headed.start + headed.length,
    );
    // The chain of an extended partition begins at its first sector.
    if (earlier) return `logical partition ${logical.number} heads a chain in which it is not the first`;
  }
  return null;
}
