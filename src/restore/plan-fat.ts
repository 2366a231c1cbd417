import { formatBytes } from '../bytes/index.ts';
import { planFat, type FatPlan } from '../filesystem/index.ts';
import type { Table, Volume } from '../layout/index.ts';
import type { FatGrowth, Plan } from './plan-document.ts';

type PlanNotice = Plan['notices'][number];

export interface FatRequest {
  readonly volume: Volume;
  /** The first bytes of the volume; absent where the set could not be asked. */
  readonly start: Buffer | undefined;
  /** Of the target. Bytes. */
  readonly sectorSize: number;
  readonly fat32: boolean;
}

/** What becomes of a FAT volume, and how many sectors of the target its partition then has. */
export interface FatFit {
  readonly fat: FatPlan & { readonly after: NonNullable<FatPlan['after']> };
  readonly count: number;
}

/** Partitions of MBR disks begin and end on this grid. Bytes. */
const grid = 1024 * 1024;

/** Why a FAT volume must not grow although that was asked for, or null when it may. */
export function fatObstacle({ start, sectorSize, fat32 }: FatRequest): string | null {
  const fat = start === undefined ? null : planFat(start, { size: 0, fat32 });
  if (fat === null) return 'its boot sector cannot be read from the set';
  if (fat.sectorSize % sectorSize !== 0) return 'its sectors are smaller than those of the target';
  return fat.bootCode === 'knows-sectors' ? fat.reason : null;
}

/**
 * What becomes of a FAT volume in a partition of at most `most` sectors, which is made no larger than the
 * file system can use. A clause with the reason where it stays as it is.
 */
export function fitFat(request: FatRequest, most: number): FatFit | string {
  const { volume, start, sectorSize, fat32 } = request;
  const fat = start === undefined ? null : planFat(start, { size: most * sectorSize, fat32 });
  if (fat === null) return 'its boot sector cannot be read from the set';
  const { after } = fat;
  if (after === null) return fat.reason;
  const old = volume.segments[0]!.length;
  const added = Math.max(0, after.size - old * sectorSize);
  const count = Math.min(most, old + (Math.ceil(added / grid) * grid) / sectorSize);
  return { fat: { ...fat, after }, count };
}

/** What a person should know of it. */
export function fatNotices({ name }: Volume, { before, after, bootCode }: FatFit['fat']): PlanNotice[] {
  const notices: PlanNotice[] = [];
  const say = (level: PlanNotice['level'], code: string, message: string): void => {
    notices.push({ level, code, message });
  };
  if (after.kind !== before.kind) {
    const lost =
      bootCode === 'none'
        ? ''
        : after.kind === 32
          ? ` Its boot code was written for FAT${before.kind} and is replaced by one that starts nothing: install the system's own again.`
          : ` Its boot code stays, and starts nothing if it knows FAT${before.kind} only.`;
    const message = `${name} becomes FAT${after.kind} instead of FAT${before.kind}.${lost}`;
    say(lost === '' ? 'info' : 'warning', 'fat-kind', message);
  }
  if (after.clusterSize !== before.clusterSize) {
    const message = `${name} gets clusters of ${formatBytes(after.clusterSize)} instead of ${formatBytes(before.clusterSize)}; where its files need too much room in these, it keeps the old ones and grows as far as they reach.`;
    say('info', 'fat-clusters', message);
  }
  if (after.limited) {
    const way =
      after.kind !== 32 && bootCode !== 'none'
        ? ' With --fat32 it may become FAT32, but its boot code then starts nothing.'
        : '';
    const message = `${name} grows to ${formatBytes(after.size)} only, all that FAT${after.kind} can be here; the rest of the disk stays free.${way}`;
    say('warning', 'fat-limit', message);
  }
  return notices;
}

/** The growth as the step has it. `table` is that of the target. */
export function fatGrowth(
  { after, sectorSize: own }: FatFit['fat'],
  place: {
    readonly table: Table;
    readonly start: number;
    readonly sectorSize: number;
    readonly fat32: boolean;
  },
): FatGrowth {
  const { table, start, sectorSize, fat32 } = place;
  const hidden = (start * sectorSize) / own;
  const logical =
    table.kind === 'mbr' &&
    table.partitions.some((partition) => partition.start === start && partition.ebr !== undefined);
  // DOS counts the sectors in front of a logical drive from its boot record, others from the start of the disk.
  const known = table.kind !== 'none' && !logical && Number.isInteger(hidden) && hidden <= 0xff_ff_ff_ff;
  return {
    type: `fat${after.kind}`,
    blockSize: after.clusterSize,
    size: after.size,
    fat32,
    hidden: known ? hidden : null,
    // The translation the partition records are written in, which firmware goes by.
    geometry: known && table.kind === 'mbr' ? { heads: 255, sectorsPerTrack: 63 } : null,
  };
}

/** Types of MBR partitions with a FAT; those of hidden ones are larger by 16. */
const mbrTypes = { fat12: 0x01, small: 0x04, large: 0x06, largeLba: 0x0e, fat32: 0x0b, fat32Lba: 0x0c };
const isFatType = (type: number): boolean => Object.values(mbrTypes).includes(type);

/** Heads times sectors times cylinders that the fields of a partition record can count. */
const chsLimit = 255 * 63 * 1024;

/**
 * The MBR type of a partition whose FAT has become larger: DOS sees FAT16 of 65536 sectors and more
 * in type 6 only, and FAT32 in 0b and 0c. A type that is none of FAT stays.
 */
export function grownMbrType(
  old: number,
  fat: { readonly kind: number; readonly start: number; readonly count: number },
): number {
  const hidden = isFatType(old - 16) ? 16 : 0;
  const plain = old - hidden;
  if (!isFatType(plain)) return old;
  const lba = plain === mbrTypes.largeLba || plain === mbrTypes.fat32Lba;
  if (fat.kind === 32) {
    const beyond = fat.start + fat.count > chsLimit;
    return hidden + (lba || beyond ? mbrTypes.fat32Lba : mbrTypes.fat32);
  }
  if (lba) return hidden + mbrTypes.largeLba;
  if (fat.count > 0xff_ff) return hidden + mbrTypes.large;
  return hidden + (fat.kind === 12 ? mbrTypes.fat12 : mbrTypes.small);
}
