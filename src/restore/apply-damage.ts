import { normalize, type Extent } from '../bytes/index.ts';
import { detect, type AffectedFile } from '../filesystem/index.ts';
import { restoredNetwareFileSystem } from './apply-netware.ts';
import { note, type RestoreRun } from './apply-run.ts';
import { volumeOn } from './apply-targets.ts';
import type { BootStep, VolumeStep } from './plan-document.ts';
import type { RestoreReport } from './request.ts';

/** The byte extents of a volume that are zeros because their records could not be read. */
export function damagedExtents(restore: RestoreRun, volume: string): Extent[] {
  const index = restore.index(volume);
  const extents: Extent[] = [];
  for (const [id, first, count] of restore.state.damage) {
    if (id !== volume) continue;
    for (let group = first; group < first + count; group++) extents.push(...index.groupExtents(group));
  }
  return normalize(extents);
}

/** The damage of all volumes with the files it hits. */
export async function damageOf(restore: RestoreRun): Promise<RestoreReport['damage']> {
  const found: RestoreReport['damage'][number][] = [];
  for (const step of restore.plan.steps) {
    if (step.kind !== 'volume' && step.kind !== 'boot') continue;
    const runs = restore.state.damage.filter(([volume]) => volume === step.volume);
    if (runs.length === 0) continue;
    found.push({
      volume: step.name,
      extents: damagedExtents(restore, step.volume),
      files: await filesHit(restore, step),
      reason: [...new Set(runs.map(([, , , reason]) => reason))].join(', '),
    });
  }
  return found;
}

/** The files that own damaged bytes of a volume, found by walking what was restored; asked for once. */
export async function filesHit(
  restore: RestoreRun,
  step: VolumeStep | BootStep,
): Promise<readonly AffectedFile[]> {
  if (step.kind === 'boot') return [];
  const known = restore.filesHit.get(step.volume);
  if (known !== undefined) return known;
  const files = await walk(restore, step);
  restore.filesHit.set(step.volume, files);
  return files;
}

/** True when a step before the present one has moved the contents of the volume, so that the extents of the set say nothing. */
function wasLaidOutAnew({ plan, state }: RestoreRun, volume: string): boolean {
  return plan.steps
    .slice(0, state.step)
    .some((step) => step.kind === 'grow' && step.by === 'fat' && step.volume === volume);
}

async function walk(restore: RestoreRun, step: VolumeStep): Promise<readonly AffectedFile[]> {
  let why = 'its file system cannot be asked';
  try {
    if (wasLaidOutAnew(restore, step.volume)) {
      why = 'it was grown before the restore was taken up again';
    } else {
      const filesystem =
        (await restoredNetwareFileSystem(restore, step.volume)) ??
        (await detect(volumeOn(restore.targets, step)));
      if (filesystem?.filesIn !== undefined) {
        return await filesystem.filesIn(damagedExtents(restore, step.volume));
      }
    }
  } catch (error) {
    why = error instanceof Error ? error.message : String(error);
  }
  note(restore, {
    level: 'warning',
    code: 'files-unknown',
    message: `The files hit in ${step.name} are not known: ${why}`,
    facts: { volume: step.volume },
  });
  return [];
}
