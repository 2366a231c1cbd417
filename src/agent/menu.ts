import { formatBytes } from '../bytes/index.ts';
import { exitStatuses, RemetalError } from '../errors/index.ts';
import type { HostFileSystem } from '../system/index.ts';
import { answersSchema, type Answers } from './answers.ts';
import type { Ending } from './agent.ts';
import { image, imageOnto, sourceCandidates } from './backing-up.ts';
import type { Choice } from './console.ts';
import type { TapeOfMachine } from './machine.ts';
import { surveyMedia, type FoundSet, type Survey } from './media.ts';
import { checkPin, type Planned } from './restore-run.ts';
import {
  carryOut,
  checkComplete,
  restoreCandidates,
  tellDisks,
  tellPlan,
  tellSets,
  tellUnreadable,
  withFoundSet,
} from './restoring.ts';
import { Tapes } from './tapes.ts';
import { tapeOperator } from './tape-operator.ts';
import { askPlan, diskLabel } from './target-questions.ts';
import { tellError } from './telling.ts';
import type { AgentWorld } from './world.ts';

type Action = 'restore' | 'backup' | 'look' | 'shell' | Ending;

/**
 * Asks what to do until the machine is to be restarted or switched off. `begin` is what `automatic`
 * starts with: its answers settle what they can, the rest is asked.
 */
export async function runMenu(world: AgentWorld, begin: Answers | null): Promise<Ending> {
  let answers = begin;
  for (;;) {
    const action: Action = answers?.action ?? (await askAction(world));
    try {
      if (action === 'reboot' || action === 'poweroff') return await end(world, action);
      if (action === 'shell') await world.console.shell();
      if (action === 'restore') {
        if (await restore(world, answers)) {
          const next = answers === null ? await askAfter(world) : 'shell';
          if (next === 'reboot' || next === 'poweroff') return await end(world, next);
          if (next === 'shell') await world.console.shell();
        }
      }
      if (action === 'backup' && (await backUp(world, answers))) {
        const next = answers === null ? await askAfter(world) : 'shell';
        if (next === 'reboot' || next === 'poweroff') return await end(world, next);
        if (next === 'shell') await world.console.shell();
      }
    } catch (error) {
      world.signal.throwIfAborted();
      tellError(world, error);
    }
    answers = null;
  }
}

async function end({ console, machine }: AgentWorld, ending: Ending): Promise<Ending> {
  console.event('finished', { action: ending, status: exitStatuses.ok });
  await machine.leaveWord(ending);
  return ending;
}

function askAction({ console }: AgentWorld): Promise<Action> {
  return console.choose<Action>({ id: 'action', message: 'What is to be done?' }, [
    { value: 'restore', label: 'Restore this machine from a backup set' },
    { value: 'backup', label: 'Back up this machine' },
    { value: 'shell', label: 'Shell' },
    { value: 'reboot', label: 'Restart' },
    { value: 'poweroff', label: 'Switch off' },
  ]);
}

function askAfter({ console }: AgentWorld): Promise<Ending | 'shell' | 'menu'> {
  return console.choose<Ending | 'shell' | 'menu'>({ id: 'after', message: 'Done. What now?' }, [
    { value: 'reboot', label: 'Restart' },
    { value: 'poweroff', label: 'Switch off' },
    { value: 'shell', label: 'Shell' },
    { value: 'menu', label: 'Back to the questions' },
  ]);
}

/** True when something was restored. */
async function restore(world: AgentWorld, given: Answers | null): Promise<boolean> {
  const { console } = world;
  const answers = given ?? answersSchema.parse({ version: 1 });
  const tapes = new Tapes(world, tapeOperator(world));
  try {
    const found = await chooseSet(world, tapes, given !== null);
    return await withFoundSet(world, found.set, async (reader, close) => {
      const candidates = await restoreCandidates(world, found.survey);
      tellDisks(world, candidates);
      const planned = await askPlan(world, { reader, candidates, answers, sure: given !== null });
      checkPin(planned.plan, answers.plan ?? null);
      tellPlan(world, planned.plan, found.set);
      if (!(await confirmed(world, planned))) {
        console.say('Nothing was written.');
        return false;
      }
      const report = await carryOut(world, { found: found.set, reader, close, planned, manner: answers });
      checkComplete(report);
      return true;
    });
  } finally {
    await tapes.close();
  }
}

/** The sets on the media that are attached, and on tape where there are drives and the person wants to look there. */
async function chooseSet(
  world: AgentWorld,
  tapes: Tapes,
  sure: boolean,
): Promise<{ set: FoundSet; survey: Survey }> {
  const survey = await surveyMedia(world.machine);
  const drives = await tapes.drives();
  const onTape = drives.length > 0 && (await wantsTape(world, survey)) ? await tapes.sets() : [];
  const sets = [...survey.sets, ...onTape];
  tellSets(world, { ...survey, sets });
  tellUnreadable(world, survey, new Set());
  if (sets.length === 0) {
    throw new RemetalError('no-such-set', 'No medium with a backup set is attached.', {
      hint:
        drives.length === 0
          ? 'Attach the disk that holds it and choose again.'
          : 'Attach the disk that holds it, or put a cartridge of it into the drive, and choose again.',
    });
  }
  const set = await askSet(world, sets, sure);
  if (set.on === null) tapes.keep(set.place);
  return { set, survey };
}

