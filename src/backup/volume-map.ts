import { alignOutward, intersect, normalize, subtract, total, type Extent } from '../bytes/index.ts';
import type { LeftOut, VolumeMap } from '../archive/index.ts';
import type { BlockDevice } from '../disk/index.ts';
import { isCoded } from '../errors/index.ts';
import type { FileSystem } from '../filesystem/index.ts';
import type { Notice } from '../progress/index.ts';

export interface MapRequest {
  /** Volume id. */
  readonly id: string;
  readonly device: BlockDevice;
  /** Null where none was recognised. */
  readonly filesystem: FileSystem | null;
  readonly allSectors: boolean;
  /** Plain bytes of a full group. */
  readonly groupSize: number;
  /** Finds the control set of a volume whose format is not known; see `BackupRequest`. */
  readonly observe?: Observe;
  readonly tell?: (notice: Notice) => void;
}

/** The control set of a volume as one sees it who walks its files: byte extents, none where that cannot be done. */
export type Observe = (device: BlockDevice, filesystem: string) => Promise<readonly Extent[]>;

/** How the control set of a volume was found, and its bytes. */
export interface ControlFound {
  readonly by: 'format' | 'observation' | 'none';
  readonly bytes: number;
}

/** What of a volume goes into the set, and what does not. */
export interface MappedVolume {
  /**
   * The map, made anew at each call. Between survey and transfer the extents of every volume of the
   * machine are held at 16 bytes each, a quarter of what they take as objects.
   */
  readonly map: () => VolumeMap;
  /** Plain bytes that the volume's records will hold. */
  readonly keptBytes: number;
  /** Why every sector is taken although there is a file system; null otherwise. */
  readonly wholeBecause: string | null;
  readonly control: ControlFound;
  readonly leftOut: readonly LeftOut[];
}

function pack(extents: readonly Extent[]): Float64Array {
  const packed = new Float64Array(extents.length * 2);
  for (const [i, { start, length }] of extents.entries()) packed.set([start, length], i * 2);
  return packed;
}

function unpack(packed: Float64Array): Extent[] {
  return Array.from({ length: packed.length / 2 }, (_, i) => ({
    start: packed[i * 2]!,
    length: packed[i * 2 + 1]!,
  }));
}

/** The coarsest grid, at most `wanted` and a power of two of sectors, on which all extents stand. */
function gridOf(
  extents: readonly Extent[],
  wanted: number,
  groupSize: number,
  { size, sectorSize }: BlockDevice,
): number {
  const units = wanted / sectorSize;
  let grid = Number.isInteger(Math.log2(units)) && groupSize % wanted === 0 ? wanted : sectorSize;
  const onGrid = ({ start, length }: Extent): boolean =>
    start % grid === 0 && ((start + length) % grid === 0 || start + length === size);
  while (grid > sectorSize && !extents.every(onGrid)) grid /= 2;
  return grid;
}

interface Choice {
  readonly used: readonly Extent[];
  readonly blockSize: number;
  readonly wholeBecause: string | null;
}

/** The used map where it may be believed, else the whole volume with the reason. */
async function choose({ device, filesystem, allSectors, groupSize }: MapRequest): Promise<Choice> {
  const whole = device.size > 0 ? [{ start: 0, length: device.size }] : [];
  const everything = { used: whole, blockSize: device.sectorSize };
  if (allSectors) return { ...everything, wholeBecause: 'All sectors were asked for' };
  if (filesystem === null) return { ...everything, wholeBecause: null };
  const { used, trusted, reason } = await filesystem.usedMap();
  if (!trusted) return { ...everything, wholeBecause: reason ?? 'Its used map may not be believed' };
  const blockSize = gridOf(used, filesystem.facts.blockSize, groupSize, device);
  return {
    used: intersect(alignOutward(used, blockSize, device.size), whole),
    blockSize,
    wholeBecause: null,
  };
}

