import { hash } from 'node:crypto';
import { intersect, subtract, type Extent } from '../bytes/index.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import { checkStopped, note, type RestoreRun } from './apply-run.ts';
import { placementsOf } from './apply-targets.ts';
import { blankOut, knownZeros } from './apply-volume.ts';
import { piecesOf, type Placement } from './apply-writer.ts';
import type { BootStep, VolumeStep } from './plan-document.ts';

/** Groups that are read and compared at a time. */
const inFlight = 3;

/**
 * Reads a volume back from its disks and compares it with the checksums of the set: groups by their
 * digest, damaged groups and known zeros by being zeros. The disks have been flushed.
 *
 * @throws `verify-mismatch` with the byte extents of the volume that differ (the first 100).
 */
export async function readBackVolume(restore: RestoreRun, step: VolumeStep): Promise<void> {
  const startedAt = performance.now();
  const segments = placementsOf(restore.targets, step.segments);
  const index = restore.index(step.volume);
  const lost = new Set(
    restore.state.damage
      .filter(([volume]) => volume === step.volume)
      .flatMap(([, first, count]) => Array.from({ length: count }, (_, i) => first + i)),
  );
  const different: Extent[] = [];
  const pending = new Set<Promise<void>>();
  let failure: unknown = null;
  let doneBytes = 0;
  const compare = async (extents: readonly Extent[], digest: Buffer | null): Promise<void> => {
    const bytes = await agrees(restore, segments, extents, digest);
    if (bytes === null) different.push(...extents);
    else restore.readBackBytes += bytes;
  };
  const start = (extents: readonly Extent[], digest: Buffer | null): void => {
    const work = compare(extents, digest)
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => pending.delete(work));
    pending.add(work);
  };
  for await (const { index: group, digest } of expected(restore, step)) {
    checkStopped(restore);
    start(index.groupExtents(group), lost.has(group) ? null : digest);
    doneBytes += index.groupLength(group);
    restore.reporter.progress({
      phase: 'read-back',
      volume: step.name,
      doneBytes,
      totalBytes: index.plainBytes,
    });
    if (pending.size >= inFlight) await Promise.race(pending);
    if (failure !== null) break;
  }
  for (const extent of knownZeros(restore, step.volume)) {
    if (failure !== null) break;
    checkStopped(restore);
    start([extent], null);
    if (pending.size >= inFlight) await Promise.race(pending);
  }
  await Promise.all(pending);
  restore.readBackSeconds += (performance.now() - startedAt) / 1000;
  if (failure !== null) throw failure;
  if (different.length > 0) throw differs(step.name, step.volume, different);
}

/** What each group should be: by the table of the set, and where that is damaged by its records, read once more. */
async function* expected(
  restore: RestoreRun,
  step: VolumeStep,
): AsyncGenerator<{ index: number; digest: Buffer | null }, void, undefined> {
  let next = 0;
  try {
    for await (const checksum of restore.reader.checksums(step.volume)) {
      yield checksum;
      next = checksum.index + 1;
    }
  } catch (error) {
    if (!isCoded(error, 'record-damaged', 'record-misplaced', 'record-missing')) throw error;
    note(restore, {
      level: 'warning',
      code: 'checksums-damaged',
      message: `The table of checksums is damaged: ${step.name} is compared with its records instead`,
    });
    for await (const { index, plain } of restore.reader.groups(step.volume, {
      from: next,
      onDamage: 'report',
    })) {
      yield { index, digest: plain === null ? null : hash('sha256', plain, 'buffer') };
    }
  }
}

function differs(name: string, volume: string, extents: readonly Extent[]): RemetalError {
  const sorted = extents.toSorted((a, b) => a.start - b.start);
  const bytes = sorted.reduce((sum, extent) => sum + extent.length, 0);
  return new RemetalError(
    'verify-mismatch',
    `${name} reads back different from what was written: ${bytes} bytes from byte ${sorted[0]!.start} on`,
    {
      hint: 'The disk or the way to it is not sound: try another disk, cable or controller.',
      facts: { volume, bytes, extents: sorted.slice(0, 100), extentCount: sorted.length },
    },
  );
}

