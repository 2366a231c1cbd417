import { slice } from '../disk/slice.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { isCoded } from '../errors/index.ts';
import {
  carryOutPurge,
  fatGrowthOf,
  openNetwareVolume,
  type NetwareFileSystem,
} from '../filesystem/netware/index.ts';
import {
  extendFat,
  planFatExtension,
  rearranged,
  type NetwareNotice,
  type Segment,
  type VolumeDefinition,
} from '../layout/netware/index.ts';
import { note, type RestoreRun } from './apply-run.ts';
import { targetOf, volumeOn, type RestoreTargets } from './apply-targets.ts';
import { NetwareDisk } from './netware-disk.ts';
import { writesOfStep } from './netware-partitions.ts';
import { netwareVolumes } from './plan-netware.ts';
import type { Plan, VolumeStep } from './plan-document.ts';
import type { ExtendStep, NetwareStep, PlanDataPartition, PurgeStep } from './plan-netware-document.ts';
import type { RestoreReport } from './request.ts';

/** The targets with those that get NetWare partitions as `NetwareDisk`s. */
export function netwareTargets(plan: Plan, targets: RestoreTargets): RestoreTargets {
  return new Map(
    [...targets].map(([disk, target]) => {
      const partitions = plan.targets.find((planned) => planned.disk === disk)?.netware ?? [];
      if (partitions.length === 0) return [disk, target];
      return [disk, { ...target, device: new NetwareDisk(target.device, partitions) }];
    }),
  );
}

function netwareDisk(restore: RestoreRun, disk: string): NetwareDisk | null {
  const { device } = targetOf(restore.targets, disk);
  return device instanceof NetwareDisk ? device : null;
}

/** Opens the partitions whose hotfix areas were laid before this run took the restore up. */
export async function openLaidPartitions(restore: RestoreRun): Promise<void> {
  const done = restore.plan.steps.slice(0, restore.state.step);
  for (const step of done) {
    if (step.kind !== 'netware' || step.part !== 'hotfix-area') continue;
    await netwareDisk(restore, step.disk)!.open(step.partition);
  }
}

/** Lays hotfix area or volume table. Throws `plan-mismatch`, `disk-write-failed`. */
export async function layNetware(restore: RestoreRun, step: NetwareStep): Promise<void> {
  const disk = netwareDisk(restore, step.disk)!;
  const target = restore.plan.targets.find((planned) => planned.disk === step.disk)!;
  const planned = target.netware?.find(({ partition }) => partition === step.partition);
  const writes = writesOfStep(step, planned, { table: target.table, geometry: target });
  await restore.writer.barrier();
  if (step.part === 'hotfix-area') {
    tell(restore, step, await disk.layArea(step.partition, writes));
    await disk.flush();
    await disk.open(step.partition);
  } else {
    tell(restore, step, await disk.layVolumeTable(step.partition, writes));
    await disk.flush();
  }
}

function tell(
  restore: RestoreRun,
  { disk, partition }: NetwareStep,
  notices: readonly NetwareNotice[],
): void {
  for (const notice of notices) note(restore, { ...notice, facts: { ...notice.facts, disk, partition } });
}

/**
 * Zeros a range of a NetWare partition before there is anything on it. Sectors that cannot be written stop
 * nothing here: as data they will be moved to the hotfix area, as spare units they will be passed over.
 *
 * @returns The bytes that are zeros now.
 */
export async function wipeNetware(
  restore: RestoreRun,
  disk: string,
  range: { readonly offset: number; readonly length: number },
): Promise<{ offset: number; length: number }[]> {
  const { device } = targetOf(restore.targets, disk);
  const wiped: { offset: number; length: number }[] = [];
  const failed: number[] = [];
  const piece = 64 * 1024;
  const zero = async (offset: number, length: number): Promise<void> => {
    try {
      await device.writeZeroes(offset, length);
      wiped.push({ offset, length });
    } catch (error) {
      if (!isCoded(error, 'disk-write-failed')) throw error;
      if (length === device.sectorSize) return void failed.push(offset / device.sectorSize);
      for (let at = 0; at < length; at += device.sectorSize) await zero(offset + at, device.sectorSize);
    }
  };
  for (let at = 0; at < range.length; at += piece) {
    await zero(range.offset + at, Math.min(piece, range.length - at));
  }
  if (failed.length > 0) {
    note(restore, {
      level: 'warning',
      code: 'netware-unwiped',
      message: `${device.name} could not take zeros at sector ${failed.slice(0, 8).join(', ')}${failed.length > 8 ? ` and ${failed.length - 8} more` : ''}; they are in a NetWare partition, which works around them`,
      facts: { disk, sectors: failed.slice(0, 100), count: failed.length },
    });
  }
  return wiped;
}

/** True for a byte of a disk that is in a NetWare partition the plan makes. */
export function inNetware(restore: RestoreRun, disk: string, offset: number): boolean {
  return netwareDisk(restore, disk)?.partitionAt(offset) != null;
}

/** A NetWare volume as it stands on its targets, and its definition before and after. */
function restoredNetware(
  restore: RestoreRun,
  volume: string,
): { device: BlockDevice; before: VolumeDefinition; after: VolumeDefinition } | null {
  const known = netwareVolumes(restore.reader.layout).find(({ volume: each }) => each.id === volume);
  const step = restore.plan.steps.find(
    (each): each is VolumeStep => each.kind === 'volume' && each.volume === volume,
  );
  if (known === undefined || step === undefined) return null;
  const before = known.found.definition;
  const perBlock = 2 ** before.blockShift;
  let firstBlock = 0;
  const segments = step.segments.map(({ count, start }, partition): Segment => {
    const blocks = count / perBlock;
    const segment = { partition, start, sectors: count, firstBlock, blocks };
    firstBlock += blocks;
    return segment;
  });
  const device = volumeOn(restore.targets, step);
  return { device, before, after: rearranged(before, segments).definition };
}

