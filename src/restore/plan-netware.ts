import { isCoded, RemetalError } from '../errors/index.ts';
import type { Geometry, Layout, Table, Volume } from '../layout/index.ts';
import {
  defaultHotfixSectors,
  freshIds,
  isHotfixSize,
  netwarePartitions,
  sectorsPerBlock,
  solve,
  volumesOfRecord,
  volumeTables,
  type NetwarePartitionRecord,
  type NetwareVolume,
  type ShapeWishes,
  type SolverTarget,
  type VolumeWish,
} from '../layout/netware/index.ts';
import { netwareWrites, netwareWritesDigest, plannedPartition } from './netware-partitions.ts';
import type { PlanNotice } from './plan-arrangement.ts';
import { openPartitions } from './plan-netware-arrangement.ts';
import type { SectorRun } from './plan-document.ts';
import type { ExtendStep, NetwareStep, PlanDataPartition, PurgeStep } from './plan-netware-document.ts';
import { netwareWishesSchema, type Wishes } from './wishes.ts';

/** A target disk whose table is settled. */
export interface NetwareTarget {
  readonly disk: string;
  readonly table: Table;
  readonly geometry: Geometry;
}

export interface NetwareRequest {
  readonly layout: Layout;
  /** Ids of the volumes whose contents come back. */
  readonly selected: ReadonlySet<string>;
  readonly targets: readonly NetwareTarget[];
  readonly wishes: Wishes;
  /** `last`, `none` or the id of the volume that takes all room. */
  readonly grow: string;
  /** When the set was made, ISO 8601; new partitions are dated by it. */
  readonly createdAt: string;
}

/** Where the NetWare of a set goes. */
export interface NetwareSolution {
  /** By disk. */
  readonly partitions: ReadonlyMap<string, readonly PlanDataPartition[]>;
  /** By volume id, sectors of the targets. */
  readonly segments: ReadonlyMap<string, readonly SectorRun[]>;
  /** Hotfix areas, to be made before any volume is written. */
  readonly areas: readonly NetwareStep[];
  /** To be done when the volumes are written and before any is extended. */
  readonly purges: readonly PurgeStep[];
  readonly extensions: readonly ExtendStep[];
  /** Volume tables, to be written when the volumes are whole. */
  readonly tables: readonly NetwareStep[];
  readonly notices: readonly PlanNotice[];
}

/** A NetWare volume of a set. */
export interface KnownVolume {
  readonly volume: Volume;
  readonly found: NetwareVolume;
  /** The set holds the records of its deleted files and not their contents. */
  readonly leavesOutDeleted: boolean;
}

function contradicting(what: string): RemetalError {
  return new RemetalError('layout-unknown', `The layout record contradicts itself: ${what}`);
}

/**
 * The NetWare volumes of a layout with their ids, which stand in the record's order; none where the layout
 * has no NetWare. Throws `layout-unknown`.
 */
export function netwareVolumes(layout: Layout): KnownVolume[] {
  if (layout.netware === undefined) return [];
  const found = volumesOfRecord(layout.netware);
  const volumes = layout.volumes.filter(({ kind }) => kind === 'netware');
  if (volumes.length !== found.length) {
    throw contradicting(`it names ${volumes.length} NetWare volumes and describes ${found.length}`);
  }
  for (const [index, { name, segments }] of volumes.entries()) {
    const { blocks, blockShift } = found[index]!.definition;
    const sectors = segments.reduce((sum, { length }) => sum + length, 0);
    const described = blocks * sectorsPerBlock(blockShift);
    if (sectors !== described) {
      throw contradicting(`NetWare volume ${name} has ${sectors} sectors and is described with ${described}`);
    }
  }
  const records = layout.netware.volumes;
  return volumes.map((volume, index) => ({
    volume,
    found: found[index]!,
    leavesOutDeleted: records[index]!.deleted === 'left-out',
  }));
}

interface Room {
  readonly disk: string;
  readonly number: number;
  readonly start: number;
  readonly length: number;
  /** What the set knows of this partition; absent on a disk the set does not have. */
  readonly before: NetwarePartitionRecord | undefined;
}

/**
 * Makes the data partitions of the targets and finds segments for the chosen volumes on them. Pure and
 * deterministic. Null where the set has no NetWare that goes onto these targets.
 *
 * @throws `target-too-small` with the sectors that are missing, `usage` for a hotfix area that cannot be,
 *   `layout-unknown` for a record that contradicts itself.
 */
