import { createHash } from 'node:crypto';
import { RemetalError } from '../errors/index.ts';
import { drivers, type Growth } from '../filesystem/index.ts';
import { tableWrites } from '../layout/index.ts';
import { damagedExtents, filesHit } from './apply-damage.ts';
import { extendNetware, inNetware, layNetware, purgeNetware, wipeNetware } from './apply-netware.ts';
import { commit, note, type RestoreRun } from './apply-run.ts';
import { placementsOf, targetOf } from './apply-targets.ts';
import {
  readBackBoot,
  readBackBytes,
  readBackVolume,
  readBackZeros,
  withoutJournal,
} from './apply-verify.ts';
import { streamVolume } from './apply-volume.ts';
import { inSectors, type Placement } from './apply-writer.ts';
import { restoreBootLoaders } from './bootloader.ts';
import { grow, type GrowRequest } from './grow.ts';
import type {
  EfiStep,
  FatGrowth,
  GrowStep,
  Plan,
  PlanStep,
  TableStep,
  VolumeStep,
  WipeStep,
} from './plan-document.ts';

/** Does one step of the plan. Everything it wrote is durable when it resolves. */
export async function doStep(restore: RestoreRun, step: PlanStep, from: number): Promise<void> {
  switch (step.kind) {
    case 'wipe':
      return await wipe(restore, step);
    case 'volume':
      return await streamVolume(restore, step, { from, commits: true });
    case 'boot':
      await streamVolume(restore, step, { from, commits: true });
      if (restore.verify) await readBackBoot(restore, step);
      return;
    case 'grow':
    case 'efi':
    case 'purge':
    case 'extend':
      return await changing(restore, step);
    case 'table':
      return await writeTable(restore, step);
    case 'netware':
      return await layNetware(restore, step);
    case 'clear':
      await readBackRest(restore);
      await restore.writer.zero(placementsOf(restore.targets, [step]), 0, bytesOf(restore, step));
      return await restore.writer.barrier();
  }
}

function bytesOf({ targets }: RestoreRun, run: { readonly disk: string; readonly count: number }): number {
  return run.count * targetOf(targets, run.disk).device.sectorSize;
}

async function wipe(restore: RestoreRun, step: WipeStep): Promise<void> {
  const { journal } = restore.plan;
  const kept = journal?.disk === step.disk ? { start: journal.start, length: journal.count } : null;
  const places = withoutJournal(step.ranges, kept).flatMap(({ start, length }) =>
    placementsOf(restore.targets, [{ disk: step.disk, start, count: length }]),
  );
  const wiped: Placement[] = [];
  for (const place of places) wiped.push(...(await wipeRange(restore, step.disk, place)));
  await restore.writer.barrier();
  if (restore.verify) for (const place of wiped) await readBackZeros(restore, place);
}

/** Zeros a range; what of it lies in NetWare partitions may fail. Gives back what was zeroed. */
async function wipeRange(restore: RestoreRun, disk: string, place: Placement): Promise<Placement[]> {
  const { device, offset, length } = place;
  const partitions = restore.plan.targets.find((target) => target.disk === disk)?.netware ?? [];
  const borders = partitions
    .flatMap(({ start, sectors }) => [start * device.sectorSize, (start + sectors) * device.sectorSize])
    .filter((border) => border > offset && border < offset + length);
  const cuts = [offset, ...borders.toSorted((a, b) => a - b), offset + length];
  const wiped: Placement[] = [];
  for (const [index, from] of cuts.slice(0, -1).entries()) {
    const part = { device, offset: from, length: cuts[index + 1]! - from };
    if (inNetware(restore, disk, from)) {
      const zeroed = await wipeNetware(restore, disk, part);
      wiped.push(...zeroed.map((range) => ({ device, ...range })));
    } else {
      await restore.writer.zero([part], 0, part.length);
      wiped.push(part);
    }
  }
  return wiped;
}

function volumeStepOf(plan: Plan, volume: string): VolumeStep {
  const found = plan.steps.find((step) => step.kind === 'volume' && step.volume === volume);
  if (found?.kind !== 'volume') {
    throw new RemetalError('internal', `The plan changes the volume ${volume}, which it does not write`);
  }
  return found;
}

