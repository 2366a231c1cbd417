import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isCoded, RemetalError } from '../errors/index.ts';
import { fuseFileEnvironment } from './fuse-file.ts';
import { attachLoop } from './loop.ts';
import { mounts } from './mounts.ts';
import { ended, endProcess, ownCommand, processIdentity, startBackground } from './processes.ts';
import { run } from './run.ts';

/**
 * How an NBD server becomes a block device: by the kernel's own client, by nbdfuse and a loop device, or by a
 * file of our own and a loop device.
 */
export type AttachWay = 'nbd' | 'nbdfuse' | 'fuse';

export interface AttachOptions {
  readonly readOnly: boolean;
  /** Name of the export; the server's first when absent. */
  readonly export?: string;
  /** The ways that may be taken, the best first; all when absent. */
  readonly ways?: readonly AttachWay[];
}

export interface AttachedNbd {
  /** The device node, `/dev/nbd0` or `/dev/loop3`. */
  readonly path: string;
  readonly how: AttachWay;
  /** Takes the device away; nothing may be mounted from it. Throws `mount-failed` where it is in use. */
  detach(): Promise<void>;
}

/** All ways, the best first. */
export const attachWays: readonly AttachWay[] = ['nbd', 'nbdfuse', 'fuse'];

const prefix = 'attached-';
const readyWithin = 30_000;
const patience = 5000;
const lookEvery = 20;
/* A file system may be made for sectors of 512; larger ones the kernel refuses to mount then. */
const sectorSize = 512;

/**
 * Shows the export of an NBD server on a unix socket as a block device. What is needed to take it away lies in
 * a folder beside the socket, so that `clearAttached` can do it when this process is gone. The server must be
 * another process, or one that never waits for the device in its event loop. Throws `mount-failed` where no way
 * works.
 */
export async function attachNbd(socket: string, options: AttachOptions): Promise<AttachedNbd> {
  const failures: unknown[] = [];
  for (const how of options.ways ?? attachWays) {
    const folder = await mkdtemp(join(dirname(socket), prefix));
    try {
      const path = await (how === 'nbd'
        ? kernelDevice(socket, folder, options)
        : loopDevice(how, socket, folder, options));
      return { path, how, detach: () => clearOne(folder) };
    } catch (error) {
      failures.push(error);
      await clearOne(folder);
      if (!isCoded(error, 'mount-failed', 'program-failed', 'program-missing')) throw error;
    }
  }
  const said = failures.map((failure) =>
    isCoded(failure) ? [failure.message, failure.hint ?? ''].join(' ').trim() : String(failure),
  );
  throw new RemetalError('mount-failed', `The volume cannot be shown as a block device.`, {
    hint: 'It takes root, and either the kernel module nbd with nbd-client, or FUSE and loop devices.',
    facts: { socket, said },
    cause: failures.at(-1),
  });
}

/** Takes away everything that was attached from sockets in `folder`, whoever did it. Throws `mount-failed`. */
export async function clearAttached(folder: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  for (const name of names.filter((each) => each.startsWith(prefix))) await clearOne(join(folder, name));
}

// The kernel's own client

/** What is kept of a device of the kernel's: which, and the process that gave it its connection. */
interface KernelDevice {
  readonly path: string;
  /** As the kernel tells it; null until it is connected. */
  readonly pid: string | null;
}

const kernelFile = (folder: string): string => join(folder, 'device.json');

async function connectedBy(path: string): Promise<string | null> {
  const text = await readFile(`/sys/block/${basename(path)}/pid`, 'utf8').catch(() => null);
  return text === null ? null : text.trim();
}

async function devicesOfKernel(): Promise<string[]> {
  const names = await readdir('/sys/block');
  return names
    .filter((name) => /^nbd\d+$/.test(name))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => `/dev/${name}`);
}

async function kernelDevice(socket: string, folder: string, options: AttachOptions): Promise<string> {
  if ((await devicesOfKernel()).length === 0) await run('modprobe', ['nbd']);
  let last: unknown;
  for (const path of await devicesOfKernel()) {
    if ((await connectedBy(path)) !== null) continue;
    await writeFile(kernelFile(folder), JSON.stringify({ path, pid: null } satisfies KernelDevice));
    try {
      // One that another took in the meantime is busy and refuses.
      const name = options.export ?? '';
      const access = options.readOnly ? ['-readonly'] : [];
      await run('nbd-client', ['-N', name, '-unix', socket, path, '-b', String(sectorSize), ...access]);
    } catch (error) {
      last = error;
      if (!isCoded(error, 'program-failed')) throw error;
      continue;
    }
    const until = performance.now() + patience;
    while ((await connectedBy(path)) === null && performance.now() < until) await delay(lookEvery);
    const pid = await connectedBy(path);
    await writeFile(kernelFile(folder), JSON.stringify({ path, pid } satisfies KernelDevice));
    return path;
  }
  await rm(kernelFile(folder), { force: true });
  throw new RemetalError('mount-failed', 'No network block device of the kernel is free.', {
    facts: { devices: await devicesOfKernel() },
    cause: last,
  });
}

