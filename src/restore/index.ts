/**
 * restore/: the way back. The plan is pure: layout, target disks and wishes in, every write out. Apply
 * does exactly those writes, keeps a journal, reads back, grows, makes bootable. May import everything
 * below it: archive, filesystem, layout, disk, system, progress, bytes, errors; not backup.
 */
export { apply, journalStore, type ApplyOptions } from './apply.ts';
export type { CommitInterval } from './apply-run.ts';
export type { RestoreTarget, RestoreTargets } from './apply-targets.ts';
export {
  diskJournal,
  fileJournal,
  openJournal,
  type Journal,
  type JournalState,
  type JournalStore,
} from './journal.ts';
export {
  logBeside,
  logging,
  logIntoSystem,
  logName,
  logText,
  type LogCandidate,
  type LogFacts,
  type LoggingReporter,
} from './log.ts';
export { withLoop, withMount, type VolumePlace } from './mounting.ts';
export { describePlan } from './plan-description.ts';
export { parsePlan, type Plan, type PlanStep, type PlanTarget, type SectorRun } from './plan-document.ts';
export { volumeStarts } from './plan-starts.ts';
export { plan } from './plan.ts';
export type { PlanInput, RestoreReport, TargetDisk } from './request.ts';
export { describeContents } from './target-contents.ts';
export { describeDisk, findTarget, matchesRule } from './targets.ts';
export { targetRuleSchema, wishesSchema, type TargetRule, type Wishes } from './wishes.ts';
