import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockDevice } from '../disk/block-device.ts';
import { overlay } from '../disk/index.ts';
import { attachNbd, mountVolume, unmountVolume } from '../system/index.ts';
import { serveNbd } from './nbd/index.ts';

/** Where what must not lie in memory is kept for a while. */
export const spillFolder = process.env['TMPDIR'] ?? '/var/tmp';

/** What the replay of a journal may write; the largest journals are a few gigabytes. */
const mostReplayed = 8 * 1024 * 1024 * 1024;

export interface MountedVolumeOptions {
  /** For the socket, the mount point and what is written to the throw-away overlay. */
  readonly folder?: string;
  /** Its type, as in a layout record. */
  readonly filesystem: string;
  /** The journal is replayed, into a throw-away overlay; `needsReplay` of filesystem/ says whether it must be. */
  readonly replay: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Mounts the file system on `device` read-only in a folder of its own while `work` runs. Needs root. Nothing is
 * written to the device, nothing is left behind.
 *
 * The device is served from this very process. Whatever asks the mounted tree makes the kernel ask this
 * process: `work` may have at most two asynchronous file calls on the tree under way, and **no synchronous one**
 * (no `…Sync`, no foreign call that is not `async`), or nobody is left to answer and both wait for ever.
 * Anything more belongs into a process of its own (`ownCommand`).
 *
 * Throws `mount-failed`, and what `work` throws.
 */
export async function withMountedVolume<T>(
  device: BlockDevice,
  options: MountedVolumeOptions,
  work: (root: string) => Promise<T>,
): Promise<T> {
  const { filesystem, replay, signal } = options;
  // The server itself does not end by it: what is mounted has to be taken away first.
  signal?.throwIfAborted();
  const folder = await mkdtemp(join(options.folder ?? spillFolder, 'remetal-volume-'));
  /** What undoes each step, the last one first. */
  const undo: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  let failed = true;
  try {
    let shown = device;
    if (replay) {
      const over = await overlay(device, { folder, mostBytes: mostReplayed });
      undo.push(() => over.close());
      shown = over;
    }
    const socket = join(folder, 'nbd.sock');
    const server = await serveNbd({
      exports: [{ name: '', description: device.name, device: shown, readOnly: !replay }],
      listen: { socket },
    });
    undo.push(() => server.close());
    const attached = await attachNbd(socket, { readOnly: !replay });
    undo.push(() => attached.detach());
    const root = join(folder, 'root');
    await mkdir(root);
    await mountVolume(attached.path, root, { filesystem, face: replay ? 'replayed' : 'untouched' });
    undo.push(() => unmountVolume(root));
    const result = await work(root);
    failed = false;
    return result;
  } finally {
    for (const step of undo.toReversed()) {
      // After a failure the error that led here is the one to tell.
      if (failed) await step().catch(() => {});
      else await step();
    }
  }
}