/** A step that changes a volume in place after it was written. */
type ChangeStep = Extract<PlanStep, { kind: 'grow' | 'efi' | 'purge' | 'extend' }>;

function isChange(step: PlanStep): step is ChangeStep {
  return step.kind === 'grow' || step.kind === 'efi' || step.kind === 'purge' || step.kind === 'extend';
}

async function change(restore: RestoreRun, step: ChangeStep): Promise<void> {
  switch (step.kind) {
    case 'grow':
      return await growVolume(restore, step);
    case 'efi':
      return await makeBootable(restore, step);
    case 'purge':
      return await purgeNetware(restore, step);
    case 'extend':
      return await extendNetware(restore, step);
  }
}

/** The steps before the present one that have changed a volume since it was written. */
function changesOf({ plan, state }: RestoreRun, volume: string): ChangeStep[] {
  return plan.steps
    .slice(0, state.step)
    .filter(isChange)
    .filter((step) => step.volume === volume);
}

/**
 * Changes a volume in place. That may be cut off at any point, so the journal says beforehand that the
 * volume is being changed; taken up again, it is first written anew from the set, and what earlier steps
 * did to it is done again.
 */
async function changing(restore: RestoreRun, next: ChangeStep): Promise<void> {
  const { volume } = next;
  const step = volumeStepOf(restore.plan, volume);
  const anew = restore.state.changing === volume;
  if (anew) {
    restore.state = { ...restore.state, verified: restore.state.verified.filter((id) => id !== volume) };
    await streamVolume(restore, step, { from: 0, commits: false });
  }
  await readBack(restore, step, anew);
  if (await mayChange(restore, step)) {
    await commit(restore, { changing: volume });
    for (const earlier of anew ? changesOf(restore, volume) : []) await change(restore, earlier);
    await change(restore, next);
  }
  restore.state = { ...restore.state, changing: null };
}

/**
 * False for a volume that lost structures of its file system, or nobody knows what: tools would "repair"
 * what may still be saved. Lost file contents do not matter to them, and the files are found out before.
 */
async function mayChange(restore: RestoreRun, step: VolumeStep): Promise<boolean> {
  if (damagedExtents(restore, step.volume).length === 0) return true;
  await restore.writer.barrier();
  const files = await filesHit(restore, step);
  if (files.length > 0 && files.every(({ part }) => part === 'data')) return true;
  note(restore, {
    level: 'warning',
    code: 'left-as-is',
    message: `${step.name} lost more than file contents and is left as it is, neither grown nor purged nor made bootable: check it by hand`,
    facts: { volume: step.volume },
  });
  return false;
}

/** @param anew The volume was just written from the set, whatever was done to it before. */
async function readBack(restore: RestoreRun, step: VolumeStep, anew = false): Promise<void> {
  if (!restore.verify || restore.state.verified.includes(step.volume)) return;
  if (!anew && changesOf(restore, step.volume).length > 0) {
    note(restore, {
      level: 'warning',
      code: 'not-read-back',
      message: `${step.name} was changed before reading back was asked for and cannot be compared any more`,
    });
    return;
  }
  await restore.writer.barrier();
  await readBackVolume(restore, step);
  restore.state = { ...restore.state, verified: [...restore.state.verified, step.volume] };
}

/** Reads back every volume that has not been yet. */
export async function readBackRest(restore: RestoreRun): Promise<void> {
  for (const step of restore.plan.steps) if (step.kind === 'volume') await readBack(restore, step);
}

/** True when nothing that should have been read back is left. */
export function allReadBack({ plan, state, verify }: RestoreRun): boolean {
  return verify && plan.steps.every((step) => step.kind !== 'volume' || state.verified.includes(step.volume));
}