export function solveNetware(request: NetwareRequest): NetwareSolution | null {
  const { layout, selected, targets } = request;
  const rooms = roomsOf(layout, targets);
  const chosen = netwareVolumes(layout).filter(({ volume }) => selected.has(volume.id));
  if (rooms.length === 0 && chosen.length === 0) return null;
  const specs = specsOf(rooms, request);
  const solverTargets = specs.map((spec, index): SolverTarget => ({
    name: `${rooms[index]!.disk} partition ${spec.partition}`,
    dataSectors: plannedPartition(spec).hotfix.dataSectors,
  }));
  const solved = shaped(chosen, rooms, solverTargets, request);
  for (const { volume } of chosen) checkGrowth(volume, request.grow);
  const tables = volumeTables(
    solved,
    solverTargets.map(({ name, dataSectors }) => ({ name, dataSectors, kept: [] })),
  );
  const planned = specs.map((spec, index) => ({ ...spec, segments: tables[index]! }));
  const step = (part: NetwareStep['part']): NetwareStep[] =>
    planned.map((partition, index) => stepOf(partition, part, targetOf(targets, rooms[index]!.disk)));
  return {
    partitions: new Map(
      targets.map(({ disk }) => [disk, planned.filter((_, index) => rooms[index]!.disk === disk)]),
    ),
    segments: new Map(chosen.map(({ volume }, index) => [volume.id, runsOf(solved[index]!, specs, rooms)])),
    areas: step('hotfix-area'),
    purges: chosen.flatMap(({ volume: { id, name }, leavesOutDeleted }, index): PurgeStep[] =>
      leavesOutDeleted
        ? [{ kind: 'purge', volume: id, name, segments: runsOf(solved[index]!, specs, rooms) }]
        : [],
    ),
    extensions: chosen.flatMap(({ volume, found }, index): ExtendStep[] => {
      const oldBlocks = found.definition.blocks;
      const { blocks } = solved[index]!.definition;
      return blocks === oldBlocks || volume.filesystem?.type !== 'netware'
        ? []
        : [
            {
              kind: 'extend',
              volume: volume.id,
              name: volume.name,
              oldBlocks,
              blocks,
              segments: runsOf(solved[index]!, specs, rooms),
            },
          ];
    }),
    tables: step('volume-table'),
    notices: noticesOf(request, rooms),
  };
}

/* The room a NetWare volume is given is of use to NetWare's own file system only. */
function checkGrowth({ id, name, filesystem }: Volume, grow: string): void {
  if (id !== grow || filesystem?.type === 'netware') return;
  const type = filesystem?.type ?? 'unknown';
  throw new RemetalError(
    'grow-impossible',
    `${name} cannot grow: its file system (${type}) is not NetWare's`,
    {
      hint: 'Let another volume grow, or none.',
      facts: { volume: id, filesystem: type },
    },
  );
}

function targetOf(targets: readonly NetwareTarget[], disk: string): NetwareTarget {
  return targets.find((target) => target.disk === disk)!;
}

function roomsOf(layout: Layout, targets: readonly NetwareTarget[]): Room[] {
  const open = openPartitions(layout);
  return targets.flatMap(({ disk, table }) => {
    const known = layout.disks.some(({ id }) => id === disk);
    return netwarePartitions(table).flatMap(({ number, start, length }) => {
      const before = open.find((record) => record.disk === disk && record.partition === number);
      return known && before === undefined ? [] : [{ disk, number, start, length, before }];
    });
  });
}

/** NetWare's date and time of an ISO 8601 time in UTC; 1980 for what is earlier. */
function netwareTime(iso: string): number {
  const time = new Date(iso);
  const year = Math.min(127, Math.max(0, time.getUTCFullYear() - 1980));
  const date = (year << 9) | ((time.getUTCMonth() + 1) << 5) | time.getUTCDate();
  const clock = (time.getUTCHours() << 11) | (time.getUTCMinutes() << 5) | (time.getUTCSeconds() >> 1);
  return ((date << 16) | clock) >>> 0;
}

function specsOf(rooms: readonly Room[], { layout, wishes, createdAt }: NetwareRequest): PlanDataPartition[] {
  const records = layout.netware?.partitions ?? [];
  const taken = new Set(
    records.flatMap(({ id, mirror }) => [id, ...(mirror === null ? [] : [mirror.group, ...mirror.members])]),
  );
  const created = netwareTime(createdAt);
  const ids = freshIds(created, taken, rooms.length);
  const stamped = records.some((record) => record.created !== null);
  return rooms.map(({ number, start, length, before }, index) => ({
    partition: number,
    start,
    sectors: length,
    id: before?.id ?? ids[index]!.id,
    group: before?.mirror?.group ?? ids[index]!.group,
    created: before === undefined ? (stamped ? created : null) : before.created,
    hotfixSectors: hotfixOf(length, before, wishes.netware?.hotfix),
    segments: [],
  }));
}

/* As it was where the default would leave less room for volumes than there was. */
function hotfixOf(
  sectors: number,
  before: NetwarePartitionRecord | undefined,
  percent: number | undefined,
): number {
  if (percent !== undefined) return Math.ceil((sectors * percent) / 100 / 8) * 8;
  const usual = defaultHotfixSectors(sectors);
  if (before === undefined || !isHotfixSize(before.hotfixSectors)) return usual;
  const same = before.hotfixSectors + before.dataSectors === sectors;
  return same || sectors - usual < before.dataSectors ? before.hotfixSectors : usual;
}

