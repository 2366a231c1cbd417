import { readFile, realpath } from 'node:fs/promises';
import { serialOfPage80 } from '../system/index.ts';
import type { DiskIdentity } from './identity.ts';

async function bytes(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch {
    return null;
  }
}

async function text(path: string): Promise<string | null> {
  const found = (await bytes(path))?.toString('latin1').replaceAll('\0', '').trim();
  return found === undefined || found === '' ? null : found;
}

async function number(path: string): Promise<number | null> {
  const found = await text(path);
  return found !== null && /^\d{1,15}$/.test(found) ? Number(found) : null;
}

async function firstOf(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) {
    const found = await text(path);
    if (found !== null) return found;
  }
  return null;
}

/**
 * The world wide name of the logical unit in a SCSI disk's vital product data page 83h (SPC-4,
 * 7.8.6): an NAA designator as `0x…`, else an EUI-64 as `eui.…`; null where there is neither.
 */
export function wwnOfPage83(page: Buffer): string | null {
  if (page.length < 4 || page[1] !== 0x83) return null;
  const end = Math.min(page.length, 4 + page.readUInt16BE(2));
  let eui: string | null = null;
  for (let at = 4; at + 4 <= end;) {
    const length = page[at + 3]!;
    const next = at + 4 + length;
    if (next > end) break;
    const ofUnit = (page[at + 1]! & 0x30) === 0;
    const type = page[at + 1]! & 0x0f;
    const value = page.toString('hex', at + 4, next);
    if (ofUnit && type === 3 && value !== '') return `0x${value}`;
    if (ofUnit && type === 2 && value !== '') eui ??= `eui.${value}`;
    at = next;
  }
  return eui;
}

/** The kernel's `wwid` attribute as a world wide name, written as udev writes it; null for other kinds of id. */
function wwnOfWwid(wwid: string | null): string | null {
  const [, kind, value] = /^(naa|eui|nvme|uuid)\.(\S+)$/.exec(wwid ?? '') ?? [];
  if (kind === undefined || value === undefined) return null;
  return kind === 'naa' ? `0x${value.toLowerCase()}` : `${kind}.${value.toLowerCase()}`;
}

/** How the disk is attached, told by the names on the way to it in the device tree. */
function transportOf(name: string, devicePath: string): string | null {
  const on = (pattern: RegExp): boolean => pattern.test(devicePath);
  if (on(/\/usb\d+\//)) return 'usb';
  if (name.startsWith('nvme')) return 'nvme';
  if (name.startsWith('mmcblk')) return 'mmc';
  if (name.startsWith('xvd')) return 'xen';
  if (on(/\/ata\d+\//)) return 'sata';
  if (on(/\/end_device-/) || on(/\/sas_/)) return 'sas';
  if (on(/\/rport-/)) return 'fc';
  if (on(/\/session\d+\//)) return 'iscsi';
  if (on(/\/virtio\d+\//)) return 'virtio';
  if (on(/\/VMBUS:|\/vmbus/i)) return 'hyperv';
  if (on(/\/host\d+\//)) return 'scsi';
  if (name.startsWith('loop')) return 'loop';
  return null;
}

async function usbSerial(devicePath: string): Promise<string | null> {
  for (let at = devicePath; at.includes('/usb'); at = at.slice(0, at.lastIndexOf('/'))) {
    const found = await text(`${at}/serial`);
    if (found !== null) return found;
  }
  return null;
}

/**
 * Identity of a disk from its directory in /sys, without udev: `folder` is /sys/class/block/NAME.
 * Null when there is no such disk.
 */
export async function identityAt(folder: string, name: string, path: string): Promise<DiskIdentity | null> {
  const units = await number(`${folder}/size`);
  const devicePath = await realpath(folder).catch(() => null);
  if (units === null || devicePath === null) return null;
  const sectorSize = (await number(`${folder}/queue/logical_block_size`)) ?? 512;
  const [page80, page83] = await Promise.all([
    bytes(`${folder}/device/vpd_pg80`),
    bytes(`${folder}/device/vpd_pg83`),
  ]);
  const wwid = await firstOf([`${folder}/wwid`, `${folder}/device/wwid`]);
  return {
    path,
    size: units * 512,
    sectorSize,
    physicalSectorSize: (await number(`${folder}/queue/physical_block_size`)) ?? sectorSize,
    model: await firstOf([`${folder}/device/model`, `${folder}/device/name`]),
    serial:
      (page80 === null ? null : serialOfPage80(page80)) ??
      (await firstOf([`${folder}/serial`, `${folder}/device/serial`])) ??
      (await usbSerial(devicePath)) ??
      ataSerialOfWwid(wwid),
    wwn: wwnOfWwid(wwid) ?? (page83 === null ? null : wwnOfPage83(page83)),
    transport: transportOf(name, devicePath),
    removable: (await number(`${folder}/removable`)) === 1,
  };
}

/** `t10.ATA` ids are `ATA` in 8 columns, the model in 40 and the serial number in 20 (SAT-3, 10.3.4). */
function ataSerialOfWwid(wwid: string | null): string | null {
  if (wwid === null || !wwid.startsWith('t10.ATA     ')) return null;
  const serial = wwid.slice(4 + 8 + 40).trim();
  return serial === '' ? null : serial;
}
