import { RemetalError } from '../errors/index.ts';
import {
  backupSectors,
  contradiction,
  dataPartitions,
  fitTable,
  isExact,
  sectorsOf,
  structureClaims,
  withoutExact,
  type DiskLayout,
  type Geometry,
  type Table,
  type Volume,
} from '../layout/index.ts';
import type { FatGrowth, Plan } from './plan-document.ts';
import { retyped, stretch } from './plan-stretch.ts';
import { fatGrowth, fatNotices, fatObstacle, fitFat, type FatRequest } from './plan-fat.ts';

export type PlanNotice = Plan['notices'][number];

/** How volumes and table of one source disk lie on its target. Sectors of the target. */
export interface Arrangement {
  readonly table: Table;
  /** Where the volumes' segments on this disk begin now, by where they began. */
  readonly moved: (start: number) => number;
  readonly grown: {
    readonly volume: Volume;
    readonly start: number;
    readonly count: number;
    /** Null for what is no FAT. */
    readonly fat: FatGrowth | null;
  } | null;
  /** Whether what lay between the partitions of the source (its `gap` volumes) has its place here. */
  readonly gaps: boolean;
  readonly notices: PlanNotice[];
}

export interface ArrangementInput {
  readonly disk: DiskLayout;
  readonly target: Geometry & { readonly path: string };
  /** All volumes with a segment on this disk. */
  readonly volumes: readonly Volume[];
  /** The volumes whose contents come back. */
  readonly selected: ReadonlySet<string>;
  /** `last`, `none`, or the id of a volume. */
  readonly grow: string;
  /** A FAT that grows may become FAT32 in any case. */
  readonly fat32: boolean;
  /** The first bytes of FAT volumes, by id. */
  readonly starts: ReadonlyMap<string, Buffer>;
  /** For a disk without a table: bytes from its start that must fit. */
  readonly wholeBytes: number;
}

/** File systems that can be made to fill a larger volume, and by what. */
export const growers: Readonly<Record<string, 'resize2fs' | 'xfs_growfs' | 'header' | 'fat'>> = {
  ext2: 'resize2fs',
  ext3: 'resize2fs',
  ext4: 'resize2fs',
  fat12: 'fat',
  fat16: 'fat',
  fat32: 'fat',
  swap: 'header',
  xfs: 'xfs_growfs',
};

/** Partitions are placed on this grid, as sfdisk and parted do. Bytes. */
const grid = 1024 * 1024;
/** The boot code in sector 0 holds the sector number of what lies in it, so it must stay where it is. */
const biosBootType = '21686148-6449-6e6f-744e-656564454649';
/** MBR fields have 32 bits: nothing ends beyond this sector. */
export const mbrLimit = 0xffff_ffff;

/** Sectors a disk must have to take a source disk as it lies. */
export function neededSectors(
  input: Pick<ArrangementInput, 'disk' | 'volumes' | 'wholeBytes'>,
  sectorSize: number,
): number {
  const { table } = input.disk;
  if (table.kind === 'none') return Math.ceil(input.wholeBytes / sectorSize);
  const ends = [
    ...table.partitions.map((partition) => partition.start + partition.length),
    ...structureClaims(table, { sectorSize, size: input.disk.identity.size })
      .filter((claim) => claim.what !== 'GPT backup')
      .map((claim) => claim.start + claim.length),
    ...input.volumes
      .flatMap((volume) => volume.segments.filter((segment) => segment.disk === input.disk.id))
      .map((segment) => segment.start + segment.length),
  ];
  const end = Math.max(...ends);
  return table.kind === 'gpt' ? Math.max(end, table.firstUsable) + backupSectors(table, sectorSize) : end;
}

/**
 * Lays the partitions of a source disk out on its target: all where they were, except that the
 * growing one takes the extra room and those behind it move up by a multiple of 1 MiB.
 *
 * @throws `target-too-small` with the sectors that are missing, `grow-impossible`, `layout-damaged`
 *   when the set's table contradicts itself.
 */