/* A look into a changer takes minutes, which nobody is to spend who has the set on a disk. */
async function wantsTape({ console }: AgentWorld, survey: Survey): Promise<boolean> {
  if (survey.sets.length === 0) return true;
  return console.choose({ id: 'tape', message: 'Look for sets on tape, too?' }, [
    { value: false, label: 'No, the disks are enough' },
    { value: true, label: 'Yes, in every cartridge that can be had' },
  ]);
}

async function confirmed({ console }: AgentWorld, { plan, found }: Planned): Promise<boolean> {
  const lost = plan.targets.filter(({ holds }) => holds.length > 0);
  const warning =
    found !== null
      ? 'A restore that was interrupted goes on.'
      : lost.length === 0
        ? 'The targets are blank.'
        : `This destroys ${lost.map(({ path, holds }) => `${holds.join(', ')} on ${path}`).join(' and ')}.`;
  return console.typed({ id: 'confirm', message: `${warning} Type restore to go ahead:` }, 'restore');
}

async function askSet({ console }: AgentWorld, sets: readonly FoundSet[], sure: boolean): Promise<FoundSet> {
  const [only, second] = sets;
  if (sure && only !== undefined && second === undefined) return only;
  const newestFirst = sets.toSorted((a, b) => b.createdAt.localeCompare(a.createdAt));
  return console.choose(
    { id: 'set', message: 'Which backup set?' },
    newestFirst.map((found) => ({
      value: found,
      label: setLabel(found),
    })),
  );
}

/** `web1, made 2026-03-14T15:09:26Z, 1.2 GiB, on BACKUP (before the upgrade)` */
function setLabel({ machine, createdAt, bytes, label, note }: FoundSet): string {
  const size = bytes === null ? '' : `${formatBytes(bytes)}, `;
  return `${machine}, made ${createdAt}, ${size}on ${label}${note === '' ? '' : ` (${note})`}`;
}

/** True when a set was made. */
async function backUp(world: AgentWorld, given: Answers | null): Promise<boolean> {
  const { console, machine } = world;
  const manner = given?.backup ?? answersSchema.parse({ version: 1, backup: {} }).backup!;
  const survey = await surveyMedia(machine);
  tellSets(world, survey);
  const tapes = new Tapes(world, tapeOperator(world));
  const choices: Choice<HostFileSystem | TapeOfMachine>[] = survey.fileSystems
    .filter(({ type, disk }) => type !== 'iso9660' && disk !== survey.bootDisk)
    .map((found) => ({
      value: found,
      label: `${found.label ?? 'no label'}  (${found.device}, ${found.type})`,
    }));
  for (const drive of await tapes.drives()) {
    choices.push({ value: drive, label: `tape  (${drive.path}, ${drive.model})` });
  }
  if (choices.length === 0) {
    throw new RemetalError('medium-not-found', 'No medium that could take a backup is attached.', {
      hint: 'Attach a disk with a file system (ext4, XFS, FAT) or a tape drive and choose again.',
    });
  }
  const to = await console.choose({ id: 'backup.to', message: 'Onto which medium?' }, choices);
  const sources = await sourceCandidates(world, survey, 'disk' in to ? to.disk : null);
  tellDisks(world, sources);
  const disks = await console.chooseSeveral(
    { id: 'backup.disks', message: 'Which disks are to be imaged?' },
    sources.map((candidate) => ({
      value: candidate,
      label: diskLabel(candidate),
      ...(candidate.reserved === null
        ? {}
        : { disabled: 'it is the boot medium, in use, or takes the backup' }),
    })),
  );
  const { serial, product } = await machine.facts();
  const name = await console.line(
    { id: 'backup.name', message: 'What is the machine called?' },
    (serial ?? product ?? manner.name).replaceAll(/[^A-Za-z0-9._-]+/g, '-'),
  );
  const job = { disks, manner: { ...manner, name } };
  const outcome =
    'disk' in to
      ? await imageOnto(world, { to, folder: await askFolder(world, name) }, job)
      : await image(world, { ...job, medium: tapes.medium(to), place: to.address, folder: null });
  if (outcome !== 'already-done' && outcome.exceptions > 0) {
    console.say('Some sectors could not be read; they are listed above and stored as zeros.');
  }
  return true;
}

function askFolder({ console }: AgentWorld, name: string): Promise<string> {
  return console.line({ id: 'backup.folder', message: 'Into which folder of the medium?' }, name);
}