/** The number of bytes read where the disk holds what it should; null where it does not. */
async function agrees(
  restore: RestoreRun,
  segments: readonly Placement[],
  extents: readonly Extent[],
  digest: Buffer | null,
): Promise<number | null> {
  const slab = await restore.pool.acquire();
  try {
    if (digest === null) {
      for (const extent of extents) {
        if (!(await readsZero(segments, extent, slab.bytes))) return null;
      }
      return extents.reduce((sum, extent) => sum + extent.length, 0);
    }
    let at = 0;
    for (const { start, length } of extents) {
      await readPieces(segments, start, slab.bytes.subarray(at, at + length));
      at += length;
    }
    const found = hash('sha256', slab.bytes.subarray(0, at), 'buffer');
    return found.subarray(0, digest.length).equals(digest) ? at : null;
  } finally {
    slab.release();
  }
}

async function readPieces(segments: readonly Placement[], start: number, target: Buffer): Promise<void> {
  for (const { device, offset, length, from } of piecesOf(segments, start, target.length)) {
    await device.read(target.subarray(from, from + length), offset);
  }
}

/** True when a range of a volume reads as zeros; the holes of an image file are not read. */
async function readsZero(segments: readonly Placement[], extent: Extent, scratch: Buffer): Promise<boolean> {
  for (const { device, offset, length } of piecesOf(segments, extent.start, extent.length)) {
    const range = [{ start: offset, length }];
    const filled = device.dataExtents === undefined ? range : intersect(await device.dataExtents(), range);
    for (const part of filled) {
      for (let done = 0; done < part.length; done += scratch.length) {
        const piece = scratch.subarray(0, Math.min(scratch.length, part.length - done));
        await device.read(piece, part.start + done);
        if (!isZero(piece)) return false;
      }
    }
  }
  return true;
}

function isZero(bytes: Buffer): boolean {
  return bytes.length === 0 || (bytes[0] === 0 && bytes.subarray(1).equals(bytes.subarray(0, -1)));
}

/**
 * Reads boot code and gap back and compares them with the set itself, read once more: what the plan
 * blanks out differs from the stored records. Called before the partition table is written.
 *
 * @throws `verify-mismatch`
 */
export async function readBackBoot(restore: RestoreRun, step: BootStep): Promise<void> {
  const startedAt = performance.now();
  const segments = placementsOf(restore.targets, step.segments);
  for await (const group of restore.reader.groups(step.volume, { from: 0, onDamage: 'report' })) {
    checkStopped(restore);
    let at = 0;
    for (const { start, length } of group.extents) {
      const wanted = group.plain?.subarray(at, at + length) ?? Buffer.alloc(length);
      blankOut(wanted, segments, start, step.blank);
      const found = Buffer.alloc(length);
      await readPieces(segments, start, found);
      if (!found.equals(wanted)) throw differs(step.name, step.volume, [{ start, length }]);
      restore.readBackBytes += length;
      at += length;
    }
  }
  restore.readBackSeconds += (performance.now() - startedAt) / 1000;
}

/**
 * Compares bytes of a disk, on its sector grid, with what was written there.
 *
 * @throws `verify-mismatch`
 */
export async function readBackBytes(
  restore: RestoreRun,
  device: BlockDevice,
  wanted: Buffer,
  offset: number,
): Promise<void> {
  const startedAt = performance.now();
  const found = Buffer.alloc(wanted.length);
  await device.read(found, offset);
  restore.readBackSeconds += (performance.now() - startedAt) / 1000;
  restore.readBackBytes += wanted.length;
  if (!found.equals(wanted)) {
    throw new RemetalError(
      'verify-mismatch',
      `${device.name} reads back different from what was written at sector ${offset / device.sectorSize}`,
      { facts: { disk: device.name, offset, length: wanted.length } },
    );
  }
}

/**
 * Reads a wiped range back.
 *
 * @throws `verify-mismatch`
 */
export async function readBackZeros(restore: RestoreRun, place: Placement): Promise<void> {
  const startedAt = performance.now();
  const slab = await restore.pool.acquire();
  try {
    if (!(await readsZero([place], { start: 0, length: place.length }, slab.bytes))) {
      const { device, offset, length } = place;
      throw new RemetalError(
        'verify-mismatch',
        `${device.name} does not read back as zeros from sector ${offset / device.sectorSize} on`,
        { facts: { disk: device.name, offset, length } },
      );
    }
  } finally {
    slab.release();
  }
  restore.readBackSeconds += (performance.now() - startedAt) / 1000;
  restore.readBackBytes += place.length;
}

/** The ranges of a wipe without the place of the journal, which the last step clears. Sectors. */
export function withoutJournal(
  ranges: readonly { start: number; count: number }[],
  journal: Extent | null,
): Extent[] {
  const extents = ranges.map(({ start, count }) => ({ start, length: count }));
  return journal === null ? extents : subtract(extents, [journal]);
}