async function growVolume(restore: RestoreRun, step: GrowStep): Promise<void> {
  const { device, identity } = targetOf(restore.targets, step.disk);
  const { sectorSize } = device;
  const place = {
    path: identity.path,
    offset: step.start * sectorSize,
    size: step.count * sectorSize,
    sectorSize,
  };
  restore.reporter.progress({ phase: 'grow', volume: step.name, doneBytes: 0, totalBytes: place.size });
  const grown = await grow({
    growth: growthOf(step),
    device,
    place,
    ...(step.fat === undefined ? {} : { relaid: relaidOf(step, step.fat, sectorSize) }),
    time: new Date(restore.plan.set.createdAt),
    run: restore.run,
    ...(restore.signal === undefined ? {} : { signal: restore.signal }),
    progress: (done, total) => {
      const doneBytes = Math.floor((place.size * done) / Math.max(1, total));
      restore.reporter.progress({ phase: 'grow', volume: step.name, doneBytes, totalBytes: place.size });
    },
  });
  if (grown.outcome !== 'grown') {
    note(restore, {
      level: 'warning',
      code: grown.outcome === 'left' ? 'left-as-is' : 'grown-differently',
      message:
        grown.outcome === 'left'
          ? `${step.name} keeps its size in the larger partition: ${grown.message}`
          : `${step.name}: ${grown.message}`,
      facts: { volume: step.volume },
    });
  }
  restore.reporter.progress({
    phase: 'grow',
    volume: step.name,
    doneBytes: place.size,
    totalBytes: place.size,
  });
}

function relaidOf(step: GrowStep, fat: FatGrowth, sectorSize: number): NonNullable<GrowRequest['relaid']> {
  const { type, blockSize, size, fat32, hidden, geometry } = fat;
  return {
    oldSize: step.oldCount * sectorSize,
    planned: { type, blockSize, size },
    fat32,
    hidden,
    geometry,
  };
}

function growthOf(step: GrowStep): Growth {
  if (step.by === 'resize2fs' || step.by === 'xfs_growfs') return { by: step.by };
  const driver = drivers.find(
    ({ family, growth }) => growth?.by === step.by && step.filesystem.startsWith(family),
  );
  if (driver?.growth === undefined) {
    throw new RemetalError('internal', `The plan grows ${step.name} in a way this program does not know`);
  }
  return driver.growth;
}

/**
 * Writes a part of the partition table. Where it is less than whole sectors, what else is in them stays.
 *
 * @throws `plan-mismatch` when the table comes out different from what the plan was made with.
 */
async function writeTable(restore: RestoreRun, step: TableStep): Promise<void> {
  const { device } = targetOf(restore.targets, step.disk);
  const { sectorSize } = device;
  const planned = restore.plan.targets.find((target) => target.disk === step.disk);
  const part = planned && tableWrites(planned.table, device).find((write) => write.offset === step.offset);
  const digest = part && `sha256:${createHash('sha256').update(part.bytes).digest('hex')}`;
  if (part === undefined || digest !== step.digest) {
    throw new RemetalError('plan-mismatch', `The plan's ${step.what} is not what its partition table gives`, {
      hint: 'Make the plan anew with the program that restores.',
      facts: { disk: step.disk, offset: step.offset },
    });
  }
  const sectors = Buffer.alloc(step.count * sectorSize);
  const offset = step.start * sectorSize;
  await device.read(sectors, offset);
  part.bytes.copy(sectors, step.offset - offset);
  try {
    await device.write(sectors, offset);
  } catch (error) {
    throw inSectors(error, device, offset, sectors.length);
  }
  await device.flush();
  if (restore.verify) await readBackBytes(restore, device, sectors, offset);
}

async function makeBootable(restore: RestoreRun, step: EfiStep): Promise<void> {
  const { device, identity } = targetOf(restore.targets, step.disk);
  const table = restore.plan.targets.find((target) => target.disk === step.disk)?.table;
  const partition =
    table?.kind === 'gpt' ? table.partitions.find((each) => each.number === step.partition) : undefined;
  await device.flush();
  await restoreBootLoaders({
    partitions: [
      {
        path: identity.path,
        bootable: identity.transport !== 'file',
        offset: step.start * device.sectorSize,
        number: step.partition,
        guid: partition?.guid ?? null,
      },
    ],
    restored: restore.plan.targets.flatMap(({ table: each }) =>
      each.kind === 'gpt' ? each.partitions.map(({ guid }) => guid) : [],
    ),
    bootEntry: step.bootEntry,
    time: new Date(restore.plan.set.createdAt),
    run: restore.run,
    notice: (notice) => note(restore, notice),
  });
  await device.flush();
}