function isNetwareFileSystem({ reader }: RestoreRun, volume: string): boolean {
  return reader.layout.volumes.find(({ id }) => id === volume)?.filesystem?.type === 'netware';
}

/** The file system of a restored NetWare volume; null for a volume that is none, or has another file system. */
export async function restoredNetwareFileSystem(
  restore: RestoreRun,
  volume: string,
): Promise<NetwareFileSystem | null> {
  const found = isNetwareFileSystem(restore, volume) ? restoredNetware(restore, volume) : null;
  return found === null ? null : await openNetwareVolume(sized(found.device, found.before), found.before);
}

/** The blocks a definition speaks of: a volume that was given more ends behind them. */
function sized(device: BlockDevice, { blocks, blockShift }: VolumeDefinition): BlockDevice {
  return slice(device, 0, blocks * 2 ** blockShift * device.sectorSize, device.name);
}

/**
 * Purges the deleted files of a volume. Where its used map is not to be trusted they stay, which is told: then
 * nobody knows which blocks are theirs alone.
 */
export async function purgeNetware(restore: RestoreRun, step: PurgeStep): Promise<void> {
  const { device, before } = restoredNetware(restore, step.volume)!;
  const volume = sized(device, before);
  const filesystem = await openNetwareVolume(volume, before);
  const { trusted, reason } = await filesystem.usedMap();
  if (trusted) return await carryOutPurge(volume, filesystem.purge());
  note(restore, {
    level: 'warning',
    code: 'deleted-not-purged',
    message: `The contents of deleted files of ${step.name} are not in the set, and the files could not be purged: do not salvage them. ${reason}`,
    facts: { volume: step.volume },
  });
}

/** Makes the FAT speak for the blocks a volume has been given. Throws what `planFatExtension` throws. */
export async function extendNetware(restore: RestoreRun, step: ExtendStep): Promise<void> {
  const { device, before, after } = restoredNetware(restore, step.volume)!;
  const growth = await fatGrowthOf(sized(device, before), before, after.segments);
  await extendFat(device, planFatExtension(growth));
}

/** Every unit that the disks could not hold and that lies in a hotfix area now, with what it holds. */
export async function movedUnits(restore: RestoreRun): Promise<RestoreReport['moved']> {
  const found: RestoreReport['moved'][number][] = [];
  // Opening one reads its whole FAT and directory; a failing disk has many units in the same volume.
  const opened = new Map<string, NetwareFileSystem | null>();
  const open = async (volume: string): Promise<NetwareFileSystem | null> => {
    if (!opened.has(volume)) opened.set(volume, await restoredNetwareFileSystem(restore, volume));
    return opened.get(volume) ?? null;
  };
  for (const { disk, netware = [] } of restore.plan.targets) {
    for (const planned of netware) {
      const { redirections, moves } = netwareDisk(restore, disk)!.logical(planned.partition);
      for (const { logical, spare } of redirections.moved) {
        const move = moves.findLast((each) => each.logical === logical);
        const at = planned.start + planned.hotfixSectors + logical;
        found.push({
          disk,
          partition: planned.partition,
          /* After a restore was taken up, what failed before is known by its unit only. */
          sectors: move === undefined ? [at] : move.bad.map((sector) => planned.start + sector),
          movedTo: planned.start + spare * 8,
          ...(await heldAt(restore, open, { disk, planned, logical })),
        });
      }
    }
  }
  for (const { disk, sectors, volume, files } of found) {
    const what = volume === null ? 'the volume table' : [volume, ...files].join(' ');
    note(restore, {
      level: 'warning',
      code: 'netware-unit-moved',
      message: `${disk} fails at sector ${sectors.join(', ')}; the unit of 4 KiB there was moved to the hotfix area. It holds ${what}.`,
      facts: { disk, sectors },
    });
  }
  return found;
}

async function heldAt(
  restore: RestoreRun,
  open: (volume: string) => Promise<NetwareFileSystem | null>,
  {
    disk,
    planned,
    logical,
  }: { readonly disk: string; readonly planned: PlanDataPartition; readonly logical: number },
): Promise<{ volume: string | null; files: string[] }> {
  const segment = planned.segments.find(
    ({ start, sectors }) => logical + 8 > start && logical < start + sectors,
  );
  if (segment === undefined) return { volume: null, files: [] };
  const at = planned.start + planned.hotfixSectors + segment.start;
  const step = restore.plan.steps.find(
    (each): each is VolumeStep =>
      each.kind === 'volume' && each.segments.some((run) => run.disk === disk && run.start === at),
  );
  const filesystem = step === undefined ? null : await open(step.volume);
  const start = (segment.firstBlock * 2 ** segment.blockShift + Math.max(0, logical - segment.start)) * 512;
  const files = (await filesystem?.filesIn([{ start, length: 4096 }]).catch(() => [])) ?? [];
  return {
    volume: segment.name,
    files: files.map(
      ({ path, inode, part }) => `${path ?? `record ${inode}`}${part === 'metadata' ? ' (metadata)' : ''}`,
    ),
  };
}
