import type { FilesystemFacts } from '../../layout/layout.ts';
import { labelText } from '../text.ts';

/*
 * The boot sector of FAT12, FAT16 and FAT32. Source: Microsoft's "FAT: General Overview of On-Disk
 * Format" (fatgen103) and ECMA-107; where they and Linux differ, `kindOf` says so.
 */

export type FatKind = 12 | 16 | 32;

/** The geometry, in bytes from the start of the volume unless named clusters. */
export interface FatGeometry {
  readonly kind: FatKind;
  readonly facts: FilesystemFacts;
  readonly sectorSize: number;
  readonly clusterSize: number;
  /** Data clusters; they are numbered 2 to `clusters + 1`. */
  readonly clusters: number;
  readonly fatOffset: number;
  readonly fatLength: number;
  readonly fatCount: number;
  /** Which copy of the table is in use; 0 unless mirroring is switched off (FAT32). */
  readonly activeFat: number;
  readonly mirrored: boolean;
  /** FAT12 and FAT16: the root directory's fixed place; empty for FAT32. */
  readonly rootOffset: number;
  readonly rootLength: number;
  /** FAT32: where the root directory's chain begins; 0 otherwise. */
  readonly rootCluster: number;
  readonly dataOffset: number;
  /** The byte after the last cluster. */
  readonly dataEnd: number;
  /** FAT32: byte offset of the FSINFO sector, or null. */
  readonly fsInfo: number | null;
  readonly media: number;
  /** The bit in the boot sector that says the volume was in use. */
  readonly dirty: boolean;
}

const powerOfTwo = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;

/**
 * The geometry in the first 512 bytes of a volume, or null where they are no FAT boot sector. Many
 * things end in 55 AA, so every field has to make sense.
 */
export function parseBootSector(bytes: Buffer): FatGeometry | null {
  if (bytes.length < 512 || bytes.readUInt16LE(510) !== 0xaa_55) return null;
  if (bytes[0] !== 0xeb && bytes[0] !== 0xe9) return null;
  const sectorSize = bytes.readUInt16LE(11);
  const perCluster = bytes.readUInt8(13);
  const reserved = bytes.readUInt16LE(14);
  const fatCount = bytes.readUInt8(16);
  const rootEntries = bytes.readUInt16LE(17);
  const sectors = bytes.readUInt16LE(19) || bytes.readUInt32LE(32);
  const media = bytes.readUInt8(21);
  const shortFat = bytes.readUInt16LE(22);
  const wide = shortFat === 0;
  const fatSectors = shortFat || bytes.readUInt32LE(36);
  const sound =
    [512, 1024, 2048, 4096].includes(sectorSize) &&
    powerOfTwo(perCluster) &&
    reserved > 0 &&
    fatCount >= 1 &&
    fatCount <= 4 &&
    (media === 0xf0 || media >= 0xf8) &&
    fatSectors > 0 &&
    (wide ? rootEntries === 0 : rootEntries > 0);
  if (!sound) return null;
  const rootSectors = Math.ceil((rootEntries * 32) / sectorSize);
  const dataSector = reserved + fatCount * fatSectors + rootSectors;
  const clusters = Math.floor((sectors - dataSector) / perCluster);
  if (clusters < 1) return null;
  const kind = kindOf(wide, clusters);
  if (kind === null || fatSectors * sectorSize * 8 < (clusters + 2) * kind) return null;
  const flags = wide ? bytes.readUInt16LE(40) : 0;
  const mirrored = (flags & 0x80) === 0;
  const extended = wide ? 66 : 38;
  const signed = bytes[extended] === 0x28 || bytes[extended] === 0x29;
  const clusterSize = perCluster * sectorSize;
  const dataOffset = dataSector * sectorSize;
  const infoSector = wide ? bytes.readUInt16LE(48) : 0;
  return {
    kind,
    facts: {
      type: `fat${kind}`,
      uuid: signed ? serialText(bytes.readUInt32LE(extended + 1)) : null,
      label: bytes[extended] === 0x29 ? bootLabel(bytes.subarray(extended + 5, extended + 16)) : null,
      size: sectors * sectorSize,
      blockSize: clusterSize,
    },
    sectorSize,
    clusterSize,
    clusters,
    fatOffset: reserved * sectorSize,
    fatLength: fatSectors * sectorSize,
    fatCount,
    activeFat: mirrored ? 0 : flags & 0x0f,
    mirrored,
    rootOffset: (dataSector - rootSectors) * sectorSize,
    rootLength: rootSectors * sectorSize,
    rootCluster: wide ? bytes.readUInt32LE(44) : 0,
    dataOffset,
    dataEnd: dataOffset + clusters * clusterSize,
    fsInfo: infoSector > 0 && infoSector < reserved ? infoSector * sectorSize : null,
    media,
    dirty: (bytes.readUInt8(wide ? 65 : 37) & 1) !== 0,
  };
}

/**
 * The specification goes by the number of clusters alone; Linux and mkfs.fat take every volume
 * without a 16-bit table length for FAT32, however small. Both read a volume with one the same way.
 */
function kindOf(wide: boolean, clusters: number): FatKind | null {
  if (wide) return clusters <= 0x0f_ff_ff_f5 ? 32 : null;
  if (clusters < 4085) return 12;
  return clusters < 65_525 ? 16 : null;
}

function serialText(serial: number): string {
  const hex = serial.toString(16).toUpperCase().padStart(8, '0');
  return `${hex.slice(0, 4)}-${hex.slice(4)}`;
}

/** The label of the boot sector; what mkfs writes for "none" is none. */
function bootLabel(bytes: Buffer): string | null {
  const label = labelText(bytes, 'latin1');
  return label === 'NO NAME' ? null : label;
}
