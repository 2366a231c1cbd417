import { normalize, subtract } from '../bytes/extents.ts';
import { dataPartitions, structureClaims } from './check.ts';
import { sectorsOf, type Geometry } from './fields.ts';
import type { Table, Volume } from './layout.ts';

/*
 * Boot loaders live in front of the first partition: GRUB within the first MiB, those of small boards
 * up to 16 MiB. Beyond that, room in front of the first partition is a gap like any other.
 */
const bootSpan = 16 * 1024 * 1024;

/**
 * The volumes a disk carries, without their file systems: `disk1.boot` (sector 0 whole and the sectors
 * in front of the first partition that hold no table structure), `disk1.part1`, … or, on a disk
 * without a table, `disk1.whole`. Segments are sectors of the disk; together with the table structures
 * and the gaps (`gapsOf`) they make up the disk. Names are unique on the disk.
 */
export function volumesOf(table: Table, diskId: string, geometry: Geometry): Volume[] {
  const sectors = sectorsOf(geometry);
  if (table.kind === 'none') {
    if (sectors === 0) return [];
    return [skeleton({ id: `${diskId}.whole`, kind: 'whole', segments: [[0, sectors]], disk: diskId })];
  }
  const boot = skeleton({
    id: `${diskId}.boot`,
    kind: 'boot',
    segments: bootSegments(table, geometry),
    disk: diskId,
  });
  const labels = new Map(
    table.kind === 'gpt' ? table.partitions.map((entry) => [entry.number, entry.name]) : [],
  );
  const parts = dataPartitions(table).map((partition) =>
    skeleton({
      id: `${diskId}.part${partition.number}`,
      name: labels.get(partition.number) ?? '',
      kind: 'partition',
      segments: [[partition.start, partition.length]],
      disk: diskId,
      partition: partition.number,
    }),
  );
  return nameVolumes([boot, ...parts]);
}

/**
 * The runs of sectors of a disk that lie in none of `volumes` and no structure of its table, each as a
 * volume: `disk1.gap1`, … in the order of the disk.
 */
export function gapsOf(disk: {
  readonly id: string;
  readonly table: Table;
  readonly geometry: Geometry;
  readonly volumes: readonly Volume[];
}): Volume[] {
  const { id, table, geometry, volumes } = disk;
  const segments = volumes.flatMap((volume) => volume.segments).filter((segment) => segment.disk === id);
  const taken = normalize([...structureClaims(table, geometry), ...segments]);
  return subtract([{ start: 0, length: sectorsOf(geometry) }], taken).map(({ start, length }, index) =>
    skeleton({ id: `${id}.gap${index + 1}`, kind: 'gap', segments: [[start, length]], disk: id }),
  );
}

function bootSegments(table: Table, geometry: Geometry): [number, number][] {
  const claims = structureClaims(table, geometry).filter((claim) => claim.what !== 'sector 0');
  const starts = table.kind === 'none' ? [] : table.partitions.map((partition) => partition.start);
  const end = Math.min(sectorsOf(geometry), Math.floor(bootSpan / geometry.sectorSize), ...starts);
  const free = subtract(
    [{ start: 0, length: end }],
    claims.toSorted((a, b) => a.start - b.start),
  );
  return free.map(({ start, length }) => [start, length]);
}

function skeleton(facts: {
  id: string;
  name?: string;
  kind: Volume['kind'];
  segments: [number, number][];
  disk: string;
  partition?: number;
}): Volume {
  return {
    id: facts.id,
    name: facts.name === undefined || facts.name === '' ? facts.id : facts.name,
    kind: facts.kind,
    segments: facts.segments.map(([start, length]) => ({ disk: facts.disk, start, length })),
    partition: facts.partition ?? null,
    filesystem: null,
  };
}

/**
 * Names volumes for a person: the label of the file system, else the name so far, else the id. Where
 * two would share a name, each of them goes by its id.
 */
export function nameVolumes(volumes: readonly Volume[]): Volume[] {
  const wished = volumes.map((volume) => {
    const label = volume.filesystem?.label ?? '';
    return label === '' ? volume.name : label;
  });
  const ids = new Set(volumes.map((volume) => volume.id));
  return volumes.map((volume, index) => {
    const name = wished[index]!;
    const shared = wished.filter((other) => other === name).length > 1;
    const foreignId = ids.has(name) && name !== volume.id;
    return { ...volume, name: shared || foreignId ? volume.id : name };
  });
}
