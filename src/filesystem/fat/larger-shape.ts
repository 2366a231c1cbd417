import { bootCodeOf, type BootCode } from './boot-code.ts';
import type { FatGeometry, FatKind } from './boot.ts';

/*
 * Which FAT a larger volume gets. Limits: Microsoft's fatgen103 ("FAT Type Determination"), which asks to
 * stay 16 clusters away from where one kind ends and the next begins; MS-DOS (MSINIT.ASM and MSLOAD.ASM of
 * version 4.0) draws the line between FAT12 and FAT16 at 4086 clusters, which that covers.
 */

const margin = 16;
const mostClusters = {
  12: 4084 - margin,
  16: 65_524 - margin,
  32: 0x0f_ff_ff_f5 - margin,
} as const;
const leastClusters = { 12: 1, 16: 4085 + margin, 32: 65_525 + margin } as const;

/** DOS multiplies cluster and sector sizes in 16 bits. */
const largestCluster = 32 * 1024;
/** Sectors in front of the tables of FAT32: boot sector, FSINFO and their copies, as formatters have it. */
const wideReserved = 32;
/** A table that is read whole: 16 million clusters of FAT32. */
export const largestTable = 64 * 1024 * 1024;

/** The numbers of a FAT file system's parameter block. Lengths in sectors of the file system. */
export interface FatShape {
  readonly kind: FatKind;
  readonly perCluster: number;
  readonly reserved: number;
  readonly fatSectors: number;
  readonly rootSectors: number;
  readonly clusters: number;
  /** All of it; the volume may be larger. */
  readonly sectors: number;
}

/** What a person wants of a larger FAT. */
export interface FatWish {
  /** Bytes of the volume from now on. */
  readonly size: number;
  /** FAT32 rather than larger clusters, and a change of kind even where the boot code is of the old one. */
  readonly fat32: boolean;
}

/** What becomes of a FAT in a larger volume: a new shape, or none and why, in a clause. */
export type FatChoice =
  | {
      readonly shape: FatShape;
      /** Bytes the file system takes. */
      readonly size: number;
      /** It could be larger but for the limit of its kind. */
      readonly limited: boolean;
      readonly bootCode: BootCode;
    }
  | { readonly shape: null; readonly reason: string; readonly bootCode: BootCode };

interface ShapeRequest {
  readonly kind: FatKind;
  readonly perCluster: number;
  readonly sectors: number;
}

/**
 * The shape of a file system of this kind and cluster size; null where it would have too few or too many
 * clusters for its kind. Its data never begins further ahead than that of `geometry` does, and its
 * tables are not shorter.
 */
function shapeOf(geometry: FatGeometry, { kind, perCluster, sectors }: ShapeRequest): FatShape | null {
  const { sectorSize, fatCount, fatOffset, fatLength, dataOffset } = geometry;
  const same = kind === geometry.kind || kind !== 32;
  const reserved = same ? fatOffset / sectorSize : wideReserved;
  const rootSectors = same ? geometry.rootLength / sectorSize : 0;
  const least = same
    ? fatLength / sectorSize
    : Math.max(1, Math.ceil((dataOffset / sectorSize - reserved) / fatCount));
  const clustersWith = (fatSectors: number): number =>
    Math.floor((sectors - reserved - fatCount * fatSectors - rootSectors) / perCluster);
  const neededFor = (clusters: number): number => Math.ceil(((clusters + 2) * kind) / 8 / sectorSize);
  let fatSectors = Math.max(least, neededFor(clustersWith(least)));
  while (fatSectors > least && neededFor(clustersWith(fatSectors - 1)) < fatSectors) fatSectors--;
  const clusters = clustersWith(fatSectors);
  const unchanged = kind === geometry.kind && perCluster * sectorSize === geometry.clusterSize;
  const fewest = unchanged ? geometry.clusters : leastClusters[kind];
  if (clusters < fewest || clusters > mostClusters[kind]) return null;
  return { kind, perCluster, reserved, fatSectors, rootSectors, clusters, sectors };
}

/** As much of `sectors` as the kind can hold with this cluster size. */
function limitedShape(geometry: FatGeometry, request: ShapeRequest): FatShape | null {
  const { kind, perCluster } = request;
  const whole = shapeOf(geometry, request);
  if (whole !== null) return whole;
  const { sectorSize, fatCount, fatLength, fatOffset, rootLength } = geometry;
  const clusters = mostClusters[kind];
  const fatSectors = Math.max(fatLength / sectorSize, Math.ceil(((clusters + 2) * kind) / 8 / sectorSize));
  const reserved = fatOffset / sectorSize;
  const rootSectors = rootLength / sectorSize;
  const sectors = reserved + fatCount * fatSectors + rootSectors + clusters * perCluster;
  if (sectors > request.sectors) return null;
  return { kind, perCluster, reserved, fatSectors, rootSectors, clusters, sectors };
}

