import { RemetalError } from '../errors/index.ts';
import { backupSectors, contradiction, isExtended } from './check.ts';
import { carriedOver, isExact, withoutExact } from './exact.ts';
import { sectorsOf, type Geometry } from './fields.ts';
import { encodeEntries, encodeHeader, entrySectors, type GptHeader } from './gpt-structures.ts';
import type { GptTable, MbrPartition, MbrTable, Table } from './layout.ts';
import {
  isUsed,
  protectiveRecords,
  recordsAt,
  recordsBytes,
  recordsOffset,
  signatureOffset,
  writeRecord,
} from './mbr-structures.ts';

/** Bytes of a table and where on the disk they go. */
export interface TableWrite {
  /** Byte offset. Whole sectors, except in sector 0, of which only the bytes of the table are written. */
  readonly offset: number;
  readonly bytes: Buffer;
  /** What it is, in words. */
  readonly what: string;
}

/**
 * The table as it stands on a disk of `geometry`: the last usable sector recomputed, a plain
 * protective record stretched to the disk. The record of a hybrid boot record, and one that already
 * claims the greatest length, stay as they are. A table that knows its exact bytes stays whole on a disk
 * of the size it was read from and forgets them on any other.
 */
export function fitTable<T extends Table>(from: T, geometry: Geometry): T {
  if (isExact(from, geometry)) return from;
  const table = withoutExact(from);
  if (table.kind !== 'gpt') return table;
  const sectors = sectorsOf(geometry);
  return {
    ...table,
    lastUsable: sectors - 1 - backupSectors(table, geometry.sectorSize),
    protectiveMbr: fitProtective(table.protectiveMbr, sectors),
  };
}

function fitProtective(protectiveMbr: string, sectors: number): string {
  const sector = Buffer.alloc(512);
  Buffer.from(protectiveMbr, 'hex').copy(sector, recordsOffset);
  const used = recordsAt(sector).filter(isUsed);
  const [only] = used;
  if (only === undefined) return protectiveRecords(sectors);
  const stretches = used.length === 1 && only.start === 1 && only.length !== 0xffff_ffff;
  if (!stretches) return protectiveMbr;
  sector.writeUInt32LE(Math.min(sectors - 1, 0xffff_ffff), recordsOffset + only.slot * 16 + 12);
  return sector.subarray(recordsOffset, 512).toString('hex');
}

/**
 * The exact bytes that put a table on a disk, in the order in which they should be written: what a
 * machine looks at first comes last, so that a table cut short by a power failure is not taken for a
 * whole one. Pure.
 *
 * @throws `layout-damaged` when the table does not fit the disk or contradicts itself, `field-range`
 *   when a number does not fit its field.
 */
export function tableWrites(table: Table, geometry: Geometry): TableWrite[] {
  if (table.kind === 'none') return [];
  const fitted = fitTable(table, geometry);
  const wrong = contradiction(fitted, geometry, { backup: true });
  if (wrong !== null) {
    throw new RemetalError('layout-damaged', `A partition table cannot be written: ${wrong}`, {
      facts: { size: geometry.size, sectorSize: geometry.sectorSize },
    });
  }
  const writes = fitted.kind === 'gpt' ? gptWrites(fitted, geometry) : mbrWrites(fitted, geometry);
  if (!isExact(fitted, geometry)) return writes;
  const { exact } = fitted;
  return writes.map((write) => ({
    ...write,
    bytes: carriedOver(exact, write.offset, write.bytes.length),
  }));
}

function gptWrites(table: GptTable, geometry: Geometry): TableWrite[] {
  const { sectorSize } = geometry;
  const last = sectorsOf(geometry) - 1;
  const entries = encodeEntries(table, sectorSize);
  const backupEntries = last - entrySectors(table, sectorSize);
  const primaryEntries = table.entriesStart ?? 2;
  const header = (copy: Pick<GptHeader, 'at' | 'alternate' | 'entriesStart'>): Buffer =>
    encodeHeader({ ...table, ...copy }, entries, sectorSize);
  return [
    { offset: backupEntries * sectorSize, bytes: entries, what: 'second copy of the GPT entries' },
    {
      offset: last * sectorSize,
      bytes: header({ at: last, alternate: 1, entriesStart: backupEntries }),
      what: 'second copy of the GPT header',
    },
    { offset: primaryEntries * sectorSize, bytes: entries, what: 'GPT entries' },
    {
      offset: sectorSize,
      bytes: header({ at: 1, alternate: last, entriesStart: primaryEntries }),
      what: 'GPT header',
    },
    {
      offset: recordsOffset,
      bytes: Buffer.from(table.protectiveMbr, 'hex'),
      what: 'protective boot record',
    },
  ];
}

function mbrWrites(table: MbrTable, geometry: Geometry): TableWrite[] {
  const primaries = table.partitions.filter((entry) => entry.number <= 4);
  const chains = primaries
    .filter((entry) => isExtended(entry.type))
    .flatMap((container) => chainWrites(container, table, geometry.sectorSize));
  const sector = Buffer.alloc(512);
  sector.set([0x55, 0xaa], 510);
  for (const entry of primaries) {
    writeRecord(sector, { ...recordOf(entry), slot: entry.number - 1, absolute: entry.start });
  }
  sector.writeUInt32LE(table.diskSignature, signatureOffset);
  return [
    ...chains,
    {
      offset: signatureOffset,
      bytes: sector.subarray(signatureOffset, signatureOffset + 4),
      what: 'disk signature',
    },
    {
      offset: recordsOffset,
      bytes: sector.subarray(recordsOffset, recordsOffset + recordsBytes),
      what: 'partition records',
    },
  ];
}

function recordOf(entry: MbrPartition): { status: number; type: number; start: number; length: number } {
  return { status: entry.active ? 0x80 : 0, type: entry.type, start: entry.start, length: entry.length };
}

/*
 * The extended boot records of one container in the order of the partition numbers, which is the order
 * of the chain and not always that of the disk. A link covers the next record and its partition.
 */
function chainWrites(container: MbrPartition, table: MbrTable, sectorSize: number): TableWrite[] {
  const end = container.start + container.length;
  const members: { ebr: number; logical: MbrPartition | null }[] = table.partitions
    .filter((entry) => entry.number > 4 && entry.ebr! >= container.start && entry.ebr! < end)
    .toSorted((a, b) => a.number - b.number)
    .map((logical) => ({ ebr: logical.ebr!, logical }));
  if (members[0]?.ebr !== container.start) members.unshift({ ebr: container.start, logical: null });
  return members.map(({ ebr, logical }, index) => {
    const sector = Buffer.alloc(sectorSize);
    if (logical?.ebrCode !== undefined) Buffer.from(logical.ebrCode, 'hex').copy(sector, 0, 0, recordsOffset);
    sector.set([0x55, 0xaa], 510);
    if (logical !== null) {
      writeRecord(sector, {
        ...recordOf(logical),
        slot: 0,
        start: logical.start - ebr,
        absolute: logical.start,
      });
    }
    const next = members[index + 1];
    if (next !== undefined) {
      const until = next.logical === null ? next.ebr + 1 : next.logical.start + next.logical.length;
      writeRecord(sector, {
        slot: logical === null ? 0 : 1,
        status: 0,
        type: 0x05,
        start: next.ebr - container.start,
        length: until - next.ebr,
        absolute: next.ebr,
      });
    }
    return { offset: ebr * sectorSize, bytes: sector, what: `extended boot record at sector ${ebr}` };
  });
}
