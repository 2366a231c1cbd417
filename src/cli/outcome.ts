import { CommanderError } from 'commander';
import { exitStatuses, exitStatusOf, isCoded, RemetalError, type ErrorCode } from '../errors/index.ts';

/** What the command line says about an error, in words and as JSON. */
export interface Outcome {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | null;
  readonly facts: Readonly<Record<string, unknown>>;
  /** Only for `internal`: the stack, shown with REMETAL_DEBUG=1. */
  readonly stack: string | null;
}

/** The signal that ended the command, kept as the reason of its AbortSignal. */
export class Interruption extends RemetalError {
  readonly by: 'SIGINT' | 'SIGTERM';

  constructor(by: 'SIGINT' | 'SIGTERM') {
    super('interrupted', by === 'SIGINT' ? 'Interrupted by the person.' : 'Terminated by a signal.', {
      facts: { signal: by },
    });
    this.by = by;
  }
}

const abortNames = ['AbortError', 'AbortPromptError', 'ExitPromptError', 'CancelPromptError'];

/** Maps any thrown value to what is printed and the status the command ends with. */
export function outcomeOf(error: unknown, signal?: AbortSignal): Outcome {
  // What was going on when the signal came fails in its own words; the signal is what happened.
  const reason: unknown = signal?.aborted === true ? signal.reason : undefined;
  const interruption = [error, reason].find((candidate) => candidate instanceof Interruption);
  if (interruption !== undefined) {
    return {
      ...coded(interruption),
      status: interruption.by === 'SIGINT' ? exitStatuses.interrupted : exitStatuses.terminated,
    };
  }
  if (isCoded(error)) return coded(error);
  if (error instanceof CommanderError) {
    // Commander puts what it thinks was meant on a second line.
    const [message, guess] = error.message.replace(/^error: /, '').split('\n');
    const hint =
      guess === undefined ? 'Run `remetal help` for the verbs and options.' : guess.replaceAll(/[()]/g, '');
    return coded(new RemetalError('usage', sentence(message ?? ''), { hint }));
  }
  if (error instanceof Error && abortNames.includes(error.name)) {
    return coded(new RemetalError('interrupted', 'Interrupted by the person.'));
  }
  const system = systemError(error);
  if (system !== null) return coded(system);
  return {
    status: exitStatuses.failed,
    code: 'internal',
    message: `Something unforeseen happened: ${error instanceof Error ? error.message : String(error)}`,
    hint: 'Please report it, with what REMETAL_DEBUG=1 prints.',
    facts: {},
    stack: error instanceof Error ? (error.stack ?? null) : null,
  };
}

/** The object of the JSON line for an error. */
export function outcomeAsJson(outcome: Outcome): Record<string, unknown> {
  const { status, code, message, hint, facts } = outcome;
  return { type: 'error', code, message, hint, facts, exitStatus: status };
}

/** The lines a person reads. */
export function outcomeAsText(outcome: Outcome, debug: boolean): string {
  const lines = [`remetal: ${outcome.message}`];
  if (outcome.hint !== null) lines.push(`hint: ${outcome.hint}`);
  lines.push(`code: ${outcome.code} (exit status ${outcome.status})`);
  if (debug && outcome.stack !== null) lines.push(outcome.stack);
  return `${lines.join('\n')}\n`;
}

function coded(error: RemetalError): Outcome {
  return {
    status: exitStatusOf(error.code),
    code: error.code,
    message: error.message,
    hint: error.hint ?? null,
    facts: error.facts,
    stack: error.code === 'internal' ? (error.stack ?? null) : null,
  };
}

/* Errors of the operating system that reach the top uncoded: the person's own paths, mostly. */
function systemError(error: unknown): RemetalError | null {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return null;
  const path = 'path' in error && typeof error.path === 'string' ? error.path : null;
  const subject = path ?? 'A file';
  const facts = { errno: error.code, path };
  switch (error.code) {
    case 'EACCES':
    case 'EPERM':
      return new RemetalError('not-permitted', `${subject} may not be opened by this user.`, {
        hint: 'Run the command as root.',
        facts,
        cause: error,
      });
    case 'ENOENT':
    case 'ENOTDIR':
      return new RemetalError('usage', `${subject} does not exist.`, { facts, cause: error });
    case 'ENOSPC':
      return new RemetalError('medium-full', `${subject} has no room left.`, { facts, cause: error });
    default:
      return null;
  }
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
