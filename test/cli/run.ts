import { PassThrough, Readable, Writable } from 'node:stream';
import { runProgram } from '../../src/cli/program.ts';

/** What a run of the command line came to. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of standard output as JSON, for `--json`. */
  json(): Record<string, unknown>[];
  /** The last of them. */
  last(): Record<string, any>;
}

export interface RunOptions {
  readonly environment?: Record<string, string>;
  readonly signal?: AbortSignal;
  /** Typed by a person at a terminal; without it there is no terminal. */
  readonly typed?: string;
}

/** Runs the command line inside this process. */
export async function remetal(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const stdin =
    options.typed === undefined ? Readable.from([]) : Object.assign(new PassThrough(), { isTTY: true });
  const stderr = Object.assign(into(err), options.typed === undefined ? {} : { isTTY: true });
  if (options.typed !== undefined) {
    const text = options.typed;
    setTimeout(() => (stdin as PassThrough).write(text), 300);
  }
  const status = await runProgram(args, {
    stdin,
    stdout: into(out),
    stderr,
    environment: options.environment ?? {},
    signal: options.signal ?? new AbortController().signal,
  });
  const stdout = Buffer.concat(out).toString();
  const json = (): Record<string, unknown>[] =>
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { status, stdout, stderr: Buffer.concat(err).toString(), json, last: () => json().at(-1)! };
}

function into(chunks: Buffer[]): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
}
