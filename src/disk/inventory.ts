import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { RemetalError } from '../errors/index.ts';
import { deviceNumber, holdersOf } from '../system/index.ts';
import type { DiskIdentity } from './identity.ts';
import { identityAt } from './sysfs-identity.ts';
import { describeUse } from './use.ts';

export interface DiskPartition {
  /** The kernel's name: `sda1`. */
  readonly name: string;
  readonly path: string;
  readonly number: number;
  /** Bytes from the start of the disk. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** A disk of this machine. */
export interface Disk {
  /** The kernel's name: `sda`. It may be another one after the next start. */
  readonly name: string;
  readonly identity: DiskIdentity;
  /**
   * Every path that names it: the node, the links under /dev/disk, and the by-id names udev would
   * make of its identity, so that such a name works where no udev runs.
   */
  readonly paths: readonly string[];
  readonly partitions: readonly DiskPartition[];
  /** Names of the devices stacked on it or on a partition of it. */
  readonly holders: readonly string[];
  /** Why it is busy, in words; empty when it is not. */
  readonly use: readonly string[];
  readonly readOnly: boolean;
}

/** Where the kernel's device tree and the device nodes are; other places in tests. */
export interface InventoryRoots {
  readonly sys?: string;
  readonly dev?: string;
}

/** Memory, loop and stacked devices, optical drives and floppies: no disks of a server. */
const notDisks = /^(loop|ram|zram|dm-|md|sr|fd|mtdblock|nbd)\d/;

async function flag(path: string): Promise<boolean> {
  return (await readFile(path, 'utf8').catch(() => '0')).trim() === '1';
}

async function numberIn(path: string): Promise<number> {
  const value = Number((await readFile(path, 'utf8').catch(() => '0')).trim());
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

async function partitionsOf(folder: string, name: string, dev: string): Promise<DiskPartition[]> {
  const found: DiskPartition[] = [];
  for (const entry of await readdir(folder).catch(() => [])) {
    if (!entry.startsWith(name)) continue;
    const number = await numberIn(`${folder}/${entry}/partition`);
    if (number === 0) continue;
    found.push({
      name: entry,
      path: join(dev, entry),
      number,
      offset: (await numberIn(`${folder}/${entry}/start`)) * 512,
      size: (await numberIn(`${folder}/${entry}/size`)) * 512,
    });
  }
  return found.toSorted((a, b) => a.number - b.number);
}

/** Links under /dev/disk by the node they end at. */
async function linksByTarget(dev: string): Promise<Map<string, string[]>> {
  const links = new Map<string, string[]>();
  for (const group of await readdir(join(dev, 'disk')).catch(() => [])) {
    for (const entry of await readdir(join(dev, 'disk', group)).catch(() => [])) {
      const link = join(dev, 'disk', group, entry);
      const target = await realpath(link).catch(() => null);
      if (target !== null) links.set(target, [...(links.get(target) ?? []), link]);
    }
  }
  return links;
}

function plain(value: string): string {
  return value.trim().replaceAll(/\s+/g, '_');
}

/** The by-id names that udev's rules (60-persistent-storage.rules) make of such an identity. */
function byIdNames({ serial, wwn, model, transport }: DiskIdentity): string[] {
  const names: string[] = [];
  if (wwn !== null) names.push(transport === 'nvme' ? `nvme-${wwn}` : `wwn-${wwn}`);
  if (serial !== null && transport === 'virtio' && model === null) names.push(`virtio-${plain(serial)}`);
  if (serial !== null && model !== null) {
    if (transport === 'sata') names.push(`ata-${plain(model)}_${plain(serial)}`);
    if (transport === 'nvme') names.push(`nvme-${plain(model)}_${plain(serial)}`);
  }
  return names;
}

/** All disks of this machine, sorted by kernel name; without optical drives and stacked devices. */
export async function listDisks(roots: InventoryRoots = {}): Promise<Disk[]> {
  const sys = roots.sys ?? '/sys';
  const dev = roots.dev ?? '/dev';
  const links = await linksByTarget(dev);
  const disks: Disk[] = [];
  for (const name of (await readdir(`${sys}/block`)).toSorted()) {
    if (notDisks.test(name)) continue;
    const folder = `${sys}/block/${name}`;
    const path = join(dev, name.replaceAll('!', '/'));
    const identity = await identityAt(folder, name, path);
    if (identity === null || identity.size === 0 || (await flag(`${folder}/hidden`))) continue;
    const partitions = await partitionsOf(folder, name, dev);
    const holders = await Promise.all([name, ...partitions.map((p) => p.name)].map((n) => holdersOf(n)));
    const byId = byIdNames(identity).map((id) => join(dev, 'disk/by-id', id));
    disks.push({
      name,
      identity,
      paths: [...new Set([path, ...(links.get(path) ?? []), ...byId])],
      partitions,
      holders: [...new Set(holders.flat())],
      use: await describeUse(path),
      readOnly: await flag(`${folder}/ro`),
    });
  }
  return disks;
}

/**
 * Identity of what a path names: a disk, a partition (its own size, the rest of its disk) or an image
 * file (with `sectorSize`, 512 by default). Throws `disk-not-found`.
 */
export async function identityOf(path: string, sectorSize = 512): Promise<DiskIdentity> {
  const real = await realpath(path).catch((cause: unknown) => {
    throw new RemetalError('disk-not-found', `${path} does not exist`, { facts: { path }, cause });
  });
  const facts = await stat(real);
  if (facts.isFile()) {
    return {
      path,
      size: facts.size - (facts.size % sectorSize),
      sectorSize,
      physicalSectorSize: sectorSize,
      model: null,
      serial: null,
      wwn: null,
      transport: 'file',
      removable: false,
    };
  }
  if (facts.isBlockDevice()) {
    const link = `/sys/dev/block/${deviceNumber(facts.rdev)}`;
    const name = basename(await readlink(link).catch(() => ''));
    const isPartition = (await numberIn(`/sys/class/block/${name}/partition`)) > 0;
    const disk = isPartition ? basename(join(await realpath(link), '..')) : name;
    const identity = await identityAt(`/sys/class/block/${disk}`, disk, path);
    if (identity !== null)
      return isPartition ? { ...identity, size: (await numberIn(`${link}/size`)) * 512 } : identity;
  }
  throw new RemetalError('disk-not-found', `${path} is neither a disk nor an image file`, {
    facts: { path },
  });
}
