import { createServer } from 'node:net';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { RemetalError } from '../../errors/index.ts';

const longestWait = 10_000;
const pause = 5;

/**
 * Takes a lock of a folder that no other process, and nothing else in this one, holds; null while it is
 * held. The kernel keeps it, as the name of a socket (unix(7), abstract), and drops it when a process dies.
 */
export async function takeLock(folder: string, name: string): Promise<(() => Promise<void>) | null> {
  const { dev, ino } = await stat(folder, { bigint: true });
  const server = createServer();
  const taken = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(`\0remetal-tape-${dev}-${ino}-${name}`, () => resolve(true));
  });
  if (!taken) return null;
  server.unref();
  return () => new Promise((resolve) => void server.close(() => resolve()));
}

/** Does something while it holds a lock, after waiting for it; `changer-failed` when it is never let go of. */
export async function withLock<T>(folder: string, name: string, body: () => Promise<T>): Promise<T> {
  for (let waited = 0; waited < longestWait; waited += pause) {
    const letGo = await takeLock(folder, name);
    if (letGo === null) {
      await sleep(pause);
      continue;
    }
    try {
      return await body();
    } finally {
      await letGo();
    }
  }
  throw new RemetalError('changer-failed', `Another program holds the tape library ${folder}.`, {
    facts: { folder },
  });
}
