import { writeUint } from '../bytes/index.ts';
import { isZero } from './fields.ts';

/*
 * The boot record: four partition records of 16 bytes from byte 446 on and 55 aa at byte 510, whatever
 * the sector size (UEFI 2.10, section 5.2.1; the extended ones as in Linux block/partitions/msdos.c).
 */

export const recordsOffset = 446;
export const recordsBytes = 66;
export const signatureOffset = 440;

/** One of the four records. Start and length in logical sectors. */
export interface BootRecord {
  readonly slot: number;
  readonly status: number;
  readonly type: number;
  readonly start: number;
  readonly length: number;
}

/** True when the sector ends its first 512 bytes with 55 aa. */
export function isSigned(sector: Buffer): boolean {
  return sector[510] === 0x55 && sector[511] === 0xaa;
}

/** The four records of a boot sector. */
export function recordsAt(sector: Buffer): BootRecord[] {
  return [0, 1, 2, 3].map((slot) => {
    const at = recordsOffset + slot * 16;
    return {
      slot,
      status: sector[at]!,
      type: sector[at + 4]!,
      start: sector.readUInt32LE(at + 8),
      length: sector.readUInt32LE(at + 12),
    };
  });
}

/** A record that names sectors. */
export function isUsed(record: BootRecord): boolean {
  return record.type !== 0 && record.length > 0;
}

/*
 * Cylinder, head and sector in the translation of 255 heads and 63 sectors that firmware and sfdisk use;
 * what lies beyond cylinder 1023 carries the agreed greatest value.
 */
function writeChs(into: Buffer, at: number, sector: number): void {
  const cylinder = Math.floor(sector / (255 * 63));
  if (cylinder > 1023) {
    into.set([0xfe, 0xff, 0xff], at);
    return;
  }
  const head = Math.floor(sector / 63) % 255;
  into.set([head, (sector % 63) + 1 + ((cylinder >> 8) << 6), cylinder & 0xff], at);
}

/** Writes a record; the addresses in the record are `start`, those for the CHS fields `absolute`. */
export function writeRecord(into: Buffer, record: BootRecord & { readonly absolute: number }): void {
  const at = recordsOffset + record.slot * 16;
  into[at] = record.status;
  into[at + 4] = record.type;
  writeChs(into, at + 1, record.absolute);
  writeChs(into, at + 5, record.absolute + record.length - 1);
  writeUint(into, at + 8, 4, record.start, 'partition start');
  writeUint(into, at + 12, 4, record.length, 'partition length');
  into.set([0x55, 0xaa], 510);
}

/** Bytes 446 to 511 of a protective boot record for a disk of `sectors` sectors, in hex (UEFI 2.10, table 5.4). */
export function protectiveRecords(sectors: number): string {
  const sector = Buffer.alloc(512);
  const length = Math.min(sectors - 1, 0xffff_ffff);
  writeRecord(sector, { slot: 0, status: 0, type: 0xee, start: 1, absolute: 1, length });
  sector.set([0x00, 0x02, 0x00], recordsOffset + 1);
  sector.set([0xff, 0xff, 0xff], recordsOffset + 5);
  return sector.subarray(recordsOffset, 512).toString('hex');
}

/**
 * True when the first sector carries the parameter block of a FAT, exFAT or NTFS volume. Those end in
 * 55 aa too and keep code where a table would be.
 */
export function hasParameterBlock(sector: Buffer): boolean {
  const oem = sector.toString('latin1', 3, 11);
  if (oem === 'NTFS    ' || oem === 'EXFAT   ') return true;
  const bytesPerSector = sector.readUInt16LE(11);
  const perCluster = sector[13]!;
  const media = sector[21]!;
  return (
    [512, 1024, 2048, 4096].includes(bytesPerSector) &&
    perCluster !== 0 &&
    (perCluster & (perCluster - 1)) === 0 &&
    sector.readUInt16LE(14) > 0 &&
    sector[16]! >= 1 &&
    sector[16]! <= 2 &&
    (media === 0xf0 || media >= 0xf8)
  );
}

/** What the first sector of a disk is. */
export type BootSectorVerdict =
  | { readonly kind: 'protective' | 'table' | 'empty' }
  | { readonly kind: 'no-table'; readonly reason: string }
  | { readonly kind: 'doubtful'; readonly reason: string };

/**
 * Decides whether sector 0 is a boot record with a partition table. The rule, in order:
 *
 * 1. all zeros: `empty`; no 55 aa at byte 510: no table;
 * 2. a record whose status byte is neither 00 nor 80: no table (that is code, as Linux decides too);
 * 3. a used record of type ee: `protective`, a GPT must follow;
 * 4. no used record: no table, whatever is there is imaged as one volume;
 * 5. a record that starts at sector 0 (hybrid optical images, tables made up by `mkfs.fat --mbr`): no table;
 * 6. all records start inside the disk: a `table`, which the reader then checks in full; otherwise no
 *    table when a FAT, exFAT or NTFS parameter block is there, else `doubtful`.
 */
export function judgeBootSector(sector: Buffer, sectors: number): BootSectorVerdict {
  if (isZero(sector)) return { kind: 'empty' };
  if (!isSigned(sector)) return { kind: 'no-table', reason: 'sector 0 has no boot signature' };
  const records = recordsAt(sector);
  if (records.some((record) => record.status !== 0 && record.status !== 0x80)) {
    return { kind: 'no-table', reason: 'sector 0 holds code where a table would be' };
  }
  const used = records.filter(isUsed);
  if (used.some((record) => record.type === 0xee)) return { kind: 'protective' };
  if (used.length === 0) return { kind: 'no-table', reason: 'the boot record names no partition' };
  if (used.some((record) => record.start === 0)) {
    return { kind: 'no-table', reason: 'the boot record names a partition that contains itself' };
  }
  if (used.every((record) => record.start + record.length <= sectors)) return { kind: 'table' };
  if (hasParameterBlock(sector)) return { kind: 'no-table', reason: 'sector 0 belongs to a file system' };
  return { kind: 'doubtful', reason: 'the boot record names a partition outside the disk' };
}
