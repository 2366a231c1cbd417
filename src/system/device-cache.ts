import { open } from 'node:fs/promises';
import type { Extent } from '../bytes/index.ts';
import { readSoon } from './native.ts';

/* What every device takes in one piece: 128 KiB is the smallest read_ahead_kb the kernel gives one by itself. */
const pieceBytes = 128 * 1024;

/**
 * Begins to read extents of a block device into the kernel's cache of it, and nothing beside them: a read that
 * fails now fails again for whoever needs it. Where a file system is mounted from the device its block size
 * holds, so this comes after the mount, which would empty the cache. Needs the right to read the device.
 */
export async function fillDeviceCache(path: string, extents: readonly Extent[]): Promise<void> {
  const device = await open(path, 'r');
  try {
    for (const { start, length } of extents) {
      for (let done = 0; done < length; done += pieceBytes) {
        await readSoon(device.fd, start + done, Math.min(pieceBytes, length - done));
      }
    }
  } finally {
    await device.close();
  }
}