export function arrange(request: ArrangementInput): Arrangement {
  const { disk, target } = request;
  const input = { ...request, volumes: request.volumes.filter((volume) => volume.kind !== 'gap') };
  const wrong = contradiction(disk.table, disk.identity, { backup: false });
  if (wrong !== null) {
    throw new RemetalError(
      'layout-damaged',
      `The partition table of ${disk.id} in the set is damaged: ${wrong}`,
    );
  }
  const sectors = sectorsOf(target);
  const needed = neededSectors(input, target.sectorSize);
  if (needed > sectors) throw tooSmall(input, needed, sectors);
  const usable = usableEnd(disk.table, target);
  const notices: PlanNotice[] = [];
  if (disk.table.kind === 'mbr' && usable < sectors) {
    notices.push({
      level: 'warning',
      code: 'mbr-limit',
      message: `Target of ${disk.id}: an MBR partition table reaches no further than sector ${mbrLimit}; ${sectors - usable} sectors stay unused.`,
    });
  }
  const growing = growingVolume(input, sectors > sectorsOf(disk.identity), notices);
  const growth = growing === null ? null : growthOf(input, growing, usable);
  if (growth === null || 'stays' in growth) {
    if (growth !== null && input.grow !== 'last') notices.push(growth.stays);
    const table = fitTable(disk.table, target);
    const gaps = isExact(table, target);
    if (!gaps) notices.push(...gapsLost(request));
    return { table, moved: (start) => start, grown: null, gaps, notices };
  }
  return growBy({ input, growth, notices: [...notices, ...gapsLost(request)] });
}

/** How a volume grows: by how many sectors, and into what where it is a FAT. */
interface Growing {
  readonly volume: Volume;
  readonly extra: number;
  readonly fat: Exclude<ReturnType<typeof fitFat>, string>['fat'] | null;
}

/** What of the room up to `usable` a volume takes; a notice where it is none. */
function growthOf(
  input: ArrangementInput,
  volume: Volume,
  usable: number,
): Growing | { readonly stays: PlanNotice } {
  const { disk, target } = input;
  const step = grid / target.sectorSize;
  const extra = Math.max(0, Math.floor((usable - occupiedEnd(disk, input.volumes)) / step) * step);
  if (extra === 0) {
    const message = `${volume.name} keeps its size: the target of ${disk.id} has less than 1 MiB to spare.`;
    return { stays: { level: 'info', code: 'no-room-to-grow', message } };
  }
  if (!isFat(volume)) return { volume, extra, fat: null };
  const old = volume.segments[0]!.length;
  const fit = fitFat(fatRequest(input, volume), old + extra);
  const reason = typeof fit === 'string' ? fit : 'its partition has room for all it can be already';
  if (typeof fit === 'string' || fit.count <= old) {
    const message = `${volume.name} keeps its size: ${reason}.`;
    return { stays: { level: 'warning', code: 'left-as-is', message } };
  }
  return { volume, extra: fit.count - old, fat: fit.fat };
}

function isFat(volume: Volume): boolean {
  return growers[volume.filesystem?.type ?? ''] === 'fat';
}

function fatRequest({ starts, target, fat32 }: ArrangementInput, volume: Volume): FatRequest {
  return { volume, start: starts.get(volume.id), sectorSize: target.sectorSize, fat32 };
}

/* Whose start and length would mean something else on another disk, or between other partitions. */
function gapsLost({ disk, volumes, selected }: ArrangementInput): PlanNotice[] {
  const gaps = volumes.filter((volume) => volume.kind === 'gap' && selected.has(volume.id));
  if (gaps.length === 0) return [];
  return [
    {
      level: 'info',
      code: 'gaps-left-out',
      message: `What ${disk.id} held in no partition stays out: that comes back only on a disk of the same size with nothing grown.`,
    },
  ];
}

function usableEnd(table: Table, target: Geometry): number {
  const sectors = sectorsOf(target);
  if (table.kind === 'gpt') return sectors - backupSectors(table, target.sectorSize);
  return table.kind === 'mbr' ? Math.min(sectors, mbrLimit) : sectors;
}

function occupiedEnd(disk: DiskLayout, volumes: readonly Volume[]): number {
  if (disk.table.kind !== 'none') {
    return Math.max(...disk.table.partitions.map((partition) => partition.start + partition.length));
  }
  return Math.max(...volumes.flatMap((volume) => volume.segments.map((part) => part.start + part.length)));
}

/** `target-too-small` for a disk that needs `needed` sectors and has `sectors`. */
export function tooSmall(input: ArrangementInput, needed: number, sectors: number): RemetalError {
  const missing = needed - sectors;
  const missingBytes = missing * input.target.sectorSize;
  return new RemetalError(
    'target-too-small',
    `${input.target.path} is too small for ${input.disk.id}: ${missing} sectors (${missingBytes} bytes) are missing`,
    {
      hint: `Use a disk of at least ${needed} sectors of ${input.target.sectorSize} bytes.`,
      facts: {
        disk: input.disk.id,
        path: input.target.path,
        neededSectors: needed,
        sectors,
        missingSectors: missing,
        missingBytes,
        sectorSize: input.target.sectorSize,
      },
    },
  );
}

function startOf(volume: Volume): number {
  return volume.segments[0]!.start;
}

