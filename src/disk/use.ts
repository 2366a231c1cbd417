import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import {
  deviceNumber,
  deviceNumberOf,
  holdersOf,
  kernelNameOf,
  mountOf,
  mounts,
  swaps,
} from '../system/index.ts';

/** One thing that holds a disk, a part of it, or a device stacked on it. */
export interface Use {
  readonly kind: 'mounted' | 'swap' | 'holder' | 'loop';
  /** Kernel name of the device that is held: `sda1`, `dm-0`, `loop3`. */
  readonly device: string;
  /** For a mount: where. */
  readonly mountPoint: string | null;
  /** The whole thing in words. */
  readonly text: string;
}

/** A block device by kernel name and `major:minor`. */
interface Node {
  readonly name: string;
  readonly number: string;
}

/** The kernel names of a device's partitions; none for a partition. */
async function partitionsOf(name: string): Promise<string[]> {
  const folder = `/sys/class/block/${name}`;
  const found: string[] = [];
  for (const entry of await readdir(folder).catch(() => [])) {
    const isPartition = await stat(`${folder}/${entry}/partition`).then(
      () => true,
      () => false,
    );
    if (isPartition) found.push(entry);
  }
  return found.toSorted();
}

/** From /sys rather than /dev, where there need not be a node for it. */
async function nodeOf(name: string): Promise<Node | null> {
  const text = await readFile(`/sys/class/block/${name}/dev`, 'utf8').catch(() => null);
  return text === null ? null : { name, number: text.trim() };
}

/** The loop devices that show a file, by the kernel's own record of their backing file. */
async function loopsOver(file: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir('/sys/class/block').catch(() => [])) {
    if (!name.startsWith('loop')) continue;
    const backing = await readFile(`/sys/class/block/${name}/loop/backing_file`, 'utf8').catch(() => '');
    if (backing.trimEnd() === file) found.push(name);
  }
  return found;
}

async function climb(name: string, seen: Map<string, Node>): Promise<void> {
  if (seen.has(name)) return;
  const node = await nodeOf(name);
  if (node === null) return;
  seen.set(name, node);
  for (const next of [...(await partitionsOf(name)), ...(await holdersOf(name))]) await climb(next, seen);
}

/**
 * The block devices through which a disk's contents can be reached: the disk, its partitions, what is
 * stacked on them; for an image file, the loop devices that show it and what stands on those.
 */
async function devicesOver(path: string): Promise<Node[]> {
  const real = await realpath(path).catch(() => path);
  const facts = await stat(real).catch(() => null);
  const seen = new Map<string, Node>();
  if (facts?.isBlockDevice() === true) {
    await climb((await kernelNameOf(deviceNumber(facts.rdev))) ?? basename(real), seen);
  } else if (facts?.isFile() === true) {
    for (const name of await loopsOver(real)) await climb(name, seen);
  }
  return [...seen.values()];
}

/**
 * What holds a disk or image file: what of it is mounted and where, in use as swap, part of a device
 * stacked on it, shown as a loop device. Empty when nothing does.
 */
export async function usesOf(path: string): Promise<Use[]> {
  const over = await devicesOver(path);
  if (over.length === 0) return [];
  const isFile = (await stat(path)).isFile();
  const mounted = await Promise.all(
    (await mounts()).map(async (mount) => ({
      mount,
      // Some file systems (btrfs) have a number of their own; what was mounted is then told by its path.
      numbers: [mount.device, await deviceNumberOf(mount.source)],
    })),
  );
  const swapping = await Promise.all((await swaps()).map((swap) => deviceNumberOf(swap.path)));
  const found: Use[] = [];
  for (const { name: device, number } of over) {
    for (const { mount, numbers } of mounted) {
      if (!numbers.includes(number)) continue;
      const { mountPoint } = mount;
      found.push({ kind: 'mounted', device, mountPoint, text: `${device} is mounted at ${mountPoint}` });
    }
    if (swapping.includes(number)) {
      found.push({ kind: 'swap', device, mountPoint: null, text: `${device} is swap in use` });
    }
    for (const holder of await holdersOf(device)) {
      found.push({ kind: 'holder', device, mountPoint: null, text: `${device} is part of ${holder}` });
    }
  }
  if (isFile && found.length === 0) {
    const { name: device } = over[0]!;
    found.push({ kind: 'loop', device, mountPoint: null, text: `the file is shown as ${device}` });
  }
  return found;
}

/** Why a disk is busy, in words; empty when it is not. */
export async function describeUse(path: string): Promise<string[]> {
  return (await usesOf(path)).map((use) => use.text);
}

/**
 * True when `path` lies on a file system that lives on this disk or image file. The path need not
 * exist yet: its nearest folder counts.
 */
export async function liesOn(path: string, disk: string): Promise<boolean> {
  const numbers = new Set((await devicesOver(disk)).map((node) => node.number));
  if (numbers.size === 0) return false;
  const mount = await mountOf(await nearest(path));
  if (mount === null) return false;
  return numbers.has(mount.device) || numbers.has((await deviceNumberOf(mount.source)) ?? '');
}

async function nearest(path: string): Promise<string> {
  for (let at = resolve(path); ; at = dirname(at)) {
    const real = await realpath(at).catch(() => null);
    if (real !== null || at === '/') return real ?? '/';
  }
}
