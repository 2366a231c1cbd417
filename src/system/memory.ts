import { readFile } from 'node:fs/promises';
import { freemem } from 'node:os';

/** Peak resident memory of this process or, by its id, of another, in bytes; null when it has ended. */
export async function peakMemory(pid: number | 'self' = 'self'): Promise<number | null> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(status);
    return match === null ? null : Number(match[1]) * 1024;
  } catch {
    return null;
  }
}

/** Bytes of memory that could be had without pushing anything out (MemAvailable of /proc/meminfo). */
export function availableMemory(): number {
  return freemem();
}