/** True where the device is still the one that was connected from this folder. */
async function stillOurs({ path, pid }: KernelDevice, folder: string): Promise<boolean> {
  const now = await connectedBy(path);
  if (now === null) return false;
  if (pid !== null) return now === pid;
  // It was being connected when the process that did it ended.
  const words = await readFile(`/proc/${now}/cmdline`, 'utf8').catch(() => '');
  return words.split('\0').some((word) => dirname(word) === dirname(folder));
}

async function clearKernelDevice(folder: string): Promise<void> {
  const text = await readFile(kernelFile(folder), 'utf8').catch(() => null);
  if (text === null || text === '') return;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written above
  const device = JSON.parse(text) as KernelDevice;
  if (await stillOurs(device, folder)) await run('nbd-client', ['-d', device.path]);
}

// A file, and a loop device on it

const fileOf = (folder: string): string => join(folder, 'image');
const pidFileOf = (folder: string): string => join(folder, 'pid');

async function pidIn(folder: string): Promise<number | null> {
  const text = await readFile(pidFileOf(folder), 'utf8').catch(() => '');
  return /^\d+\n?$/.test(text) ? Number.parseInt(text, 10) : null;
}

async function loopDevice(
  how: 'nbdfuse' | 'fuse',
  socket: string,
  folder: string,
  options: AttachOptions,
): Promise<string> {
  const { readOnly, export: name = '' } = options;
  const [file, pidFile, log] = [fileOf(folder), pidFileOf(folder), join(folder, 'log')];
  await writeFile(file, '');
  const uri = `nbd+unix:///${encodeURIComponent(name)}?socket=${encodeURIComponent(socket)}`;
  const access = readOnly ? ['--readonly'] : [];
  const started =
    how === 'nbdfuse'
      ? await startBackground({ program: 'nbdfuse', args: [...access, '-P', pidFile, file, uri], log })
      : await startBackground({
          ...ownCommand(['fuse-file', ...access, '--pid-file', pidFile, '--', socket, name, file]),
          log,
          env: fuseFileEnvironment,
        });
  let running = true;
  void started.exited.finally(() => {
    running = false;
  });
  const until = performance.now() + readyWithin;
  while ((await pidIn(folder)) === null || !(await isMountPoint(file))) {
    if (!running || performance.now() > until) {
      await endProcess(started.identity, patience);
      const said = (await readFile(log, 'utf8').catch(() => '')).trim().slice(-500);
      throw new RemetalError('mount-failed', `${how} does not show the volume as a file.`, {
        ...(said === '' ? {} : { hint: `It said: ${said}` }),
        facts: { how },
      });
    }
    await delay(lookEvery);
  }
  const loop = await attachLoop({ path: file, readOnly, directIo: true });
  return loop.path;
}

/** The loop devices on a file, by their nodes. */
async function loopsOn(file: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir('/sys/block')) {
    if (!name.startsWith('loop')) continue;
    const text = await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '');
    if (text.replace(/ \(deleted\)$/m, '').trim() === file) found.push(`/dev/${name}`);
  }
  return found;
}

async function untilTrue(holds: () => Promise<boolean>): Promise<boolean> {
  const until = performance.now() + patience;
  while (!(await holds())) {
    if (performance.now() > until) return false;
    await delay(lookEvery);
  }
  return true;
}

async function isMountPoint(file: string): Promise<boolean> {
  return (await mounts()).some(({ mountPoint }) => mountPoint === file);
}

async function detachLoops(file: string): Promise<void> {
  for (const path of await loopsOn(file)) {
    await run('losetup', ['--detach', path], { okStatuses: [0, 1] });
  }
  // A device that somebody still holds open goes when they let go; the kernel may hold one for a moment.
  if (await untilTrue(async () => (await loopsOn(file)).length === 0)) return;
  const left = await loopsOn(file);
  throw new RemetalError('mount-failed', `${left.join(', ')} is still in use.`, {
    hint: `See who uses it with: fuser -vm ${left[0]}`,
    facts: { devices: left },
  });
}

async function unmountFile(file: string): Promise<void> {
  // Just after its loop device went, the file is busy for a moment. Root needs no fusermount.
  const gone = await untilTrue(async () => {
    if (!(await isMountPoint(file))) return true;
    await run('umount', ['-i', file], { okStatuses: [0, 1, 32] });
    return !(await isMountPoint(file));
  });
  if (!gone) await run('umount', ['-i', '-l', file]);
}

async function clearOne(folder: string): Promise<void> {
  await clearKernelDevice(folder);
  const file = fileOf(folder);
  await detachLoops(file);
  await unmountFile(file);
  const pid = await pidIn(folder);
  const server = pid === null ? null : await processIdentity(pid);
  // It ends by itself once its file is unmounted. A number used anew belongs to a process without our folder.
  if (server !== null && (await isFor(server.pid, folder)) && !(await ended(server, patience))) {
    await endProcess(server, patience);
  }
  await rm(folder, { recursive: true, force: true });
}

async function isFor(pid: number, folder: string): Promise<boolean> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return words.split('\0').some((word) => dirname(word) === folder);
}
