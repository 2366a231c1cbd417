import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { deviceNumber, deviceNumberOf, holdersOf, kernelNameOf, mounts, swaps } from '../system/index.ts';

/** The kernel names of a device's partitions; none for a partition. */
async function partitionsOf(name: string): Promise<string[]> {
  try {
    const entries = await readdir(`/sys/class/block/${name}`);
    const found = await Promise.all(
      entries.map(async (entry) =>
        entry.startsWith(name)
          ? await stat(`/sys/class/block/${name}/${entry}/partition`).then(
              () => true,
              () => false,
            )
          : false,
      ),
    );
    return entries.filter((_, i) => found[i]).toSorted();
  } catch {
    return [];
  }
}

/** Names of the loop devices that show a file, by the kernel's own record of their backing file. */
async function loopsOver(file: string): Promise<string[]> {
  const names = await readdir('/sys/class/block').catch(() => []);
  const backing = await Promise.all(
    names.map(async (name) =>
      name.startsWith('loop')
        ? (await readFile(`/sys/class/block/${name}/loop/backing_file`, 'utf8').catch(() => '')).trimEnd()
        : '',
    ),
  );
  return names.filter((_, i) => backing[i] === file);
}

/** `major:minor` of a device by its kernel name, from /sys: there need not be a node for it in /dev. */
async function numberOf(name: string): Promise<string | null> {
  const text = await readFile(`/sys/class/block/${name}/dev`, 'utf8').catch(() => null);
  return text === null ? null : text.trim();
}

async function useOfDevice(name: string, number: string, seen: Set<string>): Promise<string[]> {
  if (seen.has(name)) return [];
  seen.add(name);
  const found: string[] = [];
  for (const mount of await mounts()) {
    if (mount.device === number || (await deviceNumberOf(mount.source)) === number) {
      found.push(`${name} is mounted at ${mount.mountPoint}`);
    }
  }
  for (const swap of await swaps()) {
    if ((await deviceNumberOf(swap.path)) === number) found.push(`${name} is swap in use`);
  }
  const above = await holdersOf(name);
  for (const holder of above) found.push(`${name} is part of ${holder}`);
  for (const next of [...(await partitionsOf(name)), ...above]) {
    const nextNumber = await numberOf(next);
    if (nextNumber !== null) found.push(...(await useOfDevice(next, nextNumber, seen)));
  }
  return found;
}

/**
 * Why a disk is busy, in words, most direct reason first: what of it is mounted and where, used as
 * swap, or held by a device stacked on it. A disk's partitions and the devices above them count; for
 * an image file, the loop devices that show it. Empty when nothing holds it.
 */
export async function describeUse(path: string): Promise<string[]> {
  const real = await realpath(path).catch(() => path);
  const facts = await stat(real).catch(() => null);
  if (facts === null) return [];
  if (facts.isBlockDevice()) {
    const number = deviceNumber(facts.rdev);
    return useOfDevice((await kernelNameOf(number)) ?? basename(real), number, new Set());
  }
  const found: string[] = [];
  for (const name of await loopsOver(real)) {
    const number = await numberOf(name);
    if (number === null) continue;
    const use = await useOfDevice(name, number, new Set());
    found.push(...(use.length === 0 ? [`the file is shown as ${name}`] : use));
  }
  return found;
}
