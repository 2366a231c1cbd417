import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attachLoop, run, type Loop } from '../system/index.ts';

/** A byte range of a disk or image file that holds a file system. */
export interface VolumePlace {
  /** Device node or image file. */
  readonly path: string;
  /** Bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: number;
}

/**
 * Shows a volume as a loop device while `work` runs; detached whatever happens. The kernel's own
 * partition devices are left alone: they may still be those of the disk's former table.
 */
export async function withLoop<T>(place: VolumePlace, work: (device: string) => Promise<T>): Promise<T> {
  const loop = await attachLoop(place);
  return await released(() => work(loop.path), loop);
}

async function released<T>(work: () => Promise<T>, loop: Loop): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await loop.detach().catch(() => undefined);
    throw error;
  }
  await loop.detach();
  return result;
}

/** Mounts the file system of a volume in a directory of its own while `work` runs. */
export async function withMount<T>(
  place: VolumePlace,
  options: readonly string[],
  work: (folder: string) => Promise<T>,
): Promise<T> {
  return await withLoop(place, async (device) => {
    const folder = await mkdtemp(join(tmpdir(), 'remetal-mount-'));
    try {
      await run('mount', [
        '-o',
        ['noatime', 'nosuid', 'nodev', 'noexec', ...options].join(','),
        device,
        folder,
      ]);
      let result: T;
      try {
        result = await work(folder);
      } catch (error) {
        await run('umount', [folder]).catch(() => undefined);
        throw error;
      }
      await run('umount', [folder]);
      return result;
    } finally {
      await rmdir(folder).catch(() => undefined);
    }
  });
}
