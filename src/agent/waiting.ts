import type { ErrorCode } from '../errors/index.ts';
import { isCoded } from '../errors/index.ts';
import type { AgentWorld } from './world.ts';

/**
 * Does `work` again and again while it fails with one of `codes`, for at most `seconds`: disks and
 * sticks take their time to appear. Then the last failure is thrown.
 */
export async function waitingFor<T>(
  world: AgentWorld,
  {
    what,
    seconds,
    codes,
  }: { readonly what: string; readonly seconds: number; readonly codes: readonly ErrorCode[] },
  work: () => Promise<T>,
): Promise<T> {
  const { machine, console, signal, lookEvery } = world;
  const began = machine.clock();
  let toldAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const waited = (machine.clock() - began) / 1000;
      if (!isCoded(error, ...codes) || waited >= seconds) throw error;
      if (waited - toldAt >= 10) {
        toldAt = waited;
        console.event('waiting', { for: what, seconds: Math.round(waited) });
      }
    }
    await machine.wait(lookEvery, signal);
  }
}
