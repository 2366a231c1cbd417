import { mkdtempSync, rmSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { runProgram } from '../../src/cli/program.ts';

const lineSchema = z.looseObject({ type: z.string() });
type Line = z.infer<typeof lineSchema>;

/** What a run of the command line came to. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of standard output, for `--json`. */
  readonly lines: () => Line[];
  /** The last of them. */
  readonly last: () => Line;
}

export interface RunOptions {
  readonly environment?: Record<string, string>;
  readonly signal?: AbortSignal;
  /** Typed by a person at a terminal; without it there is no terminal. */
  readonly typed?: string;
}

/** What the program keeps between commands is kept apart from that of the machine. */
const state = mkdtempSync(join(tmpdir(), 'remetal-state-'));
process.on('exit', () => rmSync(state, { recursive: true, force: true }));

/** Runs the command line inside this process. */
export async function remetal(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const { typed } = options;
  const stdin = Object.assign(new PassThrough(), { isTTY: typed !== undefined });
  if (typed === undefined) stdin.end();
  // A prompt throws away what was typed before it stood there.
  const typing = setInterval(() => {
    if (typed === undefined || !Buffer.concat(err).includes('go ahead:')) return;
    clearInterval(typing);
    stdin.write(typed);
  }, 100);
  const status = await runProgram(args, {
    stdin,
    stdout: into(out),
    stderr: Object.assign(into(err), { isTTY: typed !== undefined }),
    environment: { REMETAL_STATE: state, ...options.environment },
    signal: options.signal ?? new AbortController().signal,
  });
  clearInterval(typing);
  const stdout = Buffer.concat(out).toString();
  const lines = (): Line[] =>
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => lineSchema.parse(JSON.parse(line)));
  return { status, stdout, stderr: Buffer.concat(err).toString(), lines, last: () => lines().at(-1)! };
}

function into(chunks: Buffer[]): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
}
