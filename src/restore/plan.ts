import { total } from '../bytes/index.ts';
import { restOf } from '../archive/index.ts';
import type { VolumeMap } from '../archive/set.ts';
import { sectorsOf, type DiskLayout, type Volume } from '../layout/index.ts';
import type { PlanNotice } from './plan-arrangement.ts';
import { solveNetware, type NetwareSolution } from './plan-netware.ts';
import { arrangeNetware, openPartitions } from './plan-netware-arrangement.ts';
import { dataDiskTable, netwareDisks } from './plan-netware-disks.ts';
import {
  extentsDigest,
  planHash,
  type BootStep,
  type Plan,
  type PlanTarget,
  type SectorRun,
  type VolumeStep,
} from './plan-document.ts';
import {
  checkNamedDisks,
  checkVolumes,
  growWish,
  mapsOf,
  selectedVolumes,
  wholeBytes,
} from './plan-input.ts';
import { efiSteps, growSteps, tablePlaces, tableSteps, type Journey } from './plan-steps.ts';
import { journalRoom, wipeSteps, type Placed, type TargetLayout } from './plan-ranges.ts';
import type { PlanInput, TargetDisk } from './request.ts';
import { chooseTargets } from './targets.ts';

/**
 * Solves a restore: which disk takes what, and every write in order. Pure and deterministic: equal
 * input gives an equal plan and an equal hash.
 *
 * The order is one in which a power cut leaves a disk that does not look whole: old signatures are
 * wiped first, the partition table is written last.
 *
 * @throws `volume-not-found`, `grow-impossible`, `target-not-found`, `target-ambiguous`,
 *   `target-is-source`, `disk-busy`, `target-doubled`, `target-sector-size`, `target-holds-data`,
 *   `target-too-small`, and `record-missing`, `record-damaged` or `layout-damaged` for a set whose
 *   maps and layout do not belong together.
 */
export function plan(input: PlanInput): Plan {
  const { layout, wishes } = input;
  const maps = mapsOf(input);
  const selected = selectedVolumes(layout.volumes, wishes);
  const grow = growWish(layout.volumes, wishes);
  const open = openPartitions(layout);
  const { optional, added } = netwareDisks(layout, selected, wishes);
  const disks = layout.disks.filter(
    (disk) =>
      !optional.has(disk.id) &&
      layout.volumes.some((volume) => selected.has(volume.id) && lies(volume, disk)),
  );
  checkNamedDisks([...layout.disks, ...added], wishes);
  const targets = chooseTargets([...disks, ...added], input.candidates, wishes);
  const arranged = (disk: DiskLayout): Journey => {
    const target = targets.get(disk.id)!;
    const volumes = layout.volumes.filter((volume) => lies(volume, disk));
    checkVolumes(disk, volumes);
    const { sectorSize, size, path } = target.identity;
    const arrangement = arrangeNetware(
      {
        disk,
        volumes,
        selected,
        grow,
        fat32: wishes.fat32 === true,
        starts: input.starts ?? new Map(),
        target: { sectorSize, size, path },
        wholeBytes: wholeBytes(volumes, maps),
      },
      new Set(open.filter((record) => record.disk === disk.id).map(({ partition }) => partition)),
    );
    return { disk, target, volumes, arrangement };
  };
  const journeys = [
    ...disks.map(arranged),
    ...added.map((disk) => addedJourney(disk, targets.get(disk.id)!, input.head.setId)),
  ];
  const netware = solveNetware({
    layout,
    selected,
    targets: journeys.map(({ disk, target, arrangement }) => ({
      disk: disk.id,
      table: arrangement.table,
      geometry: target.identity,
    })),
    wishes,
    grow,
    createdAt: input.head.createdAt,
  });
  return assemble({ input, maps, selected, journeys, netware });
}

/** A disk the set does not have, which takes NetWare volumes. */
function addedJourney(disk: DiskLayout, target: TargetDisk, setId: string): Journey {
  const table = dataDiskTable(target.identity, `${setId} ${disk.id}`);
  const arrangement = { table, moved: (start: number) => start, grown: null, gaps: false, notices: [] };
  return { disk: { ...disk, table }, target, volumes: [], arrangement };
}

function lies(volume: Volume, disk: DiskLayout): boolean {
  return volume.segments.some((segment) => segment.disk === disk.id);
}

interface Solved {
  readonly input: PlanInput;
  readonly maps: ReadonlyMap<string, VolumeMap>;
  readonly selected: ReadonlySet<string>;
  readonly journeys: readonly Journey[];
  readonly netware: NetwareSolution | null;
}

