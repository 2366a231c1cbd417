import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';

/** A changer of this machine. */
export interface FoundChanger {
  /** The node of the generic driver, `/dev/sg2`; it may be another one after the next start. */
  readonly path: string;
  /** A link under /dev/tape/by-id that stays; null where udev made none. */
  readonly byId: string | null;
  readonly vendor: string;
  readonly model: string;
  readonly serial: string | null;
}

/** A tape drive of this machine. `path` is the node that does not rewind, `/dev/nst0`. */
export interface FoundTapeDrive extends FoundChanger {
  /** The node of the generic driver, `/dev/sg1`; null where that is not loaded. */
  readonly generic: string | null;
}

/** Where the kernel's device tree and the device nodes are; other places in tests. */
export interface DeviceRoots {
  readonly sys?: string;
  readonly dev?: string;
}

/** Peripheral device type of a medium changer (SPC-4, 6.6.2). */
const changerType = 8;

/** The serial number of a SCSI device's vital product data page 80h (SPC-4, 7.8.18). */
export function serialOfPage80(page: Buffer): string | null {
  if (page.length < 4 || page[1] !== 0x80) return null;
  const serial = page
    .toString('latin1', 4, 4 + page.readUInt16BE(2))
    .replaceAll('\0', '')
    .trim();
  return serial === '' ? null : serial;
}

async function entries(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}

async function text(path: string): Promise<string> {
  return (await readFile(path, 'latin1').catch(() => '')).trim();
}

function number(name: string): number {
  return Number(/\d+$/.exec(name)?.[0] ?? 0);
}

/** Links under /dev/tape/by-id by the node they end at. */
async function linksByTarget(dev: string): Promise<Map<string, string[]>> {
  const folder = join(dev, 'tape/by-id');
  const links = new Map<string, string[]>();
  for (const entry of (await entries(folder)).toSorted()) {
    const link = join(folder, entry);
    const target = await realpath(link).catch(() => null);
    if (target !== null) links.set(target, [...(links.get(target) ?? []), link]);
  }
  return links;
}

async function identity(folder: string): Promise<Pick<FoundChanger, 'vendor' | 'model' | 'serial'>> {
  const page80 = await readFile(`${folder}/vpd_pg80`).catch(() => null);
  return {
    vendor: await text(`${folder}/vendor`),
    model: await text(`${folder}/model`),
    serial: page80 === null ? null : serialOfPage80(page80),
  };
}

/** All tape drives the kernel's driver has, by number. None where the driver is not loaded. */
export async function listTapeDrives(roots: DeviceRoots = {}): Promise<FoundTapeDrive[]> {
  const sys = roots.sys ?? '/sys';
  const dev = roots.dev ?? '/dev';
  const links = await linksByTarget(dev);
  const drives: FoundTapeDrive[] = [];
  for (const name of await entries(`${sys}/class/scsi_tape`)) {
    // st0 rewinds when it is closed; st0a, st0l and st0m are the same drive in other modes.
    if (!/^nst\d+$/.test(name)) continue;
    const device = `${sys}/class/scsi_tape/${name}/device`;
    const path = join(dev, name);
    const [generic] = await entries(`${device}/scsi_generic`);
    drives.push({
      path,
      byId: links.get(path)?.[0] ?? null,
      ...(await identity(device)),
      generic: generic === undefined ? null : join(dev, generic),
    });
  }
  return drives.toSorted((a, b) => number(a.path) - number(b.path));
}

/** All changers of this machine, by number. None where the generic driver is not loaded. */
export async function listChangers(roots: DeviceRoots = {}): Promise<FoundChanger[]> {
  const sys = roots.sys ?? '/sys';
  const dev = roots.dev ?? '/dev';
  const links = await linksByTarget(dev);
  const changers: FoundChanger[] = [];
  for (const name of await entries(`${sys}/class/scsi_generic`)) {
    const device = `${sys}/class/scsi_generic/${name}/device`;
    if ((await text(`${device}/type`)) !== String(changerType)) continue;
    const path = join(dev, name);
    changers.push({ path, byId: links.get(path)?.[0] ?? null, ...(await identity(device)) });
  }
  return changers.toSorted((a, b) => number(a.path) - number(b.path));
}
