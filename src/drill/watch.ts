import { setTimeout as delay } from 'node:timers/promises';
import { startMachine, type Machine, type MachineOptions } from './machine.ts';
import { ask, freePort, type Probe } from './probe.ts';
import { failureIn, lineAt, loginPrompt, neverStarted, timedOut, type Failure } from './signs.ts';

export interface WatchOptions extends Omit<MachineOptions, 'hardware'> {
  readonly hardware: Omit<MachineOptions['hardware'], 'forward'>;
  /** What has to come on the serial line, or on a screen in text mode; a login prompt when null. Not looked for where a probe is named. */
  readonly expect: RegExp | null;
  readonly probe: Probe | null;
  readonly seconds: number;
  /** Seconds in which a boot loader says something; 120 when absent: emulated on a busy machine it takes some. */
  readonly loaderSeconds?: number;
  /** Seconds a machine that came up is given to switch itself off; its power is taken at once when absent. */
  readonly secondsToEnd?: number;
  readonly signal?: AbortSignal;
  /** What has gone wrong with the disks meanwhile; asked now and then. */
  readonly trouble?: () => Failure | null;
}

/** What came of a machine that was started. */
export interface Watched {
  readonly verdict: 'passed' | 'failed';
  /** What showed that it had come up; null where it failed. */
  readonly seen: string | null;
  readonly failure: Failure | null;
  /** How long it ran, seconds. */
  readonly seconds: number;
  readonly serial: string;
  /** Null where the screen was in graphics. */
  readonly screen: string | null;
  /** PNG; null where there was none to be had. */
  readonly screenshot: Buffer | null;
}

const lookEvery = 250;
/** The screen is looked at less often: the emulator stops for it. */
const screenEvery = 2000;
const probeFor = 4000;
/** A machine may restart itself while it comes up, as after a relabelling; more often it is going in circles. */
const mostResets = 4;
const usualLoaderSeconds = 120;
/** After a sign of failure, for what else it says. */
const grace = 1500;

type Found = { readonly seen: string } | { readonly failure: Failure };

/**
 * Starts a machine and watches it until it has come up, has failed, or the time is over; it is gone afterwards.
 * A failure is a value. Throws `program-missing`, `program-failed` where it could not be started, `interrupted`.
 */
export async function watchMachine(options: WatchOptions): Promise<Watched> {
  const { probe, hardware } = options;
  const forward =
    probe === null ? null : { hostPort: await freePort(), address: probe.address, guestPort: probe.port };
  const began = performance.now();
  const machine = await startMachine({ ...options, hardware: { ...hardware, forward } });
  try {
    const found = await lookOn(machine, options, forward?.hostPort ?? null, began);
    const more = 'failure' in found ? grace : (options.secondsToEnd ?? 0) * 1000;
    const screenshot = more > grace ? await machine.screenshot() : null;
    if (more > 0) await Promise.race([machine.stopped, delay(more)]);
    return {
      verdict: 'seen' in found ? 'passed' : 'failed',
      seen: 'seen' in found ? found.seen : null,
      failure: 'failure' in found ? found.failure : null,
      seconds: elapsed(began),
      serial: machine.serial,
      screen: await machine.screen(),
      screenshot: screenshot ?? (await machine.screenshot()),
    };
  } finally {
    await machine.cutPower();
  }
}

function elapsed(began: number): number {
  return (performance.now() - began) / 1000;
}

async function lookOn(
  machine: Machine,
  { expect, probe, seconds, loaderSeconds = usualLoaderSeconds, signal, trouble }: WatchOptions,
  hostPort: number | null,
  began: number,
): Promise<Found> {
  const wanted = expect ?? loginPrompt;
  const answered: { line: string | null } = { line: null };
  const asking = new AbortController();
  const probing =
    probe === null || hostPort === null ? null : keepAsking(probe, hostPort, answered, asking.signal);
  let screen: string | null = null;
  let screenAt = 0;
  let looked = -1;
  let lookedAt: string | null = null;
  let changedAt = 0;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const now = elapsed(began);
      if (now * 1000 - screenAt > screenEvery) {
        screen = await machine.screen();
        screenAt = now * 1000;
      }
      const text = screen === null ? machine.serial : `${machine.serial}\n${screen}`;
      if (answered.line !== null) return { seen: answered.line };
      // A long log is not searched anew while nothing comes.
      const fresh = machine.serial.length !== looked || screen !== lookedAt;
      looked = machine.serial.length;
      lookedAt = screen;
      if (fresh) changedAt = now;
      const match = probe === null && fresh ? wanted.exec(text) : null;
      if (match !== null) return { seen: lineAt(text, match.index) };
      const failure =
        trouble?.() ??
        (fresh ? failureIn(text) : null) ??
        standing(machine) ??
        (now - changedAt > loaderSeconds
          ? neverStarted({ seconds: now - changedAt, serial: machine.serial, screen })
          : null) ??
        (now > seconds ? overtime(machine, screen, seconds) : null);
      if (failure !== null) return { failure };
      await Promise.race([machine.stopped, delay(lookEvery)]);
    }
  } finally {
    asking.abort();
    await probing;
  }
}

async function keepAsking(
  probe: Probe,
  hostPort: number,
  answered: { line: string | null },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && answered.line === null) {
    answered.line = await ask(probe, hostPort, probeFor);
    await delay(lookEvery, undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

function overtime(machine: Machine, screen: string | null, seconds: number): Failure {
  return timedOut({ seconds, serial: machine.serial, screen });
}

/* A machine that is no longer on, or not for long. */
function standing({ off, ended, resets }: Machine): Failure | null {
  if (off)
    return { code: 'powered-off', reason: 'The guest switched the machine off before it had come up.' };
  if (ended !== null) {
    const how = ended.signal === null ? `with status ${ended.status ?? 'unknown'}` : `by ${ended.signal}`;
    const said = ended.stderr === '' ? '' : ` It said: ${ended.stderr}`;
    return { code: 'emulator-ended', reason: `The emulator ended ${how}.${said}` };
  }
  if (resets <= mostResets) return null;
  return { code: 'keeps-restarting', reason: `The machine has restarted ${resets} times without coming up.` };
}
