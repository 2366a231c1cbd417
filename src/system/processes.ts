import { spawn, type StdioOptions } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { isSea } from 'node:sea';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemCode } from '../errors/index.ts';
import { programEnvironment, programMissing } from './run.ts';

/** A process that cannot be mistaken for a later one of the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between the start of the machine and that of the process, proc_pid_stat(5). */
  readonly startTime: string;
}

/** Who has the number `pid` now; null where nobody has, or one that has ended and is not yet buried. */
export async function processIdentity(pid: number): Promise<ProcessIdentity | null> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The name stands in brackets and may hold anything, brackets too; field 3 is the state, 22 the start.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  if (startTime === undefined || state === 'Z' || state === 'X') return null;
  return { pid, startTime };
}

export async function isRunning({ pid, startTime }: ProcessIdentity): Promise<boolean> {
  return (await processIdentity(pid))?.startTime === startTime;
}

const lookEvery = 20;

/** Waits until a process has ended; false where it has not within `milliseconds`. */
export async function ended(process: ProcessIdentity, milliseconds: number): Promise<boolean> {
  const until = performance.now() + milliseconds;
  while (await isRunning(process)) {
    if (performance.now() > until) return false;
    await delay(lookEvery);
  }
  return true;
}

/** Sends a signal to a process; nothing where it has ended. */
export async function signalled(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<void> {
  if (!(await isRunning(identity))) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

/** Asks a process to end, and ends it where it has not done so within `milliseconds`. */
export async function endProcess(identity: ProcessIdentity, milliseconds: number): Promise<void> {
  await signalled(identity, 'SIGTERM');
  if (await ended(identity, milliseconds)) return;
  await signalled(identity, 'SIGKILL');
  await ended(identity, milliseconds);
}

/** How this program is started with other words: the single executable, or Node with the source or its bundle. */
export function ownCommand(args: readonly string[]): { readonly program: string; readonly args: string[] } {
  if (isSea()) return { program: process.execPath, args: [...args] };
  const mains = ['main.ts', 'main.mjs'].map((name) =>
    fileURLToPath(new URL(`../cli/${name}`, import.meta.url)),
  );
  return { program: process.execPath, args: [mains.find((path) => existsSync(path)) ?? mains[0]!, ...args] };
}

export interface BackgroundRequest {
  readonly program: string;
  readonly args: readonly string[];
  /** The file that what it says is added to. */
  readonly log: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A process that goes on when this one ends. */
export interface Background {
  readonly identity: ProcessIdentity;
  /** Resolves once it has ended, while this process lives. */
  readonly exited: Promise<void>;
}

/**
 * Starts a program that outlives this process: no terminal, `/` as its folder, its words in a log file.
 * Throws `program-missing`, or a system error.
 */
export async function startBackground(request: BackgroundRequest): Promise<Background> {
  const { program, args, env } = request;
  const log = await open(request.log, 'a', 0o600);
  try {
    const stdio: StdioOptions = ['ignore', log.fd, log.fd];
    const child = spawn(program, [...args], {
      cwd: '/',
      detached: true,
      stdio,
      env: programEnvironment(env),
    });
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(systemCode(error) === 'ENOENT' ? programMissing(program, error) : error),
      );
    });
    child.unref();
    const pid = child.pid ?? 0;
    // One that has ended already is no one's: a start no process can have.
    return { identity: (await processIdentity(pid)) ?? { pid, startTime: 'none' }, exited };
  } finally {
    await log.close();
  }
}
