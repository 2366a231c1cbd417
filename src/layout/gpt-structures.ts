import { crc32 } from 'node:zlib';
import { writeUint } from '../bytes/index.ts';
import { readGuid, readU64, writeGuid } from './fields.ts';
import type { GptPartition } from './layout.ts';

/* UEFI specification 2.10, section 5.3: header in table 5.5, partition entry in table 5.6. */

export const gptSignature = 'EFI PART';
const headerBytes = 92;
const revision = 0x0001_0000;
const unusedType = '00000000-0000-0000-0000-000000000000';
const nameAt = 56;
const nameBytes = 72;
/** The specification asks for at least 128 bytes an entry. */
const leastEntry = 128;
/** No tool writes more than a few hundred entries; a larger array is taken for damage, not memory. */
const mostEntryBytes = 1024 * 1024;

/** The fields of one GPT header. Sectors. */
export interface GptHeader {
  readonly at: number;
  readonly alternate: number;
  readonly firstUsable: number;
  readonly lastUsable: number;
  readonly diskGuid: string;
  readonly entriesStart: number;
  readonly entryCount: number;
  readonly entrySize: number;
  readonly entriesCrc: number;
}

/** Sectors that `entryCount` entries of `entrySize` bytes take. */
export function entrySectors(
  table: { readonly entryCount: number; readonly entrySize: number },
  sectorSize: number,
): number {
  return Math.ceil((table.entryCount * table.entrySize) / sectorSize);
}

/** True when a sector begins with the signature of a GPT header. */
export function hasGptSignature(sector: Buffer): boolean {
  return sector.toString('latin1', 0, 8) === gptSignature;
}

/**
 * The header in `sector`, which was read from sector `at` of a disk of `sectors` sectors, or the
 * reason why it may not be believed. Every number in the result is bounded by the disk.
 */
export function parseHeader(sector: Buffer, at: number, sectors: number): GptHeader | string {
  if (!hasGptSignature(sector)) return 'no signature';
  const size = sector.readUInt32LE(12);
  if (size < headerBytes || size > sector.length) return `header size ${size}`;
  const sum = Buffer.from(sector.subarray(0, size));
  sum.fill(0, 16, 20);
  if (crc32(sum) !== sector.readUInt32LE(16)) return 'header checksum';
  const numbers = [24, 32, 40, 48, 72].map((field) => readU64(sector, field) ?? Number.NaN);
  if (numbers.some(Number.isNaN)) return 'a sector number beyond any disk';
  const [own = 0, alternate = 0, firstUsable = 0, lastUsable = 0, entriesStart = 0] = numbers;
  if (own !== at) return `header says it stands at sector ${own}, not ${at}`;
  const entryCount = sector.readUInt32LE(80);
  const entrySize = sector.readUInt32LE(84);
  if (entryCount === 0 || entrySize < leastEntry || entrySize % 8 !== 0) {
    return `${entryCount} entries of ${entrySize} bytes`;
  }
  if (entryCount * entrySize > mostEntryBytes) return `${entryCount} entries of ${entrySize} bytes`;
  const end = entriesStart + entrySectors({ entryCount, entrySize }, sector.length);
  if (entriesStart < 1 || end > sectors || (entriesStart <= at && at < end)) {
    return `entries at sector ${entriesStart}`;
  }
  return {
    at,
    alternate,
    firstUsable,
    lastUsable,
    diskGuid: readGuid(sector, 56),
    entriesStart,
    entryCount,
    entrySize,
    entriesCrc: sector.readUInt32LE(88),
  };
}

/** The used entries of an array that was read whole, or the reason why it may not be believed. */
export function parseEntries(entries: Buffer, header: GptHeader, sectors: number): GptPartition[] | string {
  const bytes = entries.subarray(0, header.entryCount * header.entrySize);
  if (crc32(bytes) !== header.entriesCrc) return 'entries checksum';
  const partitions: GptPartition[] = [];
  for (let index = 0; index < header.entryCount; index++) {
    const entry = bytes.subarray(index * header.entrySize, (index + 1) * header.entrySize);
    const type = readGuid(entry, 0);
    if (type === unusedType) continue;
    const start = readU64(entry, 32);
    const last = readU64(entry, 40);
    if (start === null || last === null || last < start || last >= sectors) {
      return `partition ${index + 1} lies outside the disk or ends before it starts`;
    }
    partitions.push({
      number: index + 1,
      start,
      length: last - start + 1,
      type,
      guid: readGuid(entry, 16),
      name: entry.toString('utf16le', nameAt, nameAt + nameBytes).replace(/\0.*$/su, ''),
      attributes: entry.readBigUInt64LE(48).toString(16).padStart(16, '0'),
    });
  }
  return partitions;
}

/** The entry array of a table, padded with zeros to whole sectors. */
export function encodeEntries(
  table: {
    readonly entryCount: number;
    readonly entrySize: number;
    readonly partitions: readonly GptPartition[];
  },
  sectorSize: number,
): Buffer {
  const out = Buffer.alloc(entrySectors(table, sectorSize) * sectorSize);
  for (const partition of table.partitions) {
    const entry = out.subarray((partition.number - 1) * table.entrySize);
    writeGuid(entry, 0, partition.type);
    writeGuid(entry, 16, partition.guid);
    writeUint(entry, 32, 8, partition.start, 'partition start');
    writeUint(entry, 40, 8, partition.start + partition.length - 1, 'partition end');
    entry.writeBigUInt64LE(BigInt(`0x${partition.attributes}`), 48);
    Buffer.from(partition.name, 'utf16le').copy(entry, nameAt, 0, nameBytes);
  }
  return out;
}

/** One header sector with its checksum. */
export function encodeHeader(
  header: Omit<GptHeader, 'entriesCrc'>,
  entries: Buffer,
  sectorSize: number,
): Buffer {
  const out = Buffer.alloc(sectorSize);
  out.write(gptSignature, 0, 'latin1');
  out.writeUInt32LE(revision, 8);
  out.writeUInt32LE(headerBytes, 12);
  const sectors: [string, number, number][] = [
    ['header sector', 24, header.at],
    ['other header sector', 32, header.alternate],
    ['first usable sector', 40, header.firstUsable],
    ['last usable sector', 48, header.lastUsable],
    ['entries sector', 72, header.entriesStart],
  ];
  for (const [name, at, value] of sectors) writeUint(out, at, 8, value, name);
  writeGuid(out, 56, header.diskGuid);
  out.writeUInt32LE(header.entryCount, 80);
  out.writeUInt32LE(header.entrySize, 84);
  out.writeUInt32LE(crc32(entries.subarray(0, header.entryCount * header.entrySize)), 88);
  out.writeUInt32LE(crc32(out.subarray(0, headerBytes)), 16);
  return out;
}
