import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { readUint, writeUint } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';

/** The image's tables count in these, whatever the stick does. */
export const SECTOR = 512;
/** The data partition begins and ends on this grid. */
const GRID = 1024 * 1024;

/** GPT partition types: Linux file system data, Microsoft basic data (UEFI 2.10, 5.3; the kernel's block/partitions). */
const types = {
  ext4: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
  fat32: 'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7',
} as const;

export type DataFileSystem = keyof typeof types;

/** Where the data partition lies, bytes, and what must be written for it to be there. */
export interface DataPartition {
  readonly offset: number;
  readonly size: number;
  /** Pieces of the two tables and the MBR: byte offset to content. */
  readonly writes: readonly { readonly offset: number; readonly bytes: Buffer }[];
}

function refused(what: string): RemetalError {
  return new RemetalError('build-failed', `The image cannot take a data partition: ${what}`, {
    hint: 'Write it without a data partition, or build the image anew.',
  });
}

/** The bytes of a GUID as GPT keeps them: the first three groups little-endian. */
function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  return Buffer.concat([
    bytes.subarray(0, 4).toReversed(),
    bytes.subarray(4, 6).toReversed(),
    bytes.subarray(6, 8).toReversed(),
    bytes.subarray(8),
  ]);
}

/** The header of a GPT (UEFI 2.10, table 5.5) with its checksum set anew. */
function sealed(header: Buffer, fields: { own: number; other: number; table: number; last: number }): Buffer {
  const copy = Buffer.from(header);
  writeUint(copy, 24, 8, fields.own, 'MyLBA');
  writeUint(copy, 32, 8, fields.other, 'AlternateLBA');
  writeUint(copy, 48, 8, fields.last, 'LastUsableLBA');
  writeUint(copy, 72, 8, fields.table, 'PartitionEntryLBA');
  writeUint(copy, 16, 4, 0, 'HeaderCRC32');
  writeUint(copy, 16, 4, crc32(copy.subarray(0, readUint(copy, 12, 4, 'HeaderSize'))), 'HeaderCRC32');
  return copy;
}

/**
 * Plans a data partition in the rest of a stick that carries the image: a new entry in the image's GPT,
 * the second copy of the table at the end of the stick, and a protective MBR over all of it. Boot code and
 * the other entries stay. `start` is the image's first 64 sectors at least. Pure. Throws `build-failed`, and
 * `target-too-small` when less than 16 MiB would be left.
 */
export function planDataPartition(request: {
  readonly start: Buffer;
  readonly imageSize: number;
  /** Bytes of the stick. */
  readonly size: number;
  readonly fileSystem: DataFileSystem;
  /** GUID of the partition; a new one by default. */
  readonly guid?: string;
}): DataPartition {
  const { start, imageSize, fileSystem } = request;
  const header = start.subarray(SECTOR, 2 * SECTOR);
  if (header.toString('latin1', 0, 8) !== 'EFI PART') throw refused('it has no GPT');
  const headerSize = readUint(header, 12, 4, 'HeaderSize');
  const tableStart = readUint(header, 72, 8, 'PartitionEntryLBA') * SECTOR;
  const entries = readUint(header, 80, 4, 'NumberOfPartitionEntries');
  const entrySize = readUint(header, 84, 4, 'SizeOfPartitionEntry');
  const tableSize = entries * entrySize;
  if (headerSize !== 92 || entrySize !== 128 || tableStart + tableSize > start.length) {
    throw refused('its GPT has an unknown shape');
  }
  const zeroed = Buffer.from(header.subarray(0, headerSize));
  zeroed.writeUInt32LE(0, 16);
  if (crc32(zeroed) !== header.readUInt32LE(16)) throw refused('the checksum of its GPT is wrong');

  const sectors = Math.floor(request.size / SECTOR);
  const tableSectors = Math.ceil(tableSize / SECTOR);
  const last = sectors - 2 - tableSectors;
  const offset = Math.ceil(imageSize / GRID) * GRID;
  const size = Math.floor(((last + 1) * SECTOR - offset) / GRID) * GRID;
  if (size < 16 * GRID) {
    throw new RemetalError('target-too-small', 'The stick has no room for a data partition', {
      hint: 'Take a larger stick, or write the image without one.',
      facts: { size: request.size, imageSize },
    });
  }

  const table = Buffer.alloc(tableSectors * SECTOR);
  start.copy(table, 0, tableStart, tableStart + tableSize);
  let free = 0;
  while (free < entries && !isZero(table.subarray(free * 128, free * 128 + 16))) free++;
  if (free === entries) throw refused('its GPT is full');
  const entry = table.subarray(free * 128, (free + 1) * 128);
  guidBytes(types[fileSystem]).copy(entry, 0);
  guidBytes(request.guid ?? randomUUID()).copy(entry, 16);
  writeUint(entry, 32, 8, offset / SECTOR, 'StartingLBA');
  writeUint(entry, 40, 8, (offset + size) / SECTOR - 1, 'EndingLBA');
  entry.write('Remetal data', 56, 'utf16le');

  const changed = Buffer.from(header);
  writeUint(changed, 88, 4, crc32(table.subarray(0, tableSize)), 'PartitionEntryArrayCRC32');
  const end = sectors - 1;
  const primary = sealed(changed, { own: 1, other: end, table: tableStart / SECTOR, last });
  const backup = sealed(changed, { own: end, other: 1, table: end - tableSectors, last });
  return {
    offset,
    size,
    // The second copy first: a stick pulled in between still has one whole table.
    writes: [
      { offset: (end - tableSectors) * SECTOR, bytes: table },
      { offset: end * SECTOR, bytes: backup },
      { offset: tableStart, bytes: table },
      { offset: SECTOR, bytes: primary },
      { offset: 0, bytes: protectiveMbr(start.subarray(0, SECTOR), sectors) },
    ],
  };
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

/** The MBR with its protective entry (type EE) made as long as the stick. */
function protectiveMbr(sector: Buffer, sectors: number): Buffer {
  const copy = Buffer.from(sector);
  for (let entry = 446; entry < 510; entry += 16) {
    if (copy[entry + 4] !== 0xee) continue;
    const first = readUint(copy, entry + 8, 4, 'StartingLBA');
    writeUint(copy, entry + 12, 4, Math.min(sectors - first, 0xffffffff), 'SizeInLBA');
  }
  return copy;
}
