import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';

/** One line of /proc/self/mountinfo, the fields that matter here. */
export interface Mount {
  /** `major:minor` of the device the file system lives on; `0:n` for those without one. */
  readonly device: string;
  /** The directory of the file system that is shown, `/` for all of it. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  readonly type: string;
  /** What was mounted: `/dev/sda1`, `tmpfs`, … */
  readonly source: string;
}

export interface Swap {
  readonly path: string;
  readonly type: 'partition' | 'file';
}

/** The kernel writes space, tab, newline and backslash in these tables as `\ooo`. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Parses /proc/self/mountinfo; its fields are described in proc_pid_mountinfo(5). */
export function parseMountinfo(text: string): Mount[] {
  const found: Mount[] = [];
  for (const line of text.split('\n')) {
    const separator = line.indexOf(' - ');
    if (separator < 0) continue;
    const [, , device, root, mountPoint, options] = line.slice(0, separator).split(' ');
    const [type, source] = line.slice(separator + 3).split(' ');
    if (device === undefined || root === undefined || mountPoint === undefined) continue;
    found.push({
      device,
      root: unescape(root),
      mountPoint: unescape(mountPoint),
      options: (options ?? '').split(','),
      type: type ?? '',
      source: unescape(source ?? ''),
    });
  }
  return found;
}

/** Parses /proc/swaps, described in proc_swaps(5). */
export function parseSwaps(text: string): Swap[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/))
    .filter(([path, type]) => path !== undefined && path !== '' && type !== undefined)
    .map(([path, type]) => ({
      path: unescape(path!),
      type: type === 'partition' ? 'partition' : 'file',
    }));
}

/** Everything that is mounted in this process's mount namespace, in mount order. */
export async function mounts(): Promise<Mount[]> {
  return parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** The active swap areas; none where the kernel has no swap. */
export async function swaps(): Promise<Swap[]> {
  try {
    return parseSwaps(await readFile('/proc/swaps', 'utf8'));
  } catch {
    return [];
  }
}

/** The mount that a path lies on: the one with the longest mount point above it. */
export async function mountOf(path: string): Promise<Mount | null> {
  const real = await realpath(path);
  const under = (mount: Mount): boolean =>
    mount.mountPoint === '/' || real === mount.mountPoint || real.startsWith(`${mount.mountPoint}/`);
  // A later line covers an earlier one with the same mount point.
  return (await mounts()).filter(under).reduce<Mount | null>((best, mount) => {
    return best === null || mount.mountPoint.length >= best.mountPoint.length ? mount : best;
  }, null);
}

/** Names of the devices (`dm-0`, `md127`, `loop3`) stacked on a device given by its kernel name. */
export async function holdersOf(name: string): Promise<string[]> {
  try {
    return (await readdir(`/sys/class/block/${name}/holders`)).toSorted();
  } catch {
    return [];
  }
}

/** Names of the devices that a stacked device (`dm-0`, `md127`) is built from. */
export async function slavesOf(name: string): Promise<string[]> {
  try {
    return (await readdir(`/sys/class/block/${name}/slaves`)).toSorted();
  } catch {
    return [];
  }
}

/** The kernel's name (`sda1`) of the block device with a `major:minor` number; null where there is none. */
export async function kernelNameOf(device: string): Promise<string | null> {
  try {
    return basename(await readlink(`/sys/dev/block/${device}`));
  } catch {
    return null;
  }
}

/** `major:minor` of the block device a path names; null when it names something else or nothing. */
export async function deviceNumberOf(path: string): Promise<string | null> {
  try {
    const facts = await stat(path);
    return facts.isBlockDevice() ? deviceNumber(facts.rdev) : null;
  } catch {
    return null;
  }
}

/** `major:minor` of a `dev_t` as stat(2) gives it; the split is that of makedev(3). */
export function deviceNumber(rdev: number): string {
  const number = BigInt(rdev);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
