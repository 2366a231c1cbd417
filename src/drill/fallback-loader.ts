import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockDevice } from '../disk/index.ts';
import type { Layout } from '../layout/index.ts';
import type { Notice } from '../progress/index.ts';
import { restoreBootLoaders } from '../restore/bootloader.ts';
import { run } from '../system/index.ts';
import { efiPartitionsOf } from './hardware.ts';

/** Bytes that are moved and compared at a time. */
const step = 1024 * 1024;

export interface FallbackRequest {
  readonly layout: Layout;
  /** The disks of the machine by id; they are written to. */
  readonly disks: ReadonlyMap<string, BlockDevice>;
  /** For a copy of each EFI system partition, one at a time. */
  readonly folder: string;
  readonly tell: (notice: Notice) => void;
  readonly signal?: AbortSignal;
}

/**
 * Puts the boot loader at the path a firmware without boot entries falls back on, where it is at another only, as a
 * restore does. What cannot be done is a notice.
 */
export async function addFallbackLoaders(request: FallbackRequest): Promise<void> {
  const { layout, disks, folder, tell, signal } = request;
  for (const { id, table } of layout.disks) {
    const device = disks.get(id);
    if (device === undefined) continue;
    for (const { number, start, length } of efiPartitionsOf(table)) {
      signal?.throwIfAborted();
      const { sectorSize } = device;
      const place = { device, offset: start * sectorSize, length: length * sectorSize };
      const path = join(folder, 'efi.img');
      try {
        await copyOut(place, path);
        await restoreBootLoaders({
          partitions: [{ path, bootable: false, offset: 0, number, guid: null }],
          restored: [],
          bootEntry: false,
          time: new Date(),
          run,
          notice: (notice) => tell(inWords(notice, id, number, path)),
        });
        await copyBack(place, path);
      } finally {
        await rm(path, { force: true });
      }
    }
  }
}

/* The file is a passing one; what a person knows is the disk. */
function inWords(notice: Notice, disk: string, number: number, path: string): Notice {
  return { ...notice, message: notice.message.replaceAll(`${number} of ${path}`, `${number} of ${disk}`) };
}

interface Place {
  readonly device: BlockDevice;
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
}

async function* stepsOf({ length }: Place): AsyncGenerator<{ at: number; bytes: Buffer }> {
  for (let at = 0; at < length; at += step) yield { at, bytes: Buffer.alloc(Math.min(step, length - at)) };
}

async function copyOut(place: Place, path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.truncate(place.length);
    for await (const { at, bytes } of stepsOf(place)) {
      await place.device.read(bytes, place.offset + at);
      if (bytes.some((byte) => byte !== 0)) await file.write(bytes, 0, bytes.length, at);
    }
  } finally {
    await file.close();
  }
}

/* Only what has changed, so that the overlay stays small. */
async function copyBack(place: Place, path: string): Promise<void> {
  const { device, offset } = place;
  const grain = Math.max(4096, device.sectorSize);
  const file = await open(path, 'r');
  try {
    for await (const { at, bytes } of stepsOf(place)) {
      const before = Buffer.alloc(bytes.length);
      await device.read(before, offset + at);
      await file.read(bytes, 0, bytes.length, at);
      if (before.equals(bytes)) continue;
      for (let from = 0; from < bytes.length; from += grain) {
        const piece = bytes.subarray(from, from + grain);
        if (!piece.equals(before.subarray(from, from + grain))) await device.write(piece, offset + at + from);
      }
    }
  } finally {
    await file.close();
  }
}
