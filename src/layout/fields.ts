import type { BlockDevice } from '../disk/block-device.ts';
import { isCoded } from '../errors/index.ts';

/** What a partition table has to know of the disk it describes. */
export interface Geometry {
  /** Bytes of one logical sector. */
  readonly sectorSize: number;
  /** Bytes of the disk. */
  readonly size: number;
}

/** Whole sectors of a disk. */
export function sectorsOf({ sectorSize, size }: Geometry): number {
  return Math.floor(size / sectorSize);
}

/** True when every byte is zero. */
export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** An unsigned 64-bit little-endian field, or null where it is beyond the safe integers. */
export function readU64(from: Buffer, at: number): number | null {
  const value = from.readBigUInt64LE(at);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(value);
}

/* The first three groups of a GUID are stored little-endian, the last two as written (UEFI 2.10, appendix A). */
const guidOrder = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/** The canonical text of the 16-byte GUID at `at`. */
export function readGuid(from: Buffer, at: number): string {
  const hex = guidOrder.map((index) => from[at + index]!.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Writes the GUID of canonical text `guid` at `at`. */
export function writeGuid(into: Buffer, at: number, guid: string): void {
  const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex');
  guidOrder.forEach((index, position) => {
    into[at + index] = bytes[position]!;
  });
}

/** `count` sectors from sector `start` on, or null where the disk cannot read them. */
export async function readSectors(device: BlockDevice, start: number, count: number): Promise<Buffer | null> {
  const bytes = Buffer.alloc(count * device.sectorSize);
  try {
    await device.read(bytes, start * device.sectorSize);
  } catch (error) {
    if (isCoded(error, 'disk-read-failed')) return null;
    throw error;
  }
  return bytes;
}
