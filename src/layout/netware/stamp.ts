import { writeUint } from '../../bytes/index.ts';
import { recordsBytes, recordsOffset } from '../mbr-structures.ts';
import { netwareType, sectorSize } from './places.ts';

/*
 * Sector 0 of a partition made by the installer of 4.x and later; 3.x leaves it alone. The stamp is
 * also what TestDisk looks for (cgsecurity/testdisk, netware.h).
 */
const stampText = 'Nw_PaRtItIoN';
const stampType = 0x100 + netwareType;

/** Sector 0 of a data partition. */
export interface PartitionStamp {
  /** The length it was made with, sectors. */
  readonly sectors: number;
  /** When, as NetWare's 32-bit date and time. */
  readonly created: number;
}

/** The stamp, or null where the sector carries none (3.x). Known by its text, as TestDisk knows it. */
export function parseStamp(sector: Buffer): PartitionStamp | null {
  const signed = sector.toString('latin1', 1, 13) === stampText;
  return signed ? { sectors: sector.readUInt32LE(20), created: sector.readUInt32LE(24) } : null;
}

/** Sector 0 with the stamp. Throws `field-range`. */
export function encodeStamp(stamp: PartitionStamp): Buffer {
  const sector = Buffer.alloc(sectorSize);
  sector.write(stampText, 1, 'latin1');
  writeUint(sector, 16, 4, stampType, 'partition stamp type');
  writeUint(sector, 20, 4, stamp.sectors, 'partition stamp length');
  writeUint(sector, 24, 4, stamp.created, 'partition stamp date');
  return sector;
}

/** Sector 1 with a copy of the disk's partition records; `records` are bytes 446 to 511 of its MBR. */
export function encodeRecordsBackup(records: Buffer): Buffer {
  const sector = Buffer.alloc(sectorSize);
  records.copy(sector, recordsOffset, 0, recordsBytes);
  return sector;
}
