import { constants } from 'node:fs';
import { open, readFile, stat, type FileHandle } from 'node:fs/promises';
import { RemetalError } from '../errors/index.ts';
import { deviceNumber } from '../system/index.ts';
import { alignedBuffer } from './buffers.ts';
import { describeUse } from './use.ts';

/** Not permitted, missing, in use: what opening can run into. */
export async function openingError(path: string, cause: unknown): Promise<RemetalError> {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const facts = { path };
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new RemetalError('not-permitted', `${path} may not be opened`, {
      hint:
        code === 'EROFS' || process.getuid?.() === 0
          ? 'It is write-protected.'
          : 'Disks are opened as root: try again with sudo.',
      facts,
      cause,
    });
  }
  if (code === 'EBUSY') {
    const use = await describeUse(path);
    return new RemetalError(
      'disk-busy',
      `${path} is in use${use.length === 0 ? '' : `: ${use.join(', ')}`}`,
      {
        hint: 'Unmount what is on it and stop what holds it.',
        facts: { ...facts, use },
        cause,
      },
    );
  }
  if (code === 'ENXIO' || code === 'ENODEV' || code === 'ENOMEDIUM') {
    return new RemetalError('disk-gone', `${path} has no disk behind it`, { facts, cause });
  }
  return new RemetalError('disk-not-found', `${path} cannot be opened as a disk`, { facts, cause });
}

async function sysfsNumber(path: string): Promise<number | null> {
  try {
    const value = Number((await readFile(path, 'utf8')).trim());
    return Number.isSafeInteger(value) ? value : null;
  } catch {
    return null;
  }
}

/** Shape of what a path names. */
export interface Geometry {
  readonly kind: 'device' | 'file';
  readonly size: number;
  readonly sectorSize: number;
  readonly raggedTail: number;
  /** The directory under /sys that is there as long as the device is; null for a file. */
  readonly sysfs: string | null;
}

/** Reads the shape of a block device from /sys, of an image file from its size. Throws `disk-not-found`, `disk-gone`. */
export async function geometry(path: string, wanted: number | undefined): Promise<Geometry> {
  const facts = await stat(path);
  if (facts.isFile()) {
    const sectorSize = wanted ?? 512;
    const raggedTail = facts.size % sectorSize;
    return { kind: 'file', size: facts.size - raggedTail, sectorSize, raggedTail, sysfs: null };
  }
  if (!facts.isBlockDevice()) {
    throw new RemetalError('disk-not-found', `${path} is neither a block device nor a file`, {
      facts: { path },
    });
  }
  const sysfs = `/sys/dev/block/${deviceNumber(facts.rdev)}`;
  // A partition has no queue of its own. `size` counts 512-byte units whatever the sector size is.
  const sectorSize =
    (await sysfsNumber(`${sysfs}/queue/logical_block_size`)) ??
    (await sysfsNumber(`${sysfs}/../queue/logical_block_size`));
  const units = await sysfsNumber(`${sysfs}/size`);
  if (sectorSize === null || units === null) {
    throw new RemetalError('disk-gone', `${path} has no disk behind it`, { facts: { path } });
  }
  return { kind: 'device', size: units * 512, sectorSize, raggedTail: 0, sysfs };
}

/** Opens past the page cache; null where the file system has no such thing. */
export async function openDirect(path: string, flags: number): Promise<FileHandle | null> {
  try {
    return await open(path, flags | constants.O_DIRECT);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EINVAL') return null;
    throw error;
  }
}

/**
 * The grid on which this file takes direct reads: its sector size, or that of the disk below it. Null
 * when direct reads do not work at all, which some file systems only say at the first read.
 */
export async function directGrid(handle: FileHandle, { size, sectorSize }: Geometry): Promise<number | null> {
  const scratch = alignedBuffer(4096);
  for (const grid of new Set([sectorSize, 4096])) {
    if (size < 2 * grid) return null;
    try {
      await handle.read(scratch, 0, grid, grid);
      return grid;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EINVAL')) return grid;
    }
  }
  return null;
}
