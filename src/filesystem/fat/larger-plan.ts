import type { BootCode } from './boot-code.ts';
import { parseBootSector, type FatKind } from './boot.ts';
import { chooseShape } from './larger-shape.ts';
import { isClean } from './used.ts';

/** What becomes of a FAT when its volume grows, as far as its first bytes tell. */
export interface FatPlan {
  /** Bytes of a sector of the file system. */
  readonly sectorSize: number;
  readonly before: { readonly kind: FatKind; readonly clusterSize: number };
  /** Null where it stays as it is. */
  readonly after: {
    readonly kind: FatKind;
    readonly clusterSize: number;
    /** Bytes the file system takes. */
    readonly size: number;
    /** It could be larger but for the limit of its kind. */
    readonly limited: boolean;
  } | null;
  /** Why it stays as it is, in a clause; empty where it does not. */
  readonly reason: string;
  readonly bootCode: BootCode;
}

/**
 * What becomes of the FAT that begins with `start` (as many bytes of the volume as are at hand, at least 512)
 * in a volume of `size` bytes; null where it is no FAT.
 */
export function planFat(
  start: Buffer,
  wish: { readonly size: number; readonly fat32: boolean },
): FatPlan | null {
  const geometry = parseBootSector(start);
  if (geometry === null) return null;
  const { sectorSize, kind, clusterSize } = geometry;
  const choice = chooseShape(start, geometry, wish);
  const known = { sectorSize, before: { kind, clusterSize }, bootCode: choice.bootCode };
  const table = start.subarray(geometry.fatOffset, geometry.fatOffset + 16);
  if (geometry.dirty || (table.length === 16 && !isClean(geometry, table))) {
    return { ...known, after: null, reason: 'it was not cleanly unmounted when it was imaged' };
  }
  if (choice.shape === null) return { ...known, after: null, reason: choice.reason };
  const { shape, size, limited } = choice;
  const after = { kind: shape.kind, clusterSize: shape.perCluster * sectorSize, size, limited };
  return { ...known, after, reason: '' };
}
