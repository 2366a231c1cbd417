import type { SetReader, VolumeIndex } from '../archive/index.ts';
import { bufferPool } from '../disk/buffers.ts';
import { RemetalError } from '../errors/index.ts';
import type { Notice, Reporter } from '../progress/index.ts';
import { run as runProgram } from '../system/index.ts';
import { damageOf } from './apply-damage.ts';
import { movedUnits, netwareTargets, openLaidPartitions } from './apply-netware.ts';
import { commit, note, checkStopped, type CommitInterval, type RestoreRun } from './apply-run.ts';
import { allReadBack, doStep, readBackRest } from './apply-steps.ts';
import { checkTogether, targetOf, type RestoreTargets } from './apply-targets.ts';
import { tellUnreadable } from './apply-volume.ts';
import { VolumeWriter } from './apply-writer.ts';
import { diskJournal, fileJournal, openJournal, type JournalState, type JournalStore } from './journal.ts';
import type { Plan } from './plan-document.ts';
import type { RestoreReport } from './request.ts';

export interface ApplyOptions {
  readonly reader: SetReader;
  readonly targets: RestoreTargets;
  /** From `journalStore`; null restores without one, and what is interrupted starts from the beginning. */
  readonly journal: JournalStore | null;
  /** Give up what an interrupted restore left in the journal. */
  readonly startAnew?: boolean;
  /** Read everything back and compare it. */
  readonly verify: boolean;
  /** At a record that cannot be read: `stop` throws its error, `go-on` leaves zeros and lists the files. */
  readonly onDamage: 'stop' | 'go-on';
  readonly reporter: Reporter;
  readonly signal?: AbortSignal;
  /** 256 MiB or 5 s by default. */
  readonly interval?: CommitInterval;
  /** How programs are run; for tests. */
  readonly run?: typeof runProgram;
}

/** Writes go out in pieces of this size, as many at a time as the thread pool has threads. */
const writeSize = 4 * 1024 * 1024;
const writesInFlight = 4;

const usualInterval: CommitInterval = { bytes: 256 * 1024 * 1024, milliseconds: 5000 };

/** Where the journal of a plan is kept: in `file` when one is named, else on the disk the plan names; null when neither. */
export function journalStore(plan: Plan, targets: RestoreTargets, file: string | null): JournalStore | null {
  if (file !== null) return fileJournal(file);
  if (plan.journal === null) return null;
  const { device } = targetOf(targets, plan.journal.disk);
  return diskJournal(device, plan.journal.start * device.sectorSize);
}

/**
 * Does the steps of a plan, in order, and nothing else. Interrupted at any moment and called again
 * with the same plan and journal it goes on at the last committed point and ends in the same bytes.
 * A restore with damage resolves; its caller ends with `restore-incomplete`.
 *
 * @throws `plan-mismatch`, `target-changed`, `target-not-found`, `journal-foreign` before anything is
 *   written; `disk-gone`, `disk-write-failed`, `verify-mismatch`, `interrupted`, `program-failed` and
 *   whatever the set throws later, with the journal intact.
 */
export async function apply(plan: Plan, options: ApplyOptions): Promise<RestoreReport> {
  const { reader } = options;
  const targets = netwareTargets(plan, options.targets);
  const startedAt = performance.now();
  checkTogether(plan, reader, targets);
  const journal =
    options.journal === null
      ? null
      : await openJournal(options.journal, {
          plan: plan.hash,
          set: plan.set.id,
          startAnew: options.startAnew === true,
        });
  const pool = bufferPool(slabSizeFor(reader), writesInFlight);
  const notices: Notice[] = [];
  const fresh: JournalState = {
    plan: plan.hash,
    set: plan.set.id,
    step: 0,
    group: 0,
    changing: null,
    verified: [],
    damage: [],
  };
  const restore: RestoreRun = {
    plan,
    reader,
    targets,
    writer: new VolumeWriter(pool),
    pool,
    journal,
    interval: options.interval ?? usualInterval,
    verify: options.verify,
    onDamage: options.onDamage,
    reporter: options.reporter,
    notices,
    signal: options.signal,
    run: options.run ?? runProgram,
    index: (volume) => indexOf(reader, volume),
    state: journal?.found ?? fresh,
    filesHit: new Map(),
    doneBytes: 0,
    readBackBytes: 0,
    readBackSeconds: 0,
  };
  tellAllUnreadable(restore);
  const resumedAt = await start(restore);
  await openLaidPartitions(restore);
  for (let step = restore.state.step; step < plan.steps.length; step++) {
    checkStopped(restore);
    const next = plan.steps[step]!;
    await doStep(restore, next, restore.state.step === step ? restore.state.group : 0);
    // After the last step the place of the journal holds what it shall hold.
    if (next.kind !== 'clear') await commit(restore, { step: step + 1, group: 0 });
  }
  await readBackRest(restore);
  const damage = await damageOf(restore);
  const moved = await movedUnits(restore);
  await journal?.remove(null);
  options.reporter.progress({ phase: 'finish', doneBytes: plan.bytes, totalBytes: plan.bytes });
  return {
    planHash: plan.hash,
    writtenBytes: restore.writer.writtenBytes,
    seconds: (performance.now() - startedAt) / 1000,
    verified: allReadBack(restore),
    readBack: options.verify ? { bytes: restore.readBackBytes, seconds: restore.readBackSeconds } : null,
    resumedAt,
    damage,
    moved,
    notices: notices.map(({ code, message }) => ({ code, message })),
  };
}

/** A whole group is read back into one buffer, so none may be smaller than the largest group. */
function slabSizeFor(reader: SetReader): number {
  return Math.max(writeSize, ...[...reader.maps.keys()].map((id) => reader.index(id).largestGroup));
}

function indexOf(reader: SetReader, volume: string): VolumeIndex {
  if (reader.maps.has(volume)) return reader.index(volume);
  throw new RemetalError('internal', `The set holds no volume ${volume}`);
}

/** Goes on where the journal points, or makes its first entry; the step that is gone on from, or null. */
async function start(restore: RestoreRun): Promise<number | null> {
  const { plan, journal, state } = restore;
  if (journal?.found === null || journal === null) {
    if (journal === null) {
      note(restore, {
        level: 'warning',
        code: 'no-journal',
        message: 'This restore keeps no journal: should it be interrupted, it starts from the beginning',
      });
    }
    await commit(restore, {});
    return null;
  }
  if (state.step > plan.steps.length) {
    throw new RemetalError('journal-foreign', 'The journal speaks of steps that the plan does not have', {
      facts: { step: state.step, steps: plan.steps.length },
    });
  }
  for (const step of plan.steps.slice(0, state.step)) {
    if (step.kind === 'volume' || step.kind === 'boot')
      restore.doneBytes += restore.index(step.volume).plainBytes;
  }
  note(restore, {
    level: 'info',
    code: 'resumed',
    message: `An interrupted restore is taken up at step ${state.step + 1} of ${plan.steps.length}`,
  });
  return state.step;
}

function tellAllUnreadable(restore: RestoreRun): void {
  for (const step of restore.plan.steps) {
    if (step.kind !== 'volume' && step.kind !== 'boot') continue;
    const totals = restore.reader.totals?.volumes.find(({ volume }) => volume === step.volume);
    const extents = totals?.unreadable ?? [];
    const bytes = extents.reduce((sum, extent) => sum + extent.length, 0);
    if (bytes > 0) tellUnreadable(restore, step, bytes, extents);
  }
}