type Chosen = readonly KnownVolume[];

function shaped(
  chosen: Chosen,
  rooms: readonly Room[],
  targets: readonly SolverTarget[],
  { layout, wishes, grow }: NetwareRequest,
): NetwareVolume[] {
  const { shape, sys } = netwareWishesSchema.parse(wishes.netware ?? {});
  const records = layout.netware?.partitions ?? [];
  const placeOf = records.map((record) => rooms.findIndex(({ before }) => before === record));
  const sysFirst = sys === 'first' || (sys === 'auto' && chosen.some(({ found }) => sysAlone(found)));
  const wanted = chosen.map(({ volume, found }): VolumeWish => {
    const before = found.segments.map((segment) => ({ ...segment, partition: placeOf[segment.partition]! }));
    return {
      definition: found.definition,
      ...(before.every(({ partition }) => partition >= 0) ? { before } : {}),
      fill: volume.id === grow,
    };
  });
  const attempt = (as: ShapeWishes['shape']): NetwareVolume[] =>
    solve(wanted, targets, { shape: as, sysFirst });
  const moved = wanted.find(({ before }) => before === undefined);
  if (shape === 'same' && moved !== undefined) throw shapeless(moved.definition.name);
  if (shape !== 'auto') return attempt(shape);
  if (moved !== undefined || wanted.some(({ fill }) => fill === true)) return attempt('packed');
  try {
    return attempt('same');
  } catch (error) {
    if (!isCoded(error, 'target-too-small')) throw error;
    return attempt('packed');
  }
}

function shapeless(volume: string): RemetalError {
  return new RemetalError(
    'target-not-found',
    `${volume} cannot keep its shape: a disk it lay on has no target of its own`,
    { hint: 'Name a target for every disk of the set, or choose another shape.', facts: { volume } },
  );
}

function sysAlone({ definition, segments }: NetwareVolume): boolean {
  return definition.name === 'SYS' && segments.every(({ partition }) => partition === 0);
}

function runsOf(
  { definition, segments }: NetwareVolume,
  specs: readonly PlanDataPartition[],
  rooms: readonly Room[],
): SectorRun[] {
  return segments.map(({ partition, start, blocks }) => {
    const spec = specs[partition]!;
    return {
      disk: rooms[partition]!.disk,
      start: spec.start + spec.hotfixSectors + start,
      count: blocks * sectorsPerBlock(definition.blockShift),
    };
  });
}

function stepOf(planned: PlanDataPartition, part: NetwareStep['part'], target: NetwareTarget): NetwareStep {
  const writes = netwareWrites(planned, part, target);
  const first = planned.start + (part === 'volume-table' ? planned.hotfixSectors : 0);
  const ranges = writes
    .map(({ offset, bytes }) => ({ start: first + offset / 512, count: bytes.length / 512 }))
    .toSorted((a, b) => a.start - b.start);
  const last = ranges.at(-1)!;
  return {
    kind: 'netware',
    disk: target.disk,
    partition: planned.partition,
    part,
    start: ranges[0]!.start,
    count: last.start + last.count - ranges[0]!.start,
    ranges,
    what:
      part === 'volume-table'
        ? `NetWare volume table, ${planned.segments.length} ${planned.segments.length === 1 ? 'segment' : 'segments'}`
        : `NetWare hotfix area of ${planned.hotfixSectors} sectors and its tables`,
    digest: netwareWritesDigest(writes),
  };
}

function noticesOf({ layout, targets, selected }: NetwareRequest, rooms: readonly Room[]): PlanNotice[] {
  const absent = layout.disks.filter(({ id }) => !targets.some(({ disk }) => disk === id));
  const merged = absent.filter(({ id }) => openPartitions(layout).some(({ disk }) => disk === id));
  const mirrored = rooms.filter(({ before }) => (before?.mirror?.members.length ?? 0) > 1);
  const empty = netwareVolumes(layout).filter(({ volume }) => !selected.has(volume.id));
  return [
    ...merged.map(({ id }): PlanNotice => ({
      level: 'info',
      code: 'netware-disk-merged',
      message: `${id} has no target: what of NetWare was on it goes onto the others.`,
    })),
    ...mirrored.map(({ disk, number }): PlanNotice => ({
      level: 'warning',
      code: 'netware-mirror-left',
      message: `Partition ${number} of ${disk} was mirrored and comes back unmirrored: mirror it again on the server.`,
    })),
    ...empty.map(({ volume }): PlanNotice => ({
      level: 'warning',
      code: 'volume-left-out',
      message: `NetWare volume ${volume.name} was not chosen and is not made.`,
    })),
  ];
}
