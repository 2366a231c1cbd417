import type { Group } from '../archive/index.ts';
import { subtract, type Extent } from '../bytes/index.ts';
import { checkStopped, commit, note, type RestoreRun } from './apply-run.ts';
import { placementsOf } from './apply-targets.ts';
import { piecesOf, type Placement } from './apply-writer.ts';
import { withDamage, type JournalState } from './journal.ts';
import type { BootStep, VolumeStep } from './plan-document.ts';

export interface StreamOptions {
  /** First group to write; those before it are on the disk. */
  readonly from: number;
  /** False when the volume is written again while the restore stands at a later step. */
  readonly commits: boolean;
}

/** Writes what the set holds of a volume, in the order of the set, committing the journal on the way. */
export async function streamVolume(
  restore: RestoreRun,
  step: VolumeStep | BootStep,
  options: StreamOptions,
): Promise<void> {
  const { reader, writer, interval, plan } = restore;
  const segments = placementsOf(restore.targets, step.segments);
  const index = restore.index(step.volume);
  let next = options.from;
  let damage = restore.state.damage.filter(([volume, group]) => volume !== step.volume || group < next);
  let written = 0;
  let unreadable = 0;
  let committedAt = performance.now();
  const point = (): Partial<JournalState> => ({ damage, ...(options.commits ? { group: next } : {}) });
  for (let group = 0; group < next; group++) restore.doneBytes += index.groupLength(group);
  try {
    if (next === 0) {
      for (const { start, length } of knownZeros(restore, step.volume)) {
        await zeroBesideJournal(restore, segments, start, length);
      }
    }
    for await (const group of reader.groups(step.volume, { from: next, onDamage: 'report' })) {
      checkStopped(restore);
      if (group.damage !== null) {
        if (restore.onDamage === 'stop') throw group.damage;
        damage = withDamage(damage, step.volume, group.index, group.damage.code);
        note(restore, {
          level: 'warning',
          code: 'record-lost',
          message: `A record of ${step.name} cannot be read; its sectors become zeros: ${group.damage.message}`,
          facts: { volume: step.volume, group: group.index, code: group.damage.code },
        });
      }
      unreadable += group.unreadable.reduce((sum, extent) => sum + extent.length, 0);
      await writeGroup(restore, segments, group, step.kind === 'boot' ? step.blank : []);
      group.release?.();
      next = group.index + 1;
      const length = index.groupLength(group.index);
      written += length;
      restore.doneBytes += length;
      restore.reporter.progress({
        phase: 'restore',
        volume: step.name,
        doneBytes: restore.doneBytes,
        totalBytes: plan.bytes,
      });
      const due = written >= interval.bytes || performance.now() - committedAt >= interval.milliseconds;
      if (due && options.commits && restore.journal !== null) {
        await commit(restore, point());
        written = 0;
        committedAt = performance.now();
      }
    }
    // Where the set has its totals within reach this was told before anything was written.
    if (reader.totals === null && unreadable > 0) tellUnreadable(restore, step, unreadable);
    await commit(restore, point());
  } catch (error) {
    // Where the disks still answer, nothing that reached them is lost; where they do not, the last point stands.
    await commit(restore, point()).catch(() => writer.settle());
    throw error;
  }
}

/** What the backup could not read is zeros in the set, and so it will be here. */
export function tellUnreadable(
  restore: RestoreRun,
  { volume, name }: Pick<VolumeStep, 'volume' | 'name'>,
  bytes: number,
  extents?: readonly Extent[],
): void {
  note(restore, {
    level: 'warning',
    code: 'unreadable-at-backup',
    message: `${bytes} bytes of ${name} could not be read when it was backed up and are zeros`,
    facts: { volume, ...(extents === undefined ? {} : { extents }) },
  });
}

/** What the map of a volume says is zeros without a record. */
export function knownZeros({ reader }: RestoreRun, volume: string): readonly Extent[] {
  return reader.maps.get(volume)?.zero ?? [];
}

/** Zeroes a range of a volume but for the journal in it, whose place the last step clears. */
async function zeroBesideJournal(
  { writer, targets, plan }: RestoreRun,
  segments: readonly Placement[],
  start: number,
  length: number,
): Promise<void> {
  const [journal] = plan.journal === null ? [] : placementsOf(targets, [plan.journal]);
  for (const piece of piecesOf(segments, start, length)) {
    const whole = [{ start: piece.offset, length: piece.length }];
    const kept = journal?.device === piece.device ? [{ start: journal.offset, length: journal.length }] : [];
    for (const part of subtract(whole, kept)) {
      await writer.zero(segments, start + piece.from + part.start - piece.offset, part.length);
    }
  }
}

async function writeGroup(
  { writer }: RestoreRun,
  segments: readonly Placement[],
  group: Group,
  blank: BootStep['blank'],
): Promise<void> {
  let at = 0;
  for (const { start, length } of group.extents) {
    if (group.plain === null) await writer.zero(segments, start, length);
    else {
      const bytes = group.plain.subarray(at, at + length);
      blankOut(bytes, segments, start, blank);
      await writer.put(segments, start, bytes);
    }
    at += length;
  }
}

/** Zeroes in `bytes`, which belong at `start` of the volume, what falls on the blanks of the disk. */
export function blankOut(
  bytes: Buffer,
  segments: readonly Placement[],
  start: number,
  blank: BootStep['blank'],
): void {
  if (blank.length === 0) return;
  for (const piece of piecesOf(segments, start, bytes.length)) {
    for (const { offset, length } of blank) {
      const from = Math.max(offset, piece.offset);
      const to = Math.min(offset + length, piece.offset + piece.length);
      if (from < to) bytes.fill(0, piece.from + from - piece.offset, piece.from + to - piece.offset);
    }
  }
}
