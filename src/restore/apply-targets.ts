import type { SetReader } from '../archive/index.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { joined } from '../disk/joined.ts';
import { slice } from '../disk/slice.ts';
import type { DiskIdentity } from '../disk/identity.ts';
import { RemetalError } from '../errors/index.ts';
import type { Placement } from './apply-writer.ts';
import { extentsDigest, planHash, type Plan, type SectorRun, type VolumeStep } from './plan-document.ts';
import { checkTarget } from './targets.ts';

/** A disk the restore writes to, open for writing. */
export interface RestoreTarget {
  readonly device: BlockDevice;
  /** Asked for after it was opened. */
  readonly identity: DiskIdentity;
}

/** By disk id of the set. */
export type RestoreTargets = ReadonlyMap<string, RestoreTarget>;

/**
 * Makes sure that plan, set and disks belong together.
 *
 * @throws `plan-mismatch` when the plan was made for another set, `target-changed` when a disk is not
 *   the one the plan names, `target-not-found` when one is missing.
 */
export function checkTogether(plan: Plan, reader: SetReader, targets: RestoreTargets): void {
  if (planHash(plan) !== plan.hash) throw mismatch(plan, 'its hash is not its own');
  if (reader.head.setId !== plan.set.id) throw mismatch(plan, `it was made for the set ${plan.set.id}`);
  for (const step of plan.steps) {
    if (step.kind !== 'volume' && step.kind !== 'boot') continue;
    const map = reader.maps.get(step.volume);
    if (map === undefined) throw mismatch(plan, `the set holds no volume ${step.volume}`);
    if (extentsDigest(map) !== step.digest) {
      throw mismatch(plan, `the set holds other extents of ${step.volume} than the plan was made for`);
    }
  }
  for (const planned of plan.targets) {
    const found = targets.get(planned.disk);
    if (found === undefined) {
      throw new RemetalError(
        'target-not-found',
        `The target of ${planned.disk}, ${planned.path}, is not there`,
        {
          facts: { disk: planned.disk, path: planned.path, serial: planned.serial, wwn: planned.wwn },
        },
      );
    }
    const { size, sectorSize } = found.device;
    checkTarget(planned, { ...found.identity, size, sectorSize });
  }
}

function mismatch(plan: Plan, why: string): RemetalError {
  return new RemetalError('plan-mismatch', `The plan does not belong to this set: ${why}`, {
    hint: 'Make the plan anew with remetal plan.',
    facts: { plan: plan.hash, set: plan.set },
  });
}

/** The target of a disk of the plan; `checkTogether` made sure that there is one. */
export function targetOf(targets: RestoreTargets, disk: string): RestoreTarget {
  const target = targets.get(disk);
  if (target === undefined)
    throw new RemetalError('internal', `The plan names a disk ${disk} without a target`);
  return target;
}

/** Runs of sectors as byte ranges of the devices they lie on. */
export function placementsOf(targets: RestoreTargets, runs: readonly SectorRun[]): Placement[] {
  return runs.map(({ disk, start, count }) => {
    const { device } = targetOf(targets, disk);
    return { device, offset: start * device.sectorSize, length: count * device.sectorSize };
  });
}

/** A volume as it stands on its targets; closing it leaves them open. */
export function volumeOn(
  targets: RestoreTargets,
  { name, segments }: Pick<VolumeStep, 'name' | 'segments'>,
): BlockDevice {
  const parts = placementsOf(targets, segments).map(({ device, offset, length }) =>
    slice(device, offset, length),
  );
  return parts.length === 1 ? parts[0]! : joined(parts, name);
}
