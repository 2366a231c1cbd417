import { fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { patient } from '../harness/index.ts';
import { wordSchema, type Order } from './words.ts';

/** A scenario in a process of its own. */
export interface ScenarioProcess {
  /** Null when it passed, else why it failed. Resolves once nothing of it is left. */
  readonly failure: Promise<string | null>;
  /** Ends it before its time, which is a failure for this reason. */
  end(reason: string): void;
}

/* What is asked to end gets so long to take its own machines with it. */
const graceMs = 3000;

const groups = new Set<number>();

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // Nobody of it is left.
  }
}

// A run that is broken off leaves nothing behind.
process.once('exit', () => {
  for (const leader of groups) killGroup(leader);
});

/**
 * Starts the process of a scenario among `lanes`; the limits of time are longer by as much. The process leads a group,
 * which is ended with it; its scratch folder is removed, and with it all temporary files and what the program keeps on
 * a host: two scenarios have nothing to do with each other's.
 */
export function startScenario(
  order: Order,
  lanes: number,
  hear: { readonly proves: (text: string) => void; readonly tell: (line: string) => void },
): ScenarioProcess {
  const child = fork(join(import.meta.dirname, 'child.ts'), {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {
      ...process.env,
      REMETAL_PATIENCE: String((patient(1) / 1000) * lanes),
      REMETAL_STATE: join(order.scratch, 'state'),
      TMPDIR: order.scratch,
    },
  });
  const leader = child.pid;
  if (leader !== undefined) groups.add(leader);
  let last: string | null | undefined;
  let broken: string | undefined;
  child.on('message', (message) => {
    const word = wordSchema.parse(message);
    if ('proves' in word) hear.proves(word.proves);
    else if ('line' in word) hear.tell(word.line);
    else last = word.failure;
  });
  const ended = Promise.withResolvers<string>();
  child.once('error', (error) => ended.resolve(error.message));
  child.once('exit', (status, signal) => ended.resolve(`its process ended (${signal ?? status})`));
  // What it said last may still be under way when it has ended.
  const heard = Promise.withResolvers<void>();
  child.once('disconnect', () => heard.resolve());
  child.send(order, () => {});
  const failure = ended.promise.then(async (how) => {
    if (leader !== undefined) {
      await heard.promise;
      killGroup(leader);
      groups.delete(leader);
    }
    rmSync(order.scratch, { recursive: true, force: true });
    if (broken !== undefined) return broken;
    // Without its last word it has not passed, whatever it ended with.
    return last === undefined ? how : last;
  });
  return {
    failure,
    end(reason) {
      broken ??= reason;
      child.kill('SIGTERM');
      setTimeout(() => leader !== undefined && groups.has(leader) && killGroup(leader), graceMs).unref();
    },
  };
}
