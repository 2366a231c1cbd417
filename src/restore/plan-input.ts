import type { Extent } from '../bytes/index.ts';
import { restOf } from '../archive/index.ts';
import type { VolumeMap } from '../archive/set.ts';
import { RemetalError } from '../errors/index.ts';
import { sectorsOf, structureClaims, type DiskLayout, type Volume } from '../layout/index.ts';
import type { PlanInput } from './request.ts';
import type { Wishes } from './wishes.ts';

/**
 * The block map of every volume, checked against the layout.
 *
 * @throws `record-missing`, `record-damaged`.
 */
export function mapsOf({ layout, maps }: PlanInput): Map<string, VolumeMap> {
  const found = new Map(maps.map((map) => [map.volume, map]));
  for (const volume of layout.volumes) {
    const map = found.get(volume.id);
    if (map === undefined) {
      throw new RemetalError('record-missing', `The set holds no block map of ${volume.name}`, {
        facts: { volume: volume.id },
      });
    }
    checkMap(volume, map, layout.disks);
  }
  return found;
}

/**
 * Throws `layout-damaged` where volumes of a disk overlap each other, a partition or the table, or are
 * not what the table says.
 */
export function checkVolumes(disk: DiskLayout, volumes: readonly Volume[]): void {
  const damaged = (what: string): RemetalError =>
    new RemetalError('layout-damaged', `The layout of ${disk.id} in the set contradicts itself: ${what}`, {
      facts: { disk: disk.id },
    });
  const structures = structureClaims(disk.table, disk.identity).filter((claim) => claim.start > 0);
  const parts = volumes.flatMap((volume) =>
    volume.segments
      .filter((segment) => segment.disk === disk.id)
      .map(({ start, length }) => ({ what: volume.name, start, length })),
  );
  const claims = [...structures, ...parts].toSorted((a, b) => a.start - b.start);
  for (const [index, claim] of claims.entries()) {
    const next = claims[index + 1];
    if (next !== undefined && claim.start + claim.length > next.start) {
      throw damaged(`${claim.what} and ${next.what} overlap at sector ${next.start}`);
    }
  }
  const table = disk.table.kind !== 'none';
  const odd = volumes.find((volume) => (volume.kind === 'whole') === table);
  if (odd !== undefined)
    throw damaged(`${odd.name} is ${odd.kind} on a disk ${table ? 'with' : 'without'} a table`);
}

function checkMap(volume: Volume, map: VolumeMap, disks: readonly DiskLayout[]): void {
  const damaged = (what: string): RemetalError =>
    new RemetalError('record-damaged', `The block map of ${volume.name} contradicts the layout: ${what}`, {
      facts: { volume: volume.id, size: map.size },
    });
  let size = 0;
  let grain = 1;
  for (const segment of volume.segments) {
    const disk = disks.find((candidate) => candidate.id === segment.disk);
    if (disk === undefined) throw damaged(`there is no ${segment.disk}`);
    grain = disk.identity.sectorSize;
    size += segment.length * grain;
    if (segment.start + segment.length > sectorsOf(disk.identity)) throw damaged('it leaves its disk');
    if (volume.kind === 'partition' && !isPartition(disk, segment.start, segment.length)) {
      throw damaged('it is no partition of the table');
    }
  }
  if (map.size !== size) throw damaged(`${map.size} bytes instead of ${size}`);
  for (const list of [map.control, restOf(map)]) {
    let end = 0;
    for (const extent of list) {
      if (extent.start < end || extent.length < 1 || extent.start + extent.length > size) {
        throw damaged(`an extent at byte ${extent.start}`);
      }
      if (extent.start % grain !== 0 || extent.length % grain !== 0) {
        throw damaged(`an extent off the sector grid at byte ${extent.start}`);
      }
      end = extent.start + extent.length;
    }
  }
}

function isPartition(disk: DiskLayout, start: number, length: number): boolean {
  if (disk.table.kind === 'none') return false;
  return disk.table.partitions.some((part) => part.start === start && part.length === length);
}

function volumeNamed(volumes: readonly Volume[], name: string): Volume {
  const found =
    volumes.find((volume) => volume.id === name) ?? volumes.find((volume) => volume.name === name);
  if (found !== undefined) return found;
  throw new RemetalError('volume-not-found', `The set holds no volume "${name}"`, {
    hint: `It holds ${volumes.map((volume) => volume.name).join(', ')}.`,
    facts: { name, volumes: volumes.map((volume) => volume.id) },
  });
}

/** The chosen volumes, and the boot sectors of every disk that carries one of them: they go with its table. */
export function selectedVolumes(volumes: readonly Volume[], wishes: Wishes): Set<string> {
  if (wishes.volumes === undefined) return new Set(volumes.map((volume) => volume.id));
  const chosen = wishes.volumes.map((name) => volumeNamed(volumes, name));
  const disks = new Set(chosen.flatMap((volume) => volume.segments.map((segment) => segment.disk)));
  const boots = volumes.filter((volume) => volume.kind === 'boot' && disks.has(volume.segments[0]!.disk));
  return new Set([...chosen, ...boots].map((volume) => volume.id));
}

/** `last`, `none`, or the id of the volume that is to grow. Throws `volume-not-found`. */
export function growWish(volumes: readonly Volume[], wishes: Wishes): string {
  return wishes.grow === 'last' || wishes.grow === 'none'
    ? wishes.grow
    : volumeNamed(volumes, wishes.grow).id;
}

/** Throws `target-not-found` where the wishes name a disk the set does not hold. */
export function checkNamedDisks(disks: readonly DiskLayout[], wishes: Wishes): void {
  const unknown = Object.keys(wishes.targets).find((id) => !disks.some((disk) => disk.id === id));
  if (unknown === undefined) return;
  throw new RemetalError('target-not-found', `The set holds no disk "${unknown}" to find a target for`, {
    hint: `It holds ${disks.map((disk) => disk.id).join(', ')}.`,
    facts: { disk: unknown, disks: disks.map((disk) => disk.id) },
  });
}

/**
 * What of a disk without a table must fit. Where the file system is known it is what that claims and
 * what is kept; otherwise all of it, since something at its end may count from there.
 */
export function wholeBytes(volumes: readonly Volume[], maps: ReadonlyMap<string, VolumeMap>): number {
  const whole = volumes.find((volume) => volume.kind === 'whole');
  if (whole === undefined) return 0;
  const map = maps.get(whole.id)!;
  if (whole.filesystem === null || whole.filesystem.type === 'unknown') return map.size;
  return Math.min(map.size, Math.max(whole.filesystem.size, endOf(map.control), endOf(restOf(map))));
}

function endOf(extents: readonly Extent[]): number {
  const last = extents.at(-1);
  return last === undefined ? 0 : last.start + last.length;
}
