import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { peakMemory, programEnvironment, run } from '../src/system/index.ts';

/** What one run of a command cost. */
export interface Measurement {
  readonly seconds: number;
  /** Of the process itself, not of those it started; bytes. */
  readonly peakMemory: number;
}

/** Runs a command to its end, standard error going nowhere unless it fails. */
export async function measured(program: string, args: readonly string[]): Promise<Measurement> {
  const began = performance.now();
  const child = execa(program, args, { stdin: 'ignore', env: programEnvironment(), reject: false });
  let peak = 0;
  const ended = new AbortController();
  const watch = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      peak = Math.max(peak, (await peakMemory(child.pid ?? 0)) ?? 0);
      await delay(25);
    }
  };
  const [result] = await Promise.all([child.finally(() => ended.abort()), watch()]);
  const seconds = (performance.now() - began) / 1000;
  if (result.exitCode !== 0) throw new Error(`${program} ${args.join(' ')}\n${result.stderr.slice(-2000)}`);
  return { seconds, peakMemory: peak };
}

/** Everybody starts with nothing in the page cache and nothing waiting to be written, where we may. */
export async function coldStart(): Promise<boolean> {
  await run('sync');
  try {
    await writeFile('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
