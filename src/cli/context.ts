import type { Readable, Writable } from 'node:stream';
import { InvalidArgumentError, type Command } from 'commander';
import { parseSize } from '../bytes/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import type { Notice, Reporter } from '../progress/index.ts';
import { createOutput, type Output } from './output.ts';
import { showStages, stagesOf, type Stages } from './stages.ts';

/** The process as the command line sees it; tests have their own. */
export interface World {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted with an `Interruption` by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** What a verb works with. */
export interface Context {
  readonly world: World;
  readonly output: Output;
  readonly signal: AbortSignal;
  /** True when a person can be asked: standard input and standard error are a terminal. */
  readonly canAsk: boolean;
  /** Tells a remark where the running operation shows its own. */
  tell(notice: Notice): void;
  /** Shows a question where the running operation is drawn, until null says that it is answered; else prints it. */
  ask(question: string | null): void;
  /** Runs a long operation with its progress drawn on a terminal, or printed as lines. */
  during<T>(operation: keyof typeof stagesOf, work: (reporter: Reporter) => Promise<T>): Promise<T>;
}

/** The options every verb has. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** A verb adds itself to the program; `act` turns its work into a commander action. */
export type Verb = (program: Command, act: Act) => void;

/** What a verb gives back: nothing for 0, or the exit status. */
export type Work<A extends unknown[]> = (context: Context, ...args: A) => Promise<number | void>;
export type Act = <A extends unknown[]>(
  work: Work<A>,
) => (this: Command, ...args: unknown[]) => Promise<void>;

const linesEvery = 5000;
const clock = (): number => performance.now();

export function createContext(world: World, options: GlobalOptions): Context {
  const output = createOutput({
    stdout: world.stdout,
    stderr: world.stderr,
    json: options.json === true,
    quiet: options.quiet === true,
    clock,
    every: options.json === true ? 1000 : linesEvery,
  });
  const drawable =
    world.stderr.isTTY === true &&
    (world.stderr.columns ?? 0) >= 40 &&
    options.json !== true &&
    options.quiet !== true;
  let running: Reporter = output.reporter;
  let drawn: Stages | null = null;
  return {
    world,
    output,
    tell: (notice) => running.notice(notice),
    signal: world.signal,
    canAsk: world.stdin.isTTY === true && world.stderr.isTTY === true && options.json !== true,
    ask(question) {
      if (drawn !== null) drawn.ask(question);
      else if (question !== null) world.stderr.write(`${question}\n`);
    },
    async during(operation, work) {
      if (!drawable) return work(output.reporter);
      const stages = showStages(world.stderr, stagesOf[operation], clock);
      running = stages.reporter;
      drawn = stages;
      let how: 'done' | 'failed' = 'failed';
      try {
        const result = await work(stages.reporter);
        how = 'done';
        return result;
      } finally {
        running = output.reporter;
        drawn = null;
        await stages.end(how);
      }
    },
  };
}

/** An option that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** An option that is a number of bytes, with or without a unit. */
export function sizeOption(value: string): number {
  try {
    return parseSize(value);
  } catch (error) {
    if (isCoded(error)) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** An option that is a whole number in a range. */
export function integerOption(from: number, to: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < from || number > to) {
      throw new InvalidArgumentError(`It is a whole number from ${from} to ${to}.`);
    }
    return number;
  };
}

/** Throws `usage`. */
export function usage(message: string, hint?: string): never {
  throw new RemetalError('usage', message, hint === undefined ? {} : { hint });
}
