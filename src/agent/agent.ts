import { parseAnswers, type Answers } from './answers.ts';
import { backUp } from './backing-up.ts';
import { exitStatuses, RemetalError } from '../errors/index.ts';
import { mergeAnswers, parseKernelLine, type KernelWords, type Mode } from './kernel-line.ts';
import { runMenu } from './menu.ts';
import { readAnswersAt } from './answers-place.ts';
import { requireAnswers } from './questions.ts';
import { restoreFromAnswers } from './restoring.ts';
import { tellError } from './telling.ts';
import type { AgentWorld } from './world.ts';

/** Seconds a failed unattended run can be kept from restarting. */
const failurePause = 10;

/** What is done when the agent has ended. */
export type Ending = 'reboot' | 'poweroff';

/**
 * The agent: finds out what it may do, does it or asks, and ends with the word for what follows. A
 * failure never ends it: it does what `onFailure` says, or asks.
 */
export async function runAgent(world: AgentWorld): Promise<Ending> {
  const { console, machine } = world;
  await introduce(world);
  let ready: Ready | null = null;
  let onFailure: Answers['onFailure'] = 'shell';
  try {
    const words = parseKernelLine(await machine.kernelLine());
    console.unattended(words.mode === 'unattended');
    ready = await prepare(world, words);
    onFailure = ready.answers.onFailure;
    console.unattended(ready.mode === 'unattended');
    console.event('mode', { name: ready.mode, answers: ready.source });
    if (ready.mode === 'unattended') {
      const ending = await runUnattended(world, ready.answers);
      if (ending !== null) return await finish(world, ending, exitStatuses.ok);
    }
  } catch (error) {
    world.signal.throwIfAborted();
    const status = tellError(world, error);
    console.event('finished', { action: onFailure, status });
    const ending = await afterFailure(world, onFailure);
    if (ending !== null) return ending;
  }
  console.unattended(false);
  return await runMenu(world, ready?.mode === 'automatic' ? ready.answers : null);
}

async function introduce({ console, machine, version }: AgentWorld): Promise<void> {
  const secure = await machine.secureBoot();
  const { firmware, vendor, product, serial } = await machine.facts();
  console.event(`agent ${version}`, {
    firmware: firmware ?? 'unknown',
    'secure-boot': secure === null ? 'unknown' : secure ? 'on' : 'off',
  });
  const name = [vendor, product, serial].filter((word) => word !== null).join(' ');
  console.say(`Remetal ${version}${name === '' ? '' : `, on ${name}`}`);
}

interface Ready {
  readonly mode: Mode;
  readonly answers: Answers;
  /** Where the answers came from, for the line about the mode. */
  readonly source: string;
}

/* The words for writing without asking are the kernel's `unattended` and the file baked in or named. */
async function prepare(world: AgentWorld, words: KernelWords): Promise<Ready> {
  const baked = await world.machine.bakedAnswers();
  const overridden = Object.keys(words.overrides).length > 0;
  if (words.mode === 'attended') {
    return { mode: 'attended', answers: mergeAnswers(null, {}), source: 'none' };
  }
  if (words.answers !== null) {
    const file = await readAnswersAt(world, words.answers);
    return { mode: 'unattended', answers: withDefaults(file, words), source: words.answers };
  }
  if (baked !== null) {
    const file = parseAnswers(baked, 'the image');
    return { mode: words.mode ?? 'unattended', answers: withDefaults(file, words), source: 'baked' };
  }
  return {
    mode: words.mode ?? (overridden ? 'automatic' : 'attended'),
    answers: withDefaults(null, words),
    source: overridden ? 'kernel' : 'none',
  };
}

function withDefaults(file: Answers | null, words: KernelWords): Answers {
  const answers = mergeAnswers(file, words.overrides);
  if (words.mode === 'automatic') return { ...answers, action: answers.action ?? 'restore' };
  if (words.mode === 'unattended') return { ...answers, after: answers.after ?? 'reboot' };
  return answers;
}

/** Gives the ending, or null when a person is to be asked what is next. */
async function runUnattended(world: AgentWorld, answers: Answers): Promise<Ending | null> {
  requireAnswers(answers);
  if (answers.action === 'shell') {
    world.console.event('finished', { action: 'shell', status: exitStatuses.ok });
    await world.console.shell();
    return null;
  }
  const outcome =
    answers.action === 'backup' ? await backUp(world, answers) : await restoreFromAnswers(world, answers);
  if (outcome === 'already-done') {
    world.console.event('finished', { action: 'menu', status: exitStatuses.ok });
    return null;
  }
  if (outcome.exceptions > 0) {
    // Restored with holes: nobody should find out from a machine that came up as if nothing had been.
    const error = new RemetalError(
      'restore-incomplete',
      'The run finished with exceptions; the lines above list them.',
    );
    throw error;
  }
  if (answers.after === 'shell') {
    world.console.event('finished', { action: 'shell', status: exitStatuses.ok });
    await world.console.shell();
    return null;
  }
  return answers.after ?? 'reboot';
}

async function finish(world: AgentWorld, ending: Ending, status: number): Promise<Ending> {
  world.console.event('finished', { action: ending, status });
  await world.machine.leaveWord(ending);
  return ending;
}

async function afterFailure(world: AgentWorld, action: Answers['onFailure']): Promise<Ending | null> {
  if (action === 'shell') await world.console.shell();
  if (action !== 'reboot' && action !== 'poweroff') return null;
  // A machine that fails at once and restarts at once would leave nobody the time to read why.
  const message = `Press a key within ${failurePause} seconds to stay.`;
  if (await world.console.pause(message, failurePause)) return null;
  await world.machine.leaveWord(action);
  return action;
}
