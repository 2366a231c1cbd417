import { existsSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/* Whether a process of this host lives. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/* A symbolic link names its holder from the moment it is there, which a file would not. */
function taken(lock: string): boolean {
  try {
    symlinkSync(String(process.pid), lock);
    return true;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    return false;
  }
}

function holder(lock: string): number | null {
  try {
    return Number(readlinkSync(lock));
  } catch {
    return null;
  }
}

/**
 * Does `make` unless `path` is there, with nobody else doing so who holds the same `lock`: who comes second waits
 * and finds it made. The lock of one who died is void. `make` must put whole things at `path` only.
 */
export async function madeOnce(path: string, lock: string, make: () => Promise<void>): Promise<string> {
  while (!existsSync(path)) {
    if (!taken(lock)) {
      const other = holder(lock);
      if (other !== null && !lives(other)) rmSync(lock, { force: true });
      else await delay(200);
      continue;
    }
    try {
      // Between our look and our lock somebody may have made it.
      if (!existsSync(path)) await make();
    } finally {
      rmSync(lock, { force: true });
    }
  }
  return path;
}