/** Sectors per cluster to try: that of the file system, then its doubles up to 32 KiB. */
function clusterSizes({ clusterSize, sectorSize }: FatGeometry): number[] {
  const sizes = [clusterSize / sectorSize];
  for (let size = clusterSize * 2; size <= largestCluster; size *= 2) sizes.push(size / sectorSize);
  return sizes;
}

function firstShape(
  geometry: FatGeometry,
  kind: FatKind,
  perCluster: readonly number[],
  sectors: number,
): FatShape | null {
  for (const size of perCluster) {
    const shape = shapeOf(geometry, { kind, perCluster: size, sectors });
    if (shape !== null) return shape;
  }
  return null;
}

/** The kind of `geometry` with the clusters that reach furthest, the smallest of those. */
function largestShape(
  geometry: FatGeometry,
  perCluster: readonly number[],
  sectors: number,
): FatShape | null {
  let best: FatShape | null = null;
  for (const size of perCluster) {
    const shape = limitedShape(geometry, { kind: geometry.kind, perCluster: size, sectors });
    if (shape !== null && shape.sectors > (best?.sectors ?? 0)) best = shape;
  }
  return best;
}

/**
 * True where the parameter block has the fields of DOS 4 and later: total sectors in 32 bits, serial, label.
 * Their signature counts only when the jump at the start leads past them: else it is a byte of code.
 */
export function hasExtendedBlock(sector: Buffer, kind: FatKind): boolean {
  if (kind === 32) return true;
  const code = sector[0] === 0xeb ? 2 + sector.readInt8(1) : 3 + sector.readInt16LE(1);
  return (sector[38] === 0x28 || sector[38] === 0x29) && code >= 62;
}

/**
 * Chooses what a FAT becomes on a larger volume, from its boot sector alone. The kind stays as long as
 * larger clusters, up to 32 KiB, can fill the volume. Beyond that it changes where there is no boot code to
 * lose or the wish says so; else the file system grows as far as its kind reaches.
 */
export function chooseShape(sector: Buffer, geometry: FatGeometry, wish: FatWish): FatChoice {
  const { kind, sectorSize, clusters, clusterSize } = geometry;
  const bootCode = bootCodeOf(sector, kind);
  if (bootCode === 'knows-sectors') {
    return {
      shape: null,
      reason: 'its boot loader knows the sectors its files lie in, and they would move',
      bootCode,
    };
  }
  if (Math.ceil(((clusters + 2) * kind) / 8) > largestTable) {
    return { shape: null, reason: `its allocation table has more than ${largestTable} bytes`, bootCode };
  }
  const wanted = Math.min(Math.floor(wish.size / sectorSize), 0xff_ff_ff_ff);
  const sectors = hasExtendedBlock(sector, kind) ? wanted : Math.min(wanted, 0xff_ff);
  const sizes = clusterSizes(geometry);
  const kept = kind === 32 ? sizes.slice(0, 1) : sizes;
  const wide = (): FatShape | null =>
    kind === 32 ? null : firstShape(geometry, 32, sizes.slice(0, 1), wanted);
  const changed = (): FatShape | null =>
    (kind === 12 ? firstShape(geometry, 16, sizes, sectors) : null) ?? wide();
  const mayChange = bootCode === 'none' || wish.fat32;
  const shape =
    (wish.fat32 ? wide() : null) ??
    (sectors === wanted ? firstShape(geometry, kind, kept, sectors) : null) ??
    (mayChange ? changed() : null) ??
    largestShape(geometry, kept, sectors);
  if (shape === null || shape.clusters * shape.perCluster * sectorSize <= clusters * clusterSize) {
    return { shape: null, reason: `a file system of its kind, FAT${kind}, cannot be larger`, bootCode };
  }
  return {
    shape,
    size: shape.sectors * sectorSize,
    limited: shape.sectors < wanted,
    bootCode,
  };
}

/** The shape with the same kind and clusters of the same size, as large as they allow; null where that is no gain. */
export function sameClusters(sector: Buffer, geometry: FatGeometry, size: number): FatShape | null {
  const { kind, sectorSize, clusterSize, clusters } = geometry;
  const most = hasExtendedBlock(sector, kind) ? 0xff_ff_ff_ff : 0xff_ff;
  const shape = limitedShape(geometry, {
    kind,
    perCluster: clusterSize / sectorSize,
    sectors: Math.min(Math.floor(size / sectorSize), most),
  });
  return shape !== null && shape.clusters > clusters ? shape : null;
}
