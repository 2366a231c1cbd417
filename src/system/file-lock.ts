import { open, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { systemCode } from '../errors/index.ts';

/* The work under the lock takes milliseconds: what is older was left by a process that is gone. */
const leftAfter = 5000;
const lookEvery = 10;

async function age(path: string): Promise<number> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

/**
 * Runs `work`, which takes milliseconds, while no other process and nobody else in this one does so under the same
 * lock. The lock is a file that is there meanwhile; its folder must be there. Throws system errors, and what `work`
 * throws.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      await (await open(path, 'wx')).close();
      break;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
    if ((await age(path)) > leftAfter) await rm(path, { force: true });
    else await delay(lookEvery);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}
