import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSet, type SetReader } from '../archive/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import { logBeside, logging, logIntoSystem, logName, logText, type LogCandidate } from '../restore/log.ts';
import { withMount } from '../restore/mounting.ts';
import { describePlan } from '../restore/plan-description.ts';
import type { Plan } from '../restore/plan-document.ts';
import type { RestoreReport, TargetDisk } from '../restore/request.ts';
import { nativeCodec } from '../system/index.ts';
import type { Answers } from './answers.ts';
import { asTarget } from './candidates.ts';
import { newestSet, setsAt, surveyMedia, type FoundSet, type Survey } from './media.ts';
import { parsePlace } from './place.ts';
import { Tapes } from './tapes.ts';
import { tapeOperator } from './tape-operator.ts';
import { applyRestore, checkPin, planRestore, type Planned } from './restore-run.ts';
import { waitingFor } from './waiting.ts';
import type { AgentWorld, RunOutcome } from './world.ts';

/** What of the answers a restore goes by once set and targets are settled. */
export type RestoreManner = Pick<Answers, 'verify' | 'onDamage'>;

/** Restores as the answers say, which leave nothing open. Throws what any part of it throws. */
export async function restoreFromAnswers(world: AgentWorld, answers: Answers): Promise<RunOutcome> {
  const { console, signal } = world;
  const { found, survey } = await waitForSet(world, answers);
  return await withFoundSet(world, found, async (reader, close) => {
    const told = new Set<string>();
    const planned = await waitingFor(
      world,
      { what: 'disks', seconds: answers.wait, codes: ['target-not-found', 'disk-not-found'] },
      async () => {
        const candidates = await restoreCandidates(world, survey);
        tellDisks(world, candidates, told);
        return planRestore({
          reader,
          candidates,
          wishes: wishesOf(answers, answers.targets ?? {}),
          firmware: (await world.machine.facts()).firmware,
          journalFile: null,
        });
      },
    );
    checkPin(planned.plan, answers.plan ?? null);
    tellPlan(world, planned.plan, found);
    if (planned.found === null && (await wasRestored(planned.plan))) {
      console.event('already-restored', { plan: planned.plan.hash });
      console.say('This very restore has been done already; it is not done again by itself.');
      return 'already-done';
    }
    signal.throwIfAborted();
    const report = await carryOut(world, { found, reader, close, planned, manner: answers });
    return { exceptions: report.damage.length };
  });
}

async function waitForSet(world: AgentWorld, answers: Answers): Promise<{ found: FoundSet; survey: Survey }> {
  const from = answers.set?.from ?? 'any';
  const name = answers.set?.name ?? 'latest';
  const place = parsePlace(from);
  const told = new Set<string>();
  const tapes = new Tapes(world, tapeOperator(world, { unattendedSeconds: answers.wait }));
  try {
    return await waitingFor(
      world,
      { what: 'set', seconds: answers.wait, codes: ['no-such-set', 'medium-not-found'] },
      async () => {
        const survey = await surveyMedia(world.machine);
        tellUnreadable(world, survey, told);
        const sets = setsAt(survey, await world.machine.disks(), place, name);
        // A look at tapes takes its time, so nobody who has the set on a disk is made to wait for it.
        const wanted = sets.length === 0 && (place.by === 'tape' || place.by === 'any');
        const onTape = wanted ? await tapes.sets(place.value === '' ? 'any' : place.value) : [];
        const named = onTape.filter((set) => name === 'latest' || set.name === name);
        const found = newestSet([...sets, ...named], from);
        // What was found keeps its drive.
        if (found.on === null) tapes.keep(found.place);
        tellSets(world, { ...survey, sets: [...survey.sets, ...onTape] });
        return { found, survey };
      },
    );
  } finally {
    await tapes.close();
  }
}

/** Opens a found set while `work` runs, which may close it before its end. */
export async function withFoundSet<T>(
  { console }: Pick<AgentWorld, 'console'>,
  found: FoundSet,
  work: (reader: SetReader, close: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const medium = found.open();
  let reader: SetReader | null = null;
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await reader?.close();
    const movements = medium.movements?.();
    if (movements !== undefined) console.event('tape', { ...movements });
    await medium.close();
  };
  try {
    reader = await openSet(medium, found.name, { codec: nativeCodec() });
    return await work(reader, close);
  } finally {
    await close();
  }
}

