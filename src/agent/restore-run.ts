import type { SetReader } from '../archive/index.ts';
import { identityOf, openDisk, type HostDisk } from '../disk/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import type { Reporter } from '../progress/index.ts';
import { apply, journalStore } from '../restore/apply.ts';
import type { RestoreTarget } from '../restore/apply-targets.ts';
import { openJournal, type JournalState } from '../restore/journal.ts';
import type { Plan } from '../restore/plan-document.ts';
import { volumeStarts } from '../restore/plan-starts.ts';
import { plan } from '../restore/plan.ts';
import type { PlanInput, RestoreReport, TargetDisk } from '../restore/request.ts';
import type { Wishes } from '../restore/wishes.ts';

export interface PlanRequest {
  readonly reader: SetReader;
  readonly candidates: readonly TargetDisk[];
  readonly wishes: Wishes;
  readonly firmware: 'bios' | 'uefi' | null;
  /** Where the journal is kept when not on a target; null for there. */
  readonly journalFile: string | null;
}

export interface Planned {
  readonly plan: Plan;
  /** What an interrupted run of this very plan left; null for a fresh start. */
  readonly found: JournalState | null;
}

/**
 * Makes the plan. A target that holds data nobody released is accepted all the same when the journal of
 * this very plan is on it: that data is the restore that was cut off. Throws what `plan` and the medium throw.
 */
export async function planRestore(request: PlanRequest): Promise<Planned> {
  const { reader, candidates, wishes, firmware } = request;
  const input: PlanInput = {
    head: reader.head,
    layout: reader.layout,
    maps: [...reader.maps.values()],
    candidates,
    wishes,
    starts: await volumeStarts(reader, wishes),
    firmware,
  };
  let made: Plan;
  try {
    made = plan(input);
  } catch (error) {
    if (!isCoded(error, 'target-holds-data')) throw error;
    const released = plan({ ...input, wishes: { ...wishes, release: ['all'] } });
    const found = await journalOf(released, request.journalFile);
    if (found === null) throw error;
    return { plan: released, found };
  }
  return { plan: made, found: await journalOf(made, request.journalFile) };
}

/** What the journal of a plan says; null where there is none, or one of another restore. */
export async function journalOf(made: Plan, file: string | null): Promise<JournalState | null> {
  const pinned = made.targets.find(({ disk }) => disk === made.journal?.disk);
  if (file === null && pinned === undefined) return null;
  return await withTargets(made, pinned === undefined ? [] : [pinned.disk], false, async (targets) => {
    const store = journalStore(made, targets, file);
    if (store === null) return null;
    try {
      return (await openJournal(store, { plan: made.hash, set: made.set.id, startAnew: false })).found;
    } catch (error) {
      if (isCoded(error, 'journal-foreign')) return null;
      throw error;
    }
  });
}

/** Throws `plan-mismatch` when a plan is not the one that was asked for. */
export function checkPin(made: Plan, pin: string | null): void {
  if (pin === null || made.hash === pin) return;
  throw new RemetalError('plan-mismatch', `The plan is ${made.hash}, not ${pin} that was asked for.`, {
    hint: 'Something differs from when the plan was made: the set, a target or a wish. Look at the plan again.',
    facts: { plan: made.hash, asked: pin },
  });
}

export interface ApplyRequest {
  readonly reader: SetReader;
  readonly plan: Plan;
  readonly journalFile: string | null;
  readonly startAnew: boolean;
  readonly verify: boolean;
  readonly onDamage: 'stop' | 'go-on';
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

/** Opens the targets of a plan and carries it out. Throws what `apply` throws, `disk-busy`, `not-permitted`. */
export async function applyRestore(request: ApplyRequest): Promise<RestoreReport> {
  const { plan: made, reader, journalFile, startAnew, verify, onDamage, reporter, signal } = request;
  const disks = made.targets.map(({ disk }) => disk);
  return withTargets(made, disks, true, (targets) =>
    apply(made, {
      reader,
      targets,
      journal: journalStore(made, targets, journalFile),
      startAnew,
      verify,
      onDamage,
      reporter,
      signal,
    }),
  );
}

async function withTargets<T>(
  made: Plan,
  disks: readonly string[],
  write: boolean,
  work: (targets: Map<string, RestoreTarget>) => Promise<T>,
): Promise<T> {
  const opened: HostDisk[] = [];
  try {
    const targets = new Map<string, RestoreTarget>();
    for (const { disk, path, sectorSize } of made.targets) {
      if (!disks.includes(disk)) continue;
      const device = await openDisk(path, { write, sectorSize });
      opened.push(device);
      targets.set(disk, { device, identity: await identityOf(path, sectorSize) });
    }
    return await work(targets);
  } finally {
    for (const device of opened) await device.close();
  }
}