/**
 * What is to stand first. A volume whose map may not be believed, as that of a machine that runs, is kept whole
 * and has its control set in front all the same: there it only says what comes first.
 */
async function controlOf(filesystem: FileSystem): Promise<readonly Extent[]> {
  try {
    return await filesystem.controlSet();
  } catch (error) {
    if (isCoded(error, 'filesystem-damaged', 'disk-read-failed')) return [];
    throw error;
  }
}

/** What looks for partitions, RAID members and file systems of other kinds reads so much of the ends of a device. */
const [probedFirst, probedLast] = [256 * 1024, 128 * 1024];

function probedEnds({ size }: BlockDevice): Extent[] {
  return [
    { start: 0, length: Math.min(probedFirst, size) },
    { start: Math.max(0, size - probedLast), length: Math.min(probedLast, size) },
  ];
}

/** Volumes of NetWare are no devices to anybody else. */
function isAttached(filesystem: FileSystem | null): boolean {
  return filesystem !== null && filesystem.facts.type !== 'netware' && filesystem.facts.type !== 'swap';
}

/** A control set is a convenience of later: where a volume cannot be observed, the backup goes on without. */
async function observedOf({ id, device, filesystem, observe, tell }: MapRequest): Promise<readonly Extent[]> {
  if (observe === undefined || filesystem === null) return [];
  try {
    return await observe(device, filesystem.facts.type);
  } catch (error) {
    if (!isCoded(error) || ['interrupted', 'disk-gone', 'internal'].includes(error.code)) throw error;
    tell?.({
      level: 'warning',
      code: 'not-observed',
      message: `${id}: which of it a listing needs could not be found out. ${error.message}`,
      facts: { volume: id, code: error.code },
    });
    return [];
  }
}

/**
 * Decides which bytes of a volume are kept: its used map if that may be believed, without the holes
 * of an image file, the control set first. Reads structures of the file system only.
 */
export async function mapVolume(request: MapRequest): Promise<MappedVolume> {
  const { id, device, filesystem, groupSize } = request;
  const { used, blockSize, wholeBecause } = await choose(request);
  const present = await device.dataExtents?.();
  const kept = present === undefined ? used : intersect(used, alignOutward(present, blockSize, device.size));
  const zero = present === undefined ? [] : subtract(used, kept);
  const known = filesystem === null ? [] : await controlOf(filesystem);
  const seen = known.length > 0 ? [] : await observedOf(request);
  const ends = known.length > 0 && isAttached(filesystem) ? probedEnds(device) : [];
  const control = intersect(
    alignOutward(normalize([...known, ...ends, ...seen]), blockSize, device.size),
    kept,
  );
  const by = control.length === 0 ? 'none' : known.length > 0 ? 'format' : 'observation';
  const packed = { control: pack(control), data: pack(subtract(kept, control)), zero: pack(zero) };
  const map = (): VolumeMap => ({
    volume: id,
    size: device.size,
    blockSize,
    groupSize,
    control: unpack(packed.control),
    data: unpack(packed.data),
    ...(packed.zero.length === 0 ? {} : { zero: unpack(packed.zero) }),
  });

  const leftOut: LeftOut[] = [];
  const free = device.size - total(used);
  if (free > 0) {
    const isSwap = filesystem?.facts.type === 'swap';
    leftOut.push({
      volume: id,
      bytes: free,
      reason: isSwap ? 'swap-contents' : 'free',
      detail: isSwap
        ? 'Contents of the swap area'
        : `Free according to ${filesystem?.facts.type ?? 'its map'}`,
    });
  }
  if (zero.length > 0) {
    const detail = 'Holes of the image file: restored as zeros';
    leftOut.push({ volume: id, bytes: total(zero), reason: 'holes', detail });
  }
  return { map, keptBytes: total(kept), wholeBecause, control: { by, bytes: total(control) }, leftOut };
}
