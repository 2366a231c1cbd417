import { formatBytes } from '../bytes/index.ts';
import type { GrowStep, Plan, PlanStep, PlanTarget, SectorRun } from './plan-document.ts';

/** Sectors from here to there, last one named. */
function sectors({ start, count }: { readonly start: number; readonly count: number }): string {
  return count === 1 ? `sector ${start}` : `sectors ${start} to ${start + count - 1}`;
}

function describeTarget(target: PlanTarget): string[] {
  const names = [
    target.model,
    target.serial === null ? null : `serial ${target.serial}`,
    target.wwn === null ? null : `WWN ${target.wwn}`,
  ].filter((name) => name !== null && name !== '');
  const known = names.length === 0 ? '' : `, ${names.join(', ')}`;
  const lost =
    target.holds.length === 0 ? 'it is blank, nothing is lost' : `WILL BE LOST: ${target.holds.join(', ')}`;
  return [
    `${target.disk} goes onto ${target.path} (${formatBytes(target.size)}, sectors of ${target.sectorSize} bytes${known})`,
    `  ${lost}`,
  ];
}

function where(runs: readonly SectorRun[]): string {
  return runs.map((run) => `${run.disk} ${sectors(run)}`).join(', ');
}

function growthBy({ by, fat }: GrowStep): string {
  return fat === undefined ? by : `laid out anew as ${fat.type}, clusters of ${formatBytes(fat.blockSize)}`;
}

function describeStep(step: PlanStep, sectorSizes: ReadonlyMap<string, number>): string {
  const size = (disk: string, count: number): string => formatBytes(count * (sectorSizes.get(disk) ?? 0));
  switch (step.kind) {
    case 'wipe': {
      const count = step.ranges.reduce((sum, range) => sum + range.count, 0);
      const runs = step.ranges.length === 1 ? '' : ` in ${step.ranges.length} runs`;
      return `wipe ${step.what}: ${step.disk} ${sectors(step)}, ${count} of them (${size(step.disk, count)})${runs}`;
    }
    case 'volume':
    case 'boot': {
      const kind = step.filesystem === null ? '' : ` (${step.filesystem})`;
      return `write ${step.name}${kind}: ${formatBytes(step.bytes)} of ${formatBytes(step.size)} in ${step.extents} extents to ${where(step.segments)}`;
    }
    case 'grow':
      return `grow ${step.name} (${step.filesystem}, ${growthBy(step)}): from ${size(step.disk, step.oldCount)} to ${size(step.disk, step.count)}, ${step.disk} ${sectors(step)}`;
    case 'table':
      return `write ${step.what}: ${step.disk} ${sectors(step)}, ${step.length} bytes at byte ${step.offset}`;
    case 'efi':
      return `make ${step.disk} partition ${step.partition} bootable under EFI: fallback loader${step.bootEntry ? ' and a boot entry in the firmware' : ''}`;
    case 'netware': {
      const count = step.ranges.reduce((sum, range) => sum + range.count, 0);
      return `write ${step.what}: ${step.disk} ${sectors(step)}, ${count} of them (${size(step.disk, count)}) in ${step.ranges.length} runs`;
    }
    case 'extend':
      return `extend the FAT of ${step.name} from ${step.oldBlocks} to ${step.blocks} blocks: ${where(step.segments)}`;
    case 'purge':
      return `purge the deleted files of ${step.name}, whose contents the set does not hold: ${where(step.segments)}`;
    default:
      return `clear ${step.what}: ${step.disk} ${sectors(step)} (${size(step.disk, step.count)})`;
  }
}

/** A plan as lines for a person: targets and what is lost, every step in order, notices, the hash. Pure. */
export function describePlan(plan: Plan): string[] {
  const sectorSizes = new Map(plan.targets.map((target) => [target.disk, target.sectorSize]));
  const width = String(plan.steps.length).length;
  return [
    `set ${plan.set.name} of ${plan.set.createdAt} (${plan.set.id})`,
    ...plan.targets.flatMap(describeTarget),
    '',
    ...plan.steps.map(
      (step, index) => `${String(index + 1).padStart(width)}. ${describeStep(step, sectorSizes)}`,
    ),
    '',
    plan.journal === null
      ? 'no room for a journal on the targets: an interrupted restore starts again from its first step unless it is kept in a file'
      : `journal while it runs: ${where([plan.journal])}`,
    ...plan.notices.map((notice) => `${notice.level === 'warning' ? 'warning' : 'note'}: ${notice.message}`),
    `${formatBytes(plan.bytes)} of data will be written`,
    `plan ${plan.hash}`,
  ];
}
