import type { SetReader, VolumeIndex } from '../archive/index.ts';
import type { BufferPool } from '../disk/buffers.ts';
import { RemetalError } from '../errors/index.ts';
import type { AffectedFile } from '../filesystem/filesystem.ts';
import type { Notice, Reporter } from '../progress/index.ts';
import type { run } from '../system/index.ts';
import type { RestoreTargets } from './apply-targets.ts';
import type { VolumeWriter } from './apply-writer.ts';
import type { Journal, JournalState } from './journal.ts';
import type { Plan } from './plan-document.ts';

/** When the journal is written while a volume is streamed: after so many bytes or so long. */
export interface CommitInterval {
  readonly bytes: number;
  readonly milliseconds: number;
}

/** What all steps of one run share. */
export interface RestoreRun {
  readonly plan: Plan;
  readonly reader: SetReader;
  readonly targets: RestoreTargets;
  readonly writer: VolumeWriter;
  readonly pool: BufferPool;
  readonly journal: Journal | null;
  readonly interval: CommitInterval;
  readonly verify: boolean;
  readonly onDamage: 'stop' | 'go-on';
  readonly reporter: Reporter;
  readonly notices: Notice[];
  readonly signal: AbortSignal | undefined;
  readonly run: typeof run;
  /** Which group of a volume holds what. */
  readonly index: (volume: string) => VolumeIndex;
  /** By volume: the files that damage hits, once they were asked for. */
  readonly filesHit: Map<string, readonly AffectedFile[]>;
  /** Where the restore stands; what was committed last may be behind. */
  state: JournalState;
  /** Bytes of volumes written or found written, for the progress. */
  doneBytes: number;
  readBackBytes: number;
  readBackSeconds: number;
}

/** Passes a notice on and keeps it for the report. */
export function note(restore: RestoreRun, notice: Notice): void {
  restore.notices.push(notice);
  restore.reporter.notice(notice);
}

/** Makes everything written so far durable and then `state` the point to go on from. */
export async function commit(restore: RestoreRun, state: Partial<JournalState>): Promise<void> {
  await restore.writer.barrier();
  restore.state = { ...restore.state, ...state };
  if (restore.journal === null || (await restore.journal.commit(restore.state))) return;
  if (restore.notices.some((notice) => notice.code === 'journal-full')) return;
  note(restore, {
    level: 'warning',
    code: 'journal-full',
    message: 'The list of damage has outgrown the journal: an interrupted restore would start further back',
  });
}

/** @throws `interrupted` when the person stopped the restore. */
export function checkStopped(restore: RestoreRun): void {
  if (restore.signal?.aborted !== true) return;
  throw new RemetalError('interrupted', 'The restore was stopped', {
    hint: 'Start it again with the same plan and it goes on where it stopped.',
    facts: { step: restore.state.step },
  });
}