/** The machine's disks as targets; those of the boot medium and of sets are reserved. */
export async function restoreCandidates({ machine }: AgentWorld, survey: Survey): Promise<TargetDisk[]> {
  const candidates: TargetDisk[] = [];
  for (const disk of await machine.disks()) candidates.push(await asTarget(disk, survey));
  return candidates;
}

/** The wishes of answers, with the targets settled. */
export function wishesOf(
  answers: Answers,
  targets: NonNullable<Answers['targets']>,
): Parameters<typeof planRestore>[0]['wishes'] {
  return {
    targets,
    grow: answers.grow,
    fat32: answers.fat32,
    release: answers.release,
    bootEntry: answers.bootEntry,
    ...(answers.volumes === undefined ? {} : { volumes: answers.volumes }),
    ...(answers.netware === undefined ? {} : { netware: answers.netware }),
  };
}

/** Tells of each disk that is not in `told` yet. */
export function tellDisks(
  { console }: AgentWorld,
  candidates: readonly TargetDisk[],
  told = new Set<string>(),
): void {
  for (const { identity, holds, reserved } of candidates) {
    const { path, serial, size, sectorSize, wwn, model, transport } = identity;
    const key = `${path} ${serial} ${size}`;
    if (told.has(key)) continue;
    told.add(key);
    console.event('disk', {
      path,
      serial,
      size,
      'sector-size': sectorSize,
      wwn,
      model,
      transport,
      reserved,
      holds: holds.join(', ') || 'blank',
    });
  }
}

export function tellSets({ console }: AgentWorld, survey: Survey): void {
  for (const { device, type, label, uuid, disk } of survey.fileSystems) {
    console.event('medium', {
      device,
      filesystem: type,
      label,
      uuid,
      ...(disk === survey.bootDisk ? { boot: true } : {}),
    });
  }
  for (const { name, place, machine, createdAt } of survey.sets) {
    console.event('found-set', { name, place, machine, created: createdAt, complete: true });
  }
}

/** Tells of each file system that cannot be mounted once. */
export function tellUnreadable({ console }: AgentWorld, survey: Survey, told: Set<string>): void {
  for (const { device, message } of survey.unreadable) {
    if (told.has(device)) continue;
    told.add(device);
    console.event('notice', { level: 'warning', code: 'medium-unreadable', message });
  }
}

export function tellPlan({ console }: AgentWorld, plan: Plan, found: FoundSet): void {
  console.say(describePlan(plan).join('\n'));
  for (const { level, code, message } of plan.notices) console.event('notice', { level, code, message });
  console.event('plan', { hash: plan.hash, steps: plan.steps.length, bytes: plan.bytes, set: found.name });
}

export interface CarryOut {
  readonly found: FoundSet;
  readonly reader: SetReader;
  /** Closes the set, so that its medium can be mounted for writing. */
  readonly close: () => Promise<void>;
  readonly planned: Planned;
  readonly manner: RestoreManner;
}

/** Does the plan, with progress on every console, and leaves its log in the system and beside the set. */
export async function carryOut(world: AgentWorld, job: CarryOut): Promise<RestoreReport> {
  const { console, machine, signal } = world;
  const { plan } = job.planned;
  const startedAt = machine.now();
  if (job.planned.found !== null) console.event('resumed', { at: job.planned.found.step });
  const stages = console.stages('restore');
  const reporter = logging(stages.reporter, () => machine.now());
  let report: RestoreReport | null = null;
  let failure: unknown;
  try {
    report = await applyRestore({
      reader: job.reader,
      plan,
      journalFile: null,
      startAnew: false,
      verify: job.manner.verify,
      onDamage: job.manner.onDamage,
      reporter,
      signal,
    });
  } catch (error) {
    failure = error;
  }
  await stages.end(failure === undefined ? 'done' : 'failed');
  const { setId } = job.reader.head;
  await job.close();
  await leaveLogs(world, job, {
    startedAt,
    finishedAt: machine.now(),
    set: job.found.name,
    setId,
    lines: reporter.lines,
    report,
    failure:
      failure === undefined ? null : failure instanceof Error ? failure.message : JSON.stringify(failure),
  });
  if (report === null) throw failure;
  tellReport(world, report);
  return report;
}

