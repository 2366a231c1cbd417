import { RemetalError } from '../errors/index.ts';

/** Throws when the work is to stop: the signal's own reason when it is coded, else `interrupted`. */
export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  if (signal.reason instanceof RemetalError) throw signal.reason;
  throw new RemetalError('interrupted', 'The backup was stopped', {
    hint: 'What it wrote so far is not a set and can be removed.',
    cause: signal.reason,
  });
}
