import { writeUint } from '../../bytes/index.ts';
import type { Parsed } from './copies.ts';
import {
  largestBlockShift,
  mostSegmentsOfPartition,
  mostSegmentsOfVolume,
  sectorSize,
  smallestBlockShift,
} from './places.ts';

/*
 * A sector of 32 bytes of header and 8 entries of 60 bytes. Field names of EP 0767431 A1, FIG 10;
 * offsets and the header also of jeffmerkey/netware-file-system nwvp.h and zhmu/nwfs parser.rs.
 */
const magic = 'NetWare Volumes\0';
const entriesOffset = 32;
const entrySize = 60;
const nameRoom = 15;

/** One segment as the volume table of its partition names it. */
export interface VolumeTableEntry {
  /** Name of the volume, 1 to 15 characters, each one byte. */
  readonly name: string;
  /** Written by the server as the number of segments less one; the same in all segments of a volume. */
  readonly sync: number;
  /** log2 of the sectors of a block, 3 to 7. */
  readonly blockShift: number;
  /** Segments of the volume, 1 to 32. */
  readonly segments: number;
  /** Which of them this is, from 0. */
  readonly position: number;
  readonly flags: number;
  /** Logical sector at which it begins. */
  readonly start: number;
  /** Sectors; those beyond the last whole block are not used. */
  readonly sectors: number;
  /** Blocks of the whole volume. */
  readonly blocks: number;
  readonly firstBlock: number;
  readonly firstFat: number;
  readonly mirrorFat: number;
  readonly firstDirectory: number;
  readonly mirrorDirectory: number;
}

/** A volume table: entries, and for each what is wrong with it, or null. */
export interface VolumeTable {
  readonly entries: readonly VolumeTableEntry[];
  readonly faults: readonly (string | null)[];
}

/** Sectors of a block. */
export function sectorsPerBlock(blockShift: number): number {
  return 2 ** blockShift;
}

/**
 * Parses a copy of the volume table of a logical partition of `dataSectors` sectors, whose copies end
 * before sector `firstData`.
 */
export function parseVolumeTable(
  sector: Buffer,
  dataSectors: number,
  firstData: number,
): Parsed<VolumeTable> {
  if (sector.toString('latin1', 0, 16) !== magic) {
    return { fault: 'is no volume table (no NetWare Volumes)', stamped: false };
  }
  const count = sector.readUInt32LE(16);
  if (count > mostSegmentsOfPartition) {
    return { fault: `claims ${count} segments of at most ${mostSegmentsOfPartition}`, stamped: true };
  }
  const entries: VolumeTableEntry[] = [];
  const faults: (string | null)[] = [];
  for (let index = 0; index < count; index++) {
    const at = entriesOffset + index * entrySize;
    const entry = parseEntry(sector.subarray(at, at + entrySize));
    entries.push(entry);
    faults.push(nameFault(sector[at]!, entry.name) ?? entryFault(entry, dataSectors, firstData));
  }
  const wrong = faults.findIndex((fault) => fault !== null);
  const doubt = wrong < 0 ? null : `names segment ${wrong + 1} wrongly: ${faults[wrong]}`;
  return { value: { entries, faults }, doubt };
}

function parseEntry(bytes: Buffer): VolumeTableEntry {
  const u32 = (at: number): number => bytes.readUInt32LE(at);
  return {
    name: bytes.toString('latin1', 1, 1 + Math.min(bytes[0]!, nameRoom)),
    sync: u32(16),
    blockShift: bytes[20]!,
    segments: bytes[21]!,
    position: bytes[22]!,
    flags: bytes[23]!,
    start: u32(24),
    sectors: u32(28),
    blocks: u32(32),
    firstBlock: u32(36),
    firstFat: u32(40),
    mirrorFat: u32(44),
    firstDirectory: u32(48),
    mirrorDirectory: u32(52),
  };
}

function nameFault(length: number, name: string): string | null {
  if (length < 1 || length > nameRoom) return `a volume name of ${length} characters`;
  return isVolumeName(name) ? null : 'a volume name with control characters';
}

/** True for a name a volume table can hold: 1 to 15 one-byte characters that can be printed. */
export function isVolumeName(name: string): boolean {
  return /^[\u0021-\u007e\u0080-\u00ff]{1,15}$/u.test(name);
}

/** What is wrong with a segment by itself, or null. */
export function entryFault(entry: VolumeTableEntry, dataSectors: number, firstData: number): string | null {
  const { blockShift, segments, position, start, sectors, blocks, firstBlock } = entry;
  if (blockShift < smallestBlockShift || blockShift > largestBlockShift) {
    return `blocks of 2^${blockShift} sectors`;
  }
  if (segments < 1 || segments > mostSegmentsOfVolume || position >= segments) {
    return `segment ${position + 1} of ${segments}`;
  }
  if (start < firstData) return `a start at sector ${start}, inside the volume table`;
  if (start + sectors > dataSectors) {
    return `sectors ${start} to ${start + sectors - 1} of a partition of ${dataSectors}`;
  }
  const own = Math.floor(sectors / sectorsPerBlock(blockShift));
  if (own < 1) return `${sectors} sectors, less than one block`;
  if (firstBlock >= blocks) return `block ${firstBlock} of a volume of ${blocks}`;
  const pointers = [entry.firstFat, entry.mirrorFat, entry.firstDirectory, entry.mirrorDirectory];
  const astray = pointers.find((block) => block >= blocks);
  return astray === undefined ? null : `a FAT or directory at block ${astray} of a volume of ${blocks}`;
}

/** A copy of the volume table: up to 8 entries, ordered by start. Throws `field-range`. */
export function encodeVolumeTable(entries: readonly VolumeTableEntry[]): Buffer {
  const sector = Buffer.alloc(sectorSize);
  sector.write(magic, 0, 'latin1');
  writeUint(sector, 16, 4, entries.length, 'segments of the partition');
  entries.forEach((entry, index) => {
    encodeEntry(sector, entriesOffset + index * entrySize, entry);
  });
  return sector;
}

function encodeEntry(sector: Buffer, at: number, entry: VolumeTableEntry): void {
  const name = Buffer.from(entry.name, 'latin1');
  writeUint(sector, at, 1, name.length, 'volume name length');
  name.copy(sector, at + 1, 0, nameRoom);
  writeUint(sector, at + 16, 4, entry.sync, 'volume sync');
  writeUint(sector, at + 20, 1, entry.blockShift, 'block shift');
  writeUint(sector, at + 21, 1, entry.segments, 'segments of the volume');
  writeUint(sector, at + 22, 1, entry.position, 'segment position');
  writeUint(sector, at + 23, 1, entry.flags, 'volume flags');
  const wide: [number, number, string][] = [
    [24, entry.start, 'segment start'],
    [28, entry.sectors, 'segment sectors'],
    [32, entry.blocks, 'volume blocks'],
    [36, entry.firstBlock, 'segment first block'],
    [40, entry.firstFat, 'FAT block'],
    [44, entry.mirrorFat, 'mirror FAT block'],
    [48, entry.firstDirectory, 'directory block'],
    [52, entry.mirrorDirectory, 'mirror directory block'],
  ];
  for (const [offset, value, field] of wide) writeUint(sector, at + offset, 4, value, field);
}