/* Why a volume cannot take extra room, or null when it can. */
function obstacle(input: ArrangementInput, volume: Volume): string | null {
  const { disk } = input;
  if (growers[volume.filesystem?.type ?? ''] === undefined) {
    return `its file system (${volume.filesystem?.type ?? 'unknown'}) cannot be grown`;
  }
  if (volume.segments.length !== 1) return 'it lies in several segments';
  if (!input.selected.has(volume.id)) return 'its contents are not restored';
  const inFat = isFat(volume) ? fatObstacle(fatRequest(input, volume)) : null;
  if (inFat !== null) return inFat;
  if (disk.table.kind !== 'gpt') return null;
  if (isHybrid(disk.table.protectiveMbr)) return 'the partition table is a hybrid one and stays as it is';
  const boot = disk.table.partitions.find(
    (partition) => partition.type === biosBootType && partition.start > startOf(volume),
  );
  return boot === undefined ? null : `the BIOS boot partition ${boot.number} behind it cannot be moved`;
}

function isHybrid(protectiveMbr: string): boolean {
  const records = Buffer.from(protectiveMbr, 'hex');
  return [0, 1, 2, 3].some((slot) => {
    const type = records[slot * 16 + 4] ?? 0;
    return type !== 0 && type !== 0xee;
  });
}

/*
 * With `last`: the last ext or XFS volume, provided that behind it lies nothing but swap and FAT, which
 * do not mind being moved. A small /boot in front of an LVM partition must not take what the disk has
 * more; then nothing grows and the plan says so.
 */
function growingVolume(input: ArrangementInput, larger: boolean, notices: PlanNotice[]): Volume | null {
  const { grow, volumes } = input;
  if (grow === 'none') return null;
  if (grow !== 'last') {
    const named = volumes.find((volume) => volume.id === grow);
    if (named === undefined) return null;
    const reason = obstacle(input, named);
    if (reason === null) return named;
    throw new RemetalError('grow-impossible', `${named.name} cannot grow: ${reason}`, {
      hint: 'Let another volume grow, or none.',
      facts: { volume: named.id, reason },
    });
  }
  if (!larger) return null;
  const behind = volumes
    .filter((volume) => volume.kind !== 'boot')
    .toSorted((a, b) => startOf(b) - startOf(a))
    .find((volume) => !isMovable(volume));
  if (behind === undefined) return null;
  const reason = obstacle(input, behind);
  if (reason === null) return behind;
  notices.push({
    level: 'info',
    code: 'nothing-grows',
    message: `The target of ${input.disk.id} is larger than that disk was; ${behind.name} stays as it is because ${reason}, and the rest of the disk stays free.`,
  });
  return null;
}

function isMovable(volume: Volume): boolean {
  const type = volume.filesystem?.type ?? '';
  return type === 'swap' || type.startsWith('fat');
}

function growBy(facts: { input: ArrangementInput; growth: Growing; notices: PlanNotice[] }): Arrangement {
  const { input, growth, notices } = facts;
  const { volume: growing, extra, fat } = growth;
  const { disk, target, fat32 } = input;
  const at = startOf(growing);
  const shift = (start: number): number => (start > at ? start + extra : start);
  const count = growing.segments[0]!.length + extra;
  const stretched = stretch(withoutExact(disk.table), at, extra);
  const kind = fat?.after.kind;
  const table = fitTable(kind === undefined ? stretched : retyped(stretched, at, kind), target);
  const wrong = contradiction(table, target, { backup: true });
  if (wrong !== null) {
    throw new RemetalError('grow-impossible', `${growing.name} cannot grow: ${wrong}`, {
      facts: { volume: growing.id },
    });
  }
  const movedUp = dataPartitions(disk.table).filter((partition) => partition.start > at);
  notices.push({
    level: 'info',
    code: 'volume-grows',
    message: `${growing.name} grows by ${extra} sectors to ${count}.`,
  });
  if (fat !== null) notices.push(...fatNotices(growing, fat));
  if (movedUp.length > 0) {
    notices.push({
      level: 'info',
      code: 'partitions-moved',
      message: `${movedUp.length === 1 ? 'Partition' : 'Partitions'} ${movedUp.map((partition) => partition.number).join(', ')} of ${disk.id} ${movedUp.length === 1 ? 'moves' : 'move'} up by ${extra} sectors.`,
    });
  }
  const place = { table, start: at, sectorSize: target.sectorSize, fat32 };
  const becomes = fat === null ? null : fatGrowth(fat, place);
  const grown = { volume: growing, start: at, count, fat: becomes };
  return { table, moved: shift, grown, gaps: false, notices };
}
