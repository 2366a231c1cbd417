import { putNotBootable } from './boot-code.ts';
import type { FatGeometry } from './boot.ts';
import { hasExtendedBlock, type FatShape } from './larger-shape.ts';

/** Where the volume lies on its disk, for code that starts from it. */
export interface FatPlace {
  /** Sectors in front of the volume; null leaves what is there. */
  readonly hidden: number | null;
  /** Heads and sectors per track as the firmware counts them; null leaves what is there. */
  readonly geometry: { readonly heads: number; readonly sectorsPerTrack: number } | null;
}

/** Byte offsets in the parameter block. Source: Microsoft's fatgen103, "Boot Sector and BPB Structure". */
const at = {
  perCluster: 13,
  reserved: 14,
  rootEntries: 17,
  sectors: 19,
  fatSectors: 22,
  sectorsPerTrack: 24,
  heads: 26,
  hidden: 28,
  sectorsWide: 32,
};

const wideAt = {
  fatSectors: 36,
  rootCluster: 44,
  fsInfo: 48,
  backup: 50,
  extension: 64,
  type: 82,
};
const narrowAt = { extension: 36, type: 54 };
/** Drive number, reserved byte, signature, serial, label. */
const extensionLength = 18;

/** Sectors of FSINFO and of the copy of the boot sector in a FAT32 made from another kind. */
const usualFsInfo = 1;
const usualBackup = 6;

/**
 * The boot sector of the larger volume: that of the old one (a whole sector of the file system) with the
 * numbers of `shape`. Where FAT12 or FAT16 becomes FAT32 its code is replaced by one that says so.
 * `rootCluster` is where the root directory of such a one begins.
 */
export function largerBootSector(
  old: Buffer,
  geometry: FatGeometry,
  larger: { readonly shape: FatShape; readonly place: FatPlace; readonly rootCluster: number },
): Buffer {
  const { shape, place } = larger;
  const widened = geometry.kind !== 32 && shape.kind === 32;
  const sector = widened ? widenedBlock(old, geometry.kind, larger.rootCluster) : Buffer.from(old);
  const extended = widened || hasExtendedBlock(old, geometry.kind);
  sector.writeUInt8(shape.perCluster, at.perCluster);
  sector.writeUInt16LE(shape.reserved, at.reserved);
  if (shape.kind === 32) sector.writeUInt32LE(shape.fatSectors, wideAt.fatSectors);
  else sector.writeUInt16LE(shape.fatSectors, at.fatSectors);
  const short = shape.kind !== 32 && shape.sectors <= 0xff_ff;
  sector.writeUInt16LE(short ? shape.sectors : 0, at.sectors);
  if (extended) sector.writeUInt32LE(short ? 0 : shape.sectors, at.sectorsWide);
  if (place.geometry !== null) {
    sector.writeUInt16LE(place.geometry.sectorsPerTrack, at.sectorsPerTrack);
    sector.writeUInt16LE(place.geometry.heads, at.heads);
  }
  if (place.hidden !== null) {
    // In front of DOS 4 the field had 16 bits, and code stands behind it.
    if (extended) sector.writeUInt32LE(place.hidden, at.hidden);
    else if (place.hidden <= 0xff_ff) sector.writeUInt16LE(place.hidden, at.hidden);
  }
  const typeAt = shape.kind === 32 ? wideAt.type : narrowAt.type;
  if (sector[typeAt - extensionLength + 2] === 0x29) sector.write(`FAT${shape.kind}   `, typeAt, 'latin1');
  return sector;
}

/** A boot sector of FAT32 with the formatter's name, media byte, serial and label of one of FAT12 or FAT16. */
function widenedBlock(old: Buffer, kind: FatGeometry['kind'], rootCluster: number): Buffer {
  const sector = Buffer.alloc(old.length);
  old.copy(sector, 3, 3, wideAt.fatSectors);
  sector.set([0xeb, 0x58, 0x90]);
  sector.writeUInt16LE(0, at.rootEntries);
  sector.writeUInt16LE(0, at.fatSectors);
  sector.writeUInt32LE(rootCluster, wideAt.rootCluster);
  sector.writeUInt16LE(usualFsInfo, wideAt.fsInfo);
  sector.writeUInt16LE(usualBackup, wideAt.backup);
  if (hasExtendedBlock(old, kind)) {
    old.copy(sector, wideAt.extension, narrowAt.extension, narrowAt.extension + extensionLength);
    if (old[narrowAt.extension + 2] === 0x28) sector.write('NO NAME    ', wideAt.extension + 7, 'latin1');
  } else {
    // A hard disk, and no hidden sectors but those written by whoever knows the place.
    sector.writeUInt8(0x80, wideAt.extension);
    sector.writeUInt32LE(0, at.hidden);
    sector.write('NO NAME    ', wideAt.extension + 7, 'latin1');
  }
  sector.writeUInt8(0x29, wideAt.extension + 2);
  putNotBootable(sector);
  sector.set([0x55, 0xaa], 510);
  return sector;
}

/** Sector number of the copy of the boot sector of a FAT32, or null. */
export function backupSector(sector: Buffer, reserved: number): number | null {
  const number = sector.readUInt16LE(wideAt.backup);
  return number > 0 && number < reserved ? number : null;
}

const infoMarks = { lead: 0x41_61_52_52, structure: 0x61_41_72_72, trail: 0xaa_55_00_00 };

/** Whether a sector is an FSINFO. Source: fatgen103, "FAT32 FSInfo Sector Structure and Backup Boot Sector". */
export function isFsInfo(sector: Buffer): boolean {
  return sector.readUInt32LE(0) === infoMarks.lead && sector.readUInt32LE(484) === infoMarks.structure;
}

/** An FSINFO sector with this many free clusters: `old` with new counts, or a new one. */
export function largerFsInfo(old: Buffer | null, sectorSize: number, free: number): Buffer {
  const sector = old === null ? Buffer.alloc(sectorSize) : Buffer.from(old);
  sector.writeUInt32LE(infoMarks.lead, 0);
  sector.writeUInt32LE(infoMarks.structure, 484);
  sector.writeUInt32LE(free, 488);
  // Where to look for free clusters first: from the beginning.
  sector.writeUInt32LE(2, 492);
  sector.writeUInt32LE(infoMarks.trail, 508);
  return sector;
}
