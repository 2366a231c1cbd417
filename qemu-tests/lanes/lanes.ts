import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Original } from '../server/index.ts';
import { inOrder, next, type Timed } from './plan.ts';
import { startScenario, type ScenarioProcess } from './process.ts';
import type { Request } from './request.ts';

/** What all scenarios of a run are given. */
export interface Common {
  /** Each gets a folder of its own in it. */
  readonly logs: string;
  readonly shared: string;
  readonly original: Original;
}

/** How a run ended. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** Not started for lack of time. */
  readonly notRun: readonly string[];
}

/* A scenario that was started in time and is late: so long it may finish, after that it hangs. */
const lateSeconds = 600;

function secondsSince(began: number): number {
  return (performance.now() - began) / 1000;
}

/** The scenarios of a run, several at once. */
export class Lanes {
  readonly #request: Request;
  readonly #common: Common;
  readonly #say: (line: string) => void;
  /** When the command was given, by `performance.now()`. */
  readonly #began: number;
  readonly #running = new Map<string, { readonly began: number; readonly process: ScenarioProcess }>();
  readonly #finished: Timed[] = [];
  #waiting: string[];
  #failed = 0;
  #broken = false;

  constructor(
    names: readonly string[],
    request: Request,
    common: Common,
    began: number,
    say: (line: string) => void,
  ) {
    this.#waiting = inOrder(names);
    this.#request = request;
    this.#common = common;
    this.#began = began;
    this.#say = say;
  }

  /** Runs them; every one that was not started is told by name. */
  async run(): Promise<Outcome> {
    await Promise.all(Array.from({ length: this.#request.lanes }, () => this.#lane()));
    const left = Math.max(0, Math.round(this.#left() ?? 0));
    if (!this.#broken)
      for (const name of this.#waiting) this.#say(`${name}: not run: no time left (${left} s)`);
    return { passed: this.#finished.length, failed: this.#failed, notRun: this.#waiting };
  }

  /** Ends all that run, and starts no more. */
  async breakOff(): Promise<void> {
    this.#broken = true;
    const processes = [...this.#running.values()].map(({ process }) => process);
    for (const process of processes) process.end('the run was broken off');
    await Promise.all(processes.map(({ failure }) => failure));
  }

  #left(): number | null {
    const { within } = this.#request;
    return within === null ? null : within - secondsSince(this.#began);
  }

  /* One scenario after the other, until none is left that would end in time. */
  async #lane(): Promise<void> {
    for (let name = this.#next(); name !== null; name = this.#next()) await this.#one(name);
  }

  #next(): string | null {
    if (this.#broken) return null;
    const running = [...this.#running].map(([name, { began }]) => ({ name, seconds: secondsSince(began) }));
    const { lanes, seen } = this.#request;
    const finished = this.#finished;
    const chosen = next({ waiting: this.#waiting, running, finished, seen, lanes, left: this.#left() });
    this.#waiting = this.#waiting.filter((name) => name !== chosen);
    return chosen;
  }

  async #one(name: string): Promise<void> {
    const began = performance.now();
    const inTime = (): string => `${Math.round(secondsSince(began))} s`;
    const logs = join(this.#common.logs, name);
    rmSync(logs, { recursive: true, force: true });
    mkdirSync(logs, { recursive: true });
    const scratch = mkdtempSync(join(tmpdir(), `remetal-${name}-`));
    const process = startScenario({ ...this.#common, name, logs, scratch }, this.#request.lanes, {
      proves: (text) => this.#say(`${name}: ${text}`),
      tell: (line) => this.#say(`  ${name} ${inTime().padStart(6)}  ${line}`),
    });
    this.#running.set(name, { began, process });
    const left = this.#left();
    const late =
      left === null
        ? null
        : setTimeout(
            () => process.end('the time for all scenarios was up long before it ended'),
            (left + lateSeconds) * 1000,
          );
    const failure = await process.failure;
    if (late !== null) clearTimeout(late);
    this.#running.delete(name);
    if (failure === null) {
      this.#finished.push({ name, seconds: secondsSince(began) });
      this.#say(`${name}: passed (${inTime()})`);
      return;
    }
    this.#failed++;
    this.#say(`${name}: FAILED after ${inTime()}: ${failure}`);
    this.#say(`  logs and screenshots: ${logs}`);
  }
}
