import type { Console } from './console.ts';
import type { Machine } from './machine.ts';

/** What the agent works with. */
export interface AgentWorld {
  readonly console: Console;
  readonly machine: Machine;
  /** Of this program. */
  readonly version: string;
  /** Aborted when the agent is to stop. */
  readonly signal: AbortSignal;
  /** Milliseconds between two looks at a machine that does not show yet what is waited for. */
  readonly lookEvery: number;
}

/** How a run ended. */
export type RunOutcome = { readonly exceptions: number } | 'already-done';
