/**
 * The process of one scenario: runs what its first message names and answers by messages. A process of its own,
 * so that what it started can be ended without touching the scenario beside it.
 */
import { once } from 'node:events';
import { cutAllPower, patient } from '../harness/index.ts';
import type { Scenario } from '../steps/index.ts';
import { loadScenario } from './scenarios.ts';
import { orderSchema, type Word } from './words.ts';

// Also when nobody listens any more: machines and programs end with this process.
process.once('disconnect', () => process.exit(1));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

async function say(word: Word): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (process.send?.(word, undefined, undefined, () => resolve()) === undefined) resolve();
  await promise;
}

/* The scenario's own time is the last resort: every machine and every wait has a limit of its own. */
async function withinTime(scenario: Scenario, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = patient(scenario.seconds);
  const overtime = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      cutAllPower();
      reject(new Error(`It ran longer than ${limit / 1000} s.`));
    }, limit);
  });
  try {
    await Promise.race([work, overtime]);
  } finally {
    clearTimeout(timer);
  }
}

async function failureOf(message: unknown): Promise<string | null> {
  try {
    const { name, ...rig } = orderSchema.parse(message);
    const scenario = await loadScenario(name);
    await say({ proves: scenario.proves });
    await withinTime(scenario, scenario.run({ ...rig, tell: (line) => void say({ line }) }));
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const [message] = await once(process, 'message');
const failure = await failureOf(message);
cutAllPower();
await say({ failure });
process.exit(failure === null ? 0 : 1);
