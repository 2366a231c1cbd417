import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { programEnvironment, programMissing } from './run.ts';
import { RemetalError } from '../errors/index.ts';

/** How a program ended. */
export interface ProgramEnd {
  readonly status: number | null;
  readonly signal: string | null;
  /** The last of what it wrote on standard error. */
  readonly stderr: string;
}

/** A program that runs beside this one. It ends with it. */
export interface StartedProgram {
  readonly pid: number;
  readonly stdout: Readable;
  /** Never rejects. */
  readonly ended: Promise<ProgramEnd>;
  /** Takes it off at once, and resolves when it is gone. */
  kill(): Promise<void>;
}

const keptComplaints = 8192;
const alive = new Set<() => void>();
let watching = false;

/* What this process started must not outlive it. */
function endWithUs(): void {
  if (watching) return;
  watching = true;
  process.once('exit', () => {
    for (const kill of alive) kill();
  });
}

/** Starts a program without a shell and does not wait for it. Throws `program-missing`, `program-failed`. */
export async function startProgram(program: string, args: readonly string[]): Promise<StartedProgram> {
  // Its standard input is a pipe that stays open: some take the end of it for a wish to end.
  const child = spawn(program, [...args], { env: programEnvironment(), stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {});
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-keptComplaints);
  });
  const kill = (): void => void child.kill('SIGKILL');
  const ended = new Promise<ProgramEnd>((resolve) => {
    child.once('close', (status, signal) => {
      alive.delete(kill);
      resolve({ status, signal, stderr: stderr.trim() });
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') reject(programMissing(program, cause));
      else {
        const message = `The program ${program} could not be started: ${cause.message}`;
        reject(new RemetalError('program-failed', message, { facts: { program }, cause }));
      }
    });
  });
  child.on('error', () => {});
  alive.add(kill);
  endWithUs();
  return {
    pid: child.pid!,
    stdout: child.stdout,
    ended,
    async kill() {
      kill();
      await ended;
    },
  };
}
