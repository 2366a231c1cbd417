import { alignOutward, intersect, normalize, subtract, type Extent } from '../bytes/index.ts';
import { restOf } from '../archive/index.ts';
import type { VolumeMap } from '../archive/set.ts';
import { dataPartitions, sectorsOf, structureClaims, type Geometry, type Table } from '../layout/index.ts';
import type { SectorRun, WipeStep } from './plan-document.ts';

/** Signatures of volume managers, RAID and file systems lie in the first and last MiB of what carries them. */
const edge = 1024 * 1024;
const leastJournal = 16 * 1024;
const journalWished = 64 * 1024;
/** The journal writes slots of 4096 bytes, which must not share a physical sector. */
const journalGrid = 4096;

/** A volume as it lies on its target: its map and its segments, in sectors. */
export interface Placed {
  readonly map: VolumeMap;
  readonly segments: readonly SectorRun[];
}

/** A target disk as the plan sees it. */
export interface TargetLayout {
  readonly disk: string;
  readonly geometry: Geometry;
  /** The table it gets. */
  readonly table: Table;
  /** What is written on it from the set. */
  readonly placed: readonly Placed[];
  /** For a disk without a table: the sectors its volume takes. */
  readonly whole: number;
  /** Areas that have to be zeros all over before they are used: the hotfix areas of NetWare partitions. */
  readonly cleared: readonly { readonly what: string; readonly start: number; readonly length: number }[];
}

/** The parts of the kept extents of the volumes of a disk that lie in `windows`, in sectors of the disk. */
function keptIn(layout: TargetLayout, windows: readonly Extent[]): Extent[] {
  const { sectorSize } = layout.geometry;
  const found: Extent[] = [];
  for (const { map, segments } of layout.placed) {
    let base = 0;
    for (const segment of segments) {
      const inVolume = windows
        .map(({ start, length }) => ({
          from: Math.max(start, segment.start),
          to: Math.min(start + length, segment.start + segment.count),
        }))
        .filter(({ from, to }) => segment.disk === layout.disk && from < to)
        .map(({ from, to }) => ({
          start: (from - segment.start + base) * sectorSize,
          length: (to - from) * sectorSize,
        }));
      for (const list of inVolume.length > 0 ? [map.control, restOf(map)] : []) {
        for (const { start, length } of alignOutward(intersect(list, inVolume), sectorSize, map.size)) {
          found.push({ start: start / sectorSize - base + segment.start, length: length / sectorSize });
        }
      }
      base += segment.count;
    }
  }
  return normalize(found);
}

function partitionsOf(layout: TargetLayout): { what: string; start: number; length: number }[] {
  if (layout.table.kind === 'none') return [{ what: 'the volume', start: 0, length: layout.whole }];
  return dataPartitions(layout.table).map(({ number, start, length }) => ({
    what: `partition ${number}`,
    start,
    length,
  }));
}

function edges(area: Extent, sectors: number): Extent[] {
  const reach = Math.min(sectors, area.length);
  return normalize([
    { start: area.start, length: reach },
    { start: area.start + area.length - reach, length: reach },
  ]);
}

function ends(of: string): string {
  return `earlier signatures at both ends of ${of}`;
}

/**
 * The zeros that go onto a disk before anything else: its first and last MiB, so that no earlier table
 * or file system stays in force while the restore runs, and the first and last MiB of every partition
 * less what the set's data will be written to. The journal is spared, and no step wipes what another
 * one does.
 */
export function wipeSteps(layout: TargetLayout, journal: SectorRun | null): WipeStep[] {
  const { geometry, disk } = layout;
  const reach = edge / geometry.sectorSize;
  const areas = [
    {
      what: ends('the disk'),
      windows: edges({ start: 0, length: sectorsOf(geometry) }, reach),
      spares: false,
    },
    ...partitionsOf(layout)
      .toSorted((a, b) => a.start - b.start)
      .map((area) => ({ what: ends(area.what), windows: edges(area, reach), spares: true })),
    ...layout.cleared.map((area) => ({ what: area.what, windows: [area], spares: true })),
  ];
  const steps: WipeStep[] = [];
  let taken: Extent[] = journal?.disk === disk ? [{ start: journal.start, length: journal.count }] : [];
  for (const { what, windows, spares } of areas) {
    const spared = spares ? keptIn(layout, windows) : [];
    const ranges = subtract(windows, normalize([...spared, ...taken]));
    if (ranges.length === 0) continue;
    taken = normalize([...taken, ...ranges]);
    const last = ranges.at(-1)!;
    steps.push({
      kind: 'wipe',
      disk,
      start: ranges[0]!.start,
      count: last.start + last.length - ranges[0]!.start,
      ranges: ranges.map(({ start, length }) => ({ start, count: length })),
      what,
    });
  }
  return steps;
}

/**
 * Room for the journal on a disk: sectors in no partition and no table structure that nothing of the
 * set is written to. The gap in front of the first partition is preferred, then what lies last. Null
 * when there are not 16 KiB in one piece on a 4096-byte grid.
 */
export function journalRoom(layout: TargetLayout): SectorRun | null {
  const { geometry, table, disk } = layout;
  const sectors = sectorsOf(geometry);
  const taken = normalize([...partitionsOf(layout), ...structureClaims(table, geometry)]);
  const free = subtract([{ start: 0, length: sectors }], taken);
  const firstPartition = Math.min(sectors, ...partitionsOf(layout).map((area) => area.start));
  const unit = Math.max(1, journalGrid / geometry.sectorSize);
  const rooms = subtract(free, keptIn(layout, free))
    .map(({ start, length }) => {
      const from = Math.ceil(start / unit) * unit;
      const to = Math.floor((start + length) / unit) * unit;
      return { start: from, length: Math.max(0, to - from) };
    })
    .filter(({ length }) => length * geometry.sectorSize >= leastJournal);
  const inGap = rooms.filter(({ start }) => start < firstPartition).at(-1);
  const room = inGap ?? rooms.at(-1);
  if (room === undefined) return null;
  const count = Math.min(room.length, journalWished / geometry.sectorSize);
  return { disk, start: room.start + room.length - count, count };
}
