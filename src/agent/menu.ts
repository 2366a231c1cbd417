import { formatBytes } from '../bytes/index.ts';
import { exitStatuses, RemetalError } from '../errors/index.ts';
import { answersSchema, type Answers } from './answers.ts';
import type { Ending } from './agent.ts';
import { imageOnto, sourceCandidates } from './backing-up.ts';
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
  const survey = await surveyMedia(world.machine);
  tellSets(world, survey);
  tellUnreadable(world, survey, new Set());
  if (survey.sets.length === 0) {
    throw new RemetalError('no-such-set', 'No medium with a backup set is attached.', {
      hint: 'Attach the disk that holds it and choose again.',
    });
  }
  const found = await askSet(world, survey, given !== null);
  return await withFoundSet(found, async (reader, close) => {
    const candidates = await restoreCandidates(world, survey);
    tellDisks(world, candidates);
    const planned = await askPlan(world, { reader, candidates, answers, sure: given !== null });
    checkPin(planned.plan, answers.plan ?? null);
    tellPlan(world, planned.plan, found);
    if (!(await confirmed(world, planned))) {
      console.say('Nothing was written.');
      return false;
    }
    const report = await carryOut(world, { found, reader, close, planned, manner: answers });
    checkComplete(report);
    return true;
  });
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

async function askSet({ console }: AgentWorld, survey: Survey, sure: boolean): Promise<FoundSet> {
  const [only, second] = survey.sets;
  if (sure && only !== undefined && second === undefined) return only;
  const newestFirst = survey.sets.toSorted((a, b) => b.head.createdAt.localeCompare(a.head.createdAt));
  return console.choose(
    { id: 'set', message: 'Which backup set?' },
    newestFirst.map((found) => ({
      value: found,
      label: `${found.head.name}, made ${found.head.createdAt}, ${found.bytes === null ? '' : `${formatBytes(found.bytes)}, `}on ${found.on.label ?? found.on.device}${found.head.note === '' ? '' : ` (${found.head.note})`}`,
    })),
  );
}

/** True when a set was made. */
async function backUp(world: AgentWorld, given: Answers | null): Promise<boolean> {
  const { console, machine } = world;
  const manner = given?.backup ?? answersSchema.parse({ version: 1, backup: {} }).backup!;
  const survey = await surveyMedia(machine);
  tellSets(world, survey);
  const choices = survey.fileSystems
    .filter(({ type, disk }) => type !== 'iso9660' && disk !== survey.bootDisk)
    .map((found) => ({
      value: found,
      label: `${found.label ?? 'no label'}  (${found.device}, ${found.type})`,
    }));
  if (choices.length === 0) {
    throw new RemetalError('medium-not-found', 'No medium that could take a backup is attached.', {
      hint: 'Attach a disk with a file system (ext4, XFS, FAT) and choose again.',
    });
  }
  const to = await console.choose({ id: 'backup.to', message: 'Onto which medium?' }, choices);
  const sources = await sourceCandidates(world, survey, to);
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
  const folder = await console.line(
    { id: 'backup.folder', message: 'Into which folder of the medium?' },
    name,
  );
  const outcome = await imageOnto(world, { disks, to, folder, manner: { ...manner, name } });
  if (outcome !== 'already-done' && outcome.exceptions > 0) {
    console.say('Some sectors could not be read; they are listed above and stored as zeros.');
  }
  return true;
}
