import { setTimeout as sleep } from 'node:timers/promises';
import type { Faults } from './faults.ts';

/** Time, for tests of what takes some. */
export interface Clock {
  /** Milliseconds. */
  now(): number;
  wait(milliseconds: number): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wait: (milliseconds) => sleep(milliseconds),
};

/**
 * A tape that runs at its own speed: while the next block comes in time the tape goes on running, and where
 * it does not the drive has to stop, go back and start again.
 */
export class Pace {
  readonly #clock: Clock;
  /** When the tape has taken everything it was given; null while it does not run. */
  #busyUntil: number | null = null;
  /** Times the tape stopped because the next block was late. */
  stops = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes `bytes` to be written; resolves when the drive's buffer has room for the next. */
  async take(bytes: number, pace: Faults['pace']): Promise<void> {
    if (pace === undefined) return;
    const now = this.#clock.now();
    let from = Math.max(now, this.#busyUntil ?? now);
    if (this.#busyUntil !== null && now > this.#busyUntil + pace.slackMilliseconds) {
      this.stops++;
      from += pace.stopMilliseconds ?? 0;
    }
    this.#busyUntil = from + (bytes * 1000) / pace.bytesPerSecond;
    if (from > now) await this.#clock.wait(from - now);
  }

  /** The tape is told to stop: what comes next is no stop for want of a block. */
  async settle(): Promise<void> {
    const rest = this.#busyUntil === null ? 0 : this.#busyUntil - this.#clock.now();
    this.#busyUntil = null;
    if (rest > 0) await this.#clock.wait(rest);
  }
}
