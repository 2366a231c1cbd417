import type { Progress } from './progress.ts';

/** How fast a phase goes, as far as it can be told. */
export interface Rate {
  /** 0 to 100, rounded down, so that 100 means done. */
  readonly percent: number;
  /** Bytes per second over the last seconds; null until it can be told. */
  readonly bytesPerSecond: number | null;
  /** Seconds until the phase is done at that rate; null until it can be told. */
  readonly secondsLeft: number | null;
}

export interface RateMeter {
  /** Takes a report and the time it came at, in milliseconds of any steady clock. */
  measure(progress: Progress, now: number): Rate;
}

/** A meter over a sliding window; it begins anew with every phase. */
export function createRateMeter(windowSeconds = 15): RateMeter {
  let phase: string | undefined;
  let samples: { at: number; done: number }[] = [];
  return {
    measure(progress, now) {
      const last = samples.at(-1);
      if (progress.phase !== phase || (last !== undefined && progress.doneBytes < last.done)) {
        phase = progress.phase;
        samples = [];
      }
      samples.push({ at: now, done: progress.doneBytes });
      while (samples.length > 2 && samples[0]!.at < now - windowSeconds * 1000) samples.shift();
      const first = samples[0]!;
      const seconds = (now - first.at) / 1000;
      const bytesPerSecond = seconds > 0 ? (progress.doneBytes - first.done) / seconds : null;
      const left = Math.max(0, progress.totalBytes - progress.doneBytes);
      return {
        percent:
          progress.totalBytes > 0
            ? Math.min(100, Math.floor((progress.doneBytes / progress.totalBytes) * 100))
            : 100,
        bytesPerSecond,
        secondsLeft: bytesPerSecond !== null && bytesPerSecond > 0 ? Math.ceil(left / bytesPerSecond) : null,
      };
    },
  };
}
