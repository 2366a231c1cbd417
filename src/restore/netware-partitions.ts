import { createHash } from 'node:crypto';
import { RemetalError } from '../errors/index.ts';
import { tableWrites, type Geometry, type Table } from '../layout/index.ts';
import {
  dataPartitionWrites,
  newDataPartition,
  volumeTableWrites,
  type DataPartition,
  type NetwareWrite,
} from '../layout/netware/index.ts';
import type { NetwareStep, PlanDataPartition } from './plan-netware-document.ts';

/** A data partition of a plan before anything is on it. Throws what `newDataPartition` throws. */
export function plannedPartition(planned: PlanDataPartition): DataPartition {
  const { sectors, id, group, created, hotfixSectors } = planned;
  return newDataPartition({ sectors, id, group, created, hotfixSectors });
}

/**
 * The writes of a part of a data partition, offsets in bytes: of the partition for its hotfix area, of
 * the logical partition for its volume table. Pure.
 */
export function netwareWrites(
  planned: PlanDataPartition,
  part: NetwareStep['part'],
  disk: { readonly table: Table; readonly geometry: Geometry },
): NetwareWrite[] {
  if (part === 'volume-table') return volumeTableWrites(planned.segments);
  const sector0 = tableWrites(disk.table, disk.geometry).find(({ offset }) => offset === 446);
  return dataPartitionWrites(plannedPartition(planned), sector0?.bytes ?? null);
}

/** What pins such writes: SHA-256 over offset (64-bit, little-endian) and bytes of each, in order. */
export function netwareWritesDigest(writes: readonly NetwareWrite[]): string {
  const hash = createHash('sha256');
  for (const { offset, bytes } of writes) {
    const at = Buffer.alloc(8);
    at.writeBigUInt64LE(BigInt(offset));
    hash.update(at).update(bytes);
  }
  return `sha256:${hash.digest('hex')}`;
}

/**
 * The writes of a step.
 *
 * @throws `plan-mismatch` when they come out different from what the plan was made with.
 */
export function writesOfStep(
  step: NetwareStep,
  planned: PlanDataPartition | undefined,
  disk: { readonly table: Table; readonly geometry: Geometry },
): NetwareWrite[] {
  const writes = planned === undefined ? [] : netwareWrites(planned, step.part, disk);
  if (netwareWritesDigest(writes) === step.digest) return writes;
  throw new RemetalError('plan-mismatch', `The plan's ${step.what} is not what its partition gives`, {
    hint: 'Make the plan anew with the program that restores.',
    facts: { disk: step.disk, partition: step.partition },
  });
}