function assemble(solved: Solved): Plan {
  const { input, maps, selected, journeys, netware } = solved;
  const volumes = orderedVolumes(solved);
  const placed = new Map<string, Placed>(
    volumes.map((volume) => [
      volume.id,
      {
        map: maps.get(volume.id)!,
        segments: netware?.segments.get(volume.id) ?? segmentsOf(volume, journeys),
      },
    ]),
  );
  const layouts = journeys.map(({ disk, target, arrangement, volumes: own }): TargetLayout => ({
    disk: disk.id,
    geometry: target.identity,
    table: arrangement.table,
    placed: [
      ...own.filter(({ kind }) => kind !== 'netware').flatMap((volume) => placed.get(volume.id) ?? []),
      ...volumes.filter(({ kind }) => kind === 'netware').map((volume) => placed.get(volume.id)!),
    ],
    whole: wholeSectors(own, journeys),
    cleared: (netware?.partitions.get(disk.id) ?? []).map((made) => ({
      what: `the hotfix area of partition ${made.partition}`,
      start: made.start,
      length: made.hotfixSectors,
    })),
  }));
  const journal = layouts.map(journalRoom).find((room) => room !== null) ?? null;
  const describe = (volume: Volume): Omit<VolumeStep, 'kind'> => {
    const { map, segments } = placed.get(volume.id)!;
    const rest = restOf(map);
    return {
      volume: volume.id,
      name: volume.name,
      filesystem: volume.filesystem?.type ?? null,
      segments: [...segments],
      size: map.size,
      bytes: total(map.control) + total(rest),
      extents: map.control.length + rest.length,
      digest: extentsDigest(map),
    };
  };
  const data = volumes
    .filter((volume) => volume.kind !== 'boot')
    .map((volume): VolumeStep => ({ kind: 'volume', ...describe(volume) }));
  const boots = volumes
    .filter((volume) => volume.kind === 'boot')
    .map((volume): BootStep => ({ kind: 'boot', ...describe(volume), blank: tablePlaces(volume, journeys) }))
    .filter((step) => step.bytes > 0);
  const efi = journeys.flatMap((journey) => efiSteps(journey, solved));
  const body: Omit<Plan, 'hash'> = {
    version: 1,
    set: { id: input.head.setId, name: input.head.name, createdAt: input.head.createdAt },
    targets: journeys.map((journey) => pinned(journey, netware)),
    journal,
    steps: [
      ...layouts.flatMap((layout) => wipeSteps(layout, journal)),
      ...(netware?.areas ?? []),
      ...data,
      ...journeys.flatMap(growSteps),
      ...(netware?.purges ?? []),
      ...(netware?.extensions ?? []),
      ...(netware?.tables ?? []),
      ...boots,
      ...journeys.flatMap(tableSteps),
      ...efi,
      ...(journal === null ? [] : [{ kind: 'clear' as const, ...journal, what: 'the journal' }]),
    ],
    notices: [
      ...journeys.flatMap((journey) => journey.arrangement.notices),
      ...(netware?.notices ?? []),
      ...leftEmpty(journeys, selected),
      ...doubtsOfStarting(input, { efi: efi.length > 0, bootCode: boots.length > 0 }),
    ],
    bytes: [...data, ...boots].reduce((sum, step) => sum + step.bytes, 0),
  };
  return { ...body, hash: planHash(body) };
}

/** The chosen volumes in the order in which the set holds them, so that one pass over the medium serves. */
function orderedVolumes({ input, selected, journeys }: Solved): Volume[] {
  const chosen = input.layout.volumes.filter(
    (volume) =>
      selected.has(volume.id) &&
      (volume.kind === 'netware' ||
        journeys.some(
          (journey) => lies(volume, journey.disk) && (volume.kind !== 'gap' || journey.arrangement.gaps),
        )),
  );
  const place = new Map(input.maps.map((map, index) => [map.volume, index]));
  return chosen.toSorted((a, b) => place.get(a.id)! - place.get(b.id)!);
}

function segmentsOf(volume: Volume, journeys: readonly Journey[]): SectorRun[] {
  return volume.segments.map((segment) => {
    const { arrangement, target } = journeys.find((journey) => journey.disk.id === segment.disk)!;
    const start = arrangement.moved(segment.start);
    const grown = arrangement.grown?.volume.id === volume.id ? arrangement.grown.count : segment.length;
    const count = volume.kind === 'whole' ? Math.min(grown, sectorsOf(target.identity)) : grown;
    return { disk: segment.disk, start, count };
  });
}

function wholeSectors(volumes: readonly Volume[], journeys: readonly Journey[]): number {
  const whole = volumes.find((volume) => volume.kind === 'whole');
  return whole === undefined ? 0 : segmentsOf(whole, journeys)[0]!.count;
}

function pinned({ disk, target, arrangement }: Journey, solution: NetwareSolution | null): PlanTarget {
  const netware = solution?.partitions.get(disk.id) ?? [];
  const { path, serial, wwn, model, size, sectorSize } = target.identity;
  return {
    disk: disk.id,
    path,
    serial,
    wwn,
    model,
    size,
    sectorSize,
    holds: [...target.holds],
    table: arrangement.table,
    ...(netware.length === 0 ? {} : { netware: [...netware] }),
  };
}

function leftEmpty(journeys: readonly Journey[], selected: ReadonlySet<string>): PlanNotice[] {
  const volumes = journeys.flatMap((journey) => journey.volumes);
  return volumes
    .filter((volume) => volume.kind !== 'gap' && volume.kind !== 'netware' && !selected.has(volume.id))
    .map((volume) => ({
      level: 'warning',
      code: 'volume-left-empty',
      message: `${volume.name} was not chosen: its partition is made but stays empty.`,
    }));
}

/* Said only of whole restores: who picks volumes may well start from another disk. */
function doubtsOfStarting(
  { firmware, wishes }: PlanInput,
  found: { readonly efi: boolean; readonly bootCode: boolean },
): PlanNotice[] {
  if (wishes.volumes !== undefined) return [];
  if (firmware === 'uefi' && !found.efi) {
    return [
      {
        level: 'warning',
        code: 'no-efi-partition',
        message:
          'This machine starts under EFI, but the set holds no EFI system partition: it will only start where the firmware also starts the BIOS way.',
      },
    ];
  }
  if (firmware !== 'bios' || found.bootCode) return [];
  return [
    {
      level: 'warning',
      code: 'no-boot-code',
      message:
        'This machine starts the BIOS way, but the set holds no boot code: it will only start under EFI.',
    },
  ];
}