function tellReport({ console }: AgentWorld, report: RestoreReport): void {
  for (const { volume, extents, files, reason } of report.damage) {
    const bytes = extents.reduce((sum, { length }) => sum + length, 0);
    console.event('damage', { volume, bytes, files: files.length, reason });
    for (const file of files) console.say(`damaged: ${file.path ?? `inode ${file.inode}`} on ${volume}`);
  }
  console.event('restore-done', {
    written: report.writtenBytes,
    seconds: Math.round(report.seconds),
    exceptions: report.damage.length,
    verified: report.verified,
    plan: report.planHash,
  });
}

/* A log that cannot be kept is worth a line, and never the restore. */
async function leaveLogs(
  { console, machine }: AgentWorld,
  { found, planned }: CarryOut,
  facts: Parameters<typeof logText>[0],
): Promise<void> {
  const name = logName(facts.startedAt);
  const text = logText(facts);
  const tell = (error: unknown, place: string): void =>
    console.event('notice', {
      level: 'warning',
      code: 'log-not-kept',
      message: `No log could be left ${place}: ${error instanceof Error ? error.message : String(error)}`,
    });
  if (facts.report !== null) {
    try {
      const path = await logIntoSystem(logCandidates(planned.plan), name, text);
      if (path !== null) console.event('log', { path });
    } catch (error) {
      tell(error, 'in the restored system');
    }
  }
  if (found.on === null || found.on.fileSystem.type === 'iso9660') return;
  const { fileSystem, path } = found.on;
  try {
    const top = await machine.mount(fileSystem, true);
    console.event('log', { path: await logBeside(join(top, path), found.name, name, text) });
  } catch (error) {
    tell(error, 'beside the set');
  }
  await machine.mount(fileSystem, false).catch((error: unknown) => tell(error, 'beside the set'));
}

function logCandidates(plan: Plan): LogCandidate[] {
  return plan.steps.flatMap((step): LogCandidate[] => {
    if (step.kind !== 'volume' || step.filesystem === null || step.segments.length !== 1) return [];
    const [segment] = step.segments;
    const target = plan.targets.find(({ disk }) => disk === segment!.disk)!;
    const { sectorSize, path } = target;
    return [
      {
        place: { path, offset: segment!.start * sectorSize, size: segment!.count * sectorSize, sectorSize },
        type: step.filesystem,
      },
    ];
  });
}

/**
 * True when the log of this very plan, finished, lies in a system on its targets: then a machine that
 * keeps starting from the medium would overwrite itself for ever.
 */
async function wasRestored(plan: Plan): Promise<boolean> {
  if (plan.targets.every(({ holds }) => holds.length === 0)) return false;
  for (const { place, type } of logCandidates(plan)) {
    const options = type === 'xfs' ? ['ro', 'nouuid', 'norecovery'] : ['ro', 'noload'];
    if (!['ext3', 'ext4', 'xfs'].includes(type)) continue;
    try {
      if (await withMount(place, options, (root) => holdsLogOf(plan, join(root, 'var/log/remetal'))))
        return true;
    } catch (error) {
      // What cannot be mounted holds no restored system.
      if (!isCoded(error)) throw error;
    }
  }
  return false;
}

async function holdsLogOf(plan: Plan, folder: string): Promise<boolean> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith('-restore.log')) continue;
    const text = await readFile(join(folder, name), 'utf8').catch(() => '');
    const lines = text.split('\n');
    if (lines.includes(`plan ${plan.hash}`) && !lines.some((line) => line.startsWith('failed:'))) return true;
  }
  return false;
}

/** Throws `restore-incomplete` for a report with damage. */
export function checkComplete(report: RestoreReport): void {
  if (report.damage.length === 0) return;
  throw new RemetalError('restore-incomplete', 'The restore finished with exceptions.', {
    hint: 'The files named above hold zeros where the set could not be read.',
    facts: { damage: report.damage },
  });
}
