import { createHash } from 'node:crypto';
import { open, readFile, realpath, stat, truncate, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { describeUse, identityOf, openDisk, type DiskIdentity, type HostDisk } from '../disk/index.ts';
import { RemetalError } from '../errors/index.ts';
import { rereadPartitions, run } from '../system/index.ts';
import { planDataPartition, SECTOR, type DataFileSystem } from './stick.ts';

/** Label of the data partition: another one than the image's, so that a place named by label is one place. */
export const DATA_LABEL = 'REMETALDATA';

const CHUNK = 4 * 1024 * 1024;
/** Byte 32768 begins the primary volume descriptor (ECMA-119, 8.4). */
const DESCRIPTOR = 32_768;

/** A stick (or an image file of one) that could be written, for the one who asks the person. */
export interface StickTarget {
  readonly path: string;
  readonly kind: 'device' | 'file';
  /** Bytes. */
  readonly size: number;
  readonly identity: DiskIdentity;
  /** False for a disk inside the machine, which calls for a louder question. */
  readonly removable: boolean;
}

export interface WriteUsbOptions {
  /** The image that `buildAppliance` made. */
  readonly image: string;
  /** A whole disk, or a file: a new one, or one as large as the stick it stands for. */
  readonly target: string;
  /** A data partition in the rest of the stick for backup sets; none when null. */
  readonly data: DataFileSystem | null;
  readonly onProgress?: (progress: { phase: 'write' | 'read-back'; done: number; total: number }) => void;
  readonly signal?: AbortSignal;
}

export interface WriteUsbResult {
  readonly target: string;
  readonly writtenBytes: number;
  /** SHA-256 of the image, as read from the file and again from the target. */
  readonly sha256: string;
  readonly data: {
    readonly fileSystem: DataFileSystem;
    readonly label: string;
    readonly offset: number;
    readonly size: number;
  } | null;
}

/**
 * Looks at what would be written and refuses what must not be: a partition, a disk in use (mounted, swap,
 * under LVM, md or a loop device: the disk the machine runs from is always one of these). Throws
 * `disk-not-found`, `disk-busy`, `usage`. The caller asks the person before `writeUsb`.
 */
export async function inspectStick(target: string): Promise<StickTarget> {
  const path = await realpath(target).catch((cause: unknown) => {
    throw new RemetalError('disk-not-found', `There is no ${target}`, { facts: { path: target }, cause });
  });
  if (await isPartition(path)) {
    throw new RemetalError('usage', `${target} is a partition`, {
      hint: 'Name the whole stick: /dev/sdb, not /dev/sdb1.',
      facts: { path },
    });
  }
  const use = await describeUse(path);
  if (use.length > 0) {
    throw new RemetalError('disk-busy', `${target} is in use: ${use.join(', ')}`, {
      hint: 'Unmount it first. If it is the disk this machine runs from, it is the wrong one.',
      facts: { path, use },
    });
  }
  const disk = await openDisk(path);
  try {
    const removable = await readFile(`/sys/class/block/${basename(path)}/removable`, 'utf8').catch(() => '');
    const identity = await identityOf(path, disk.sectorSize);
    const usb = identity.transport === 'usb';
    return {
      path,
      kind: disk.kind,
      size: disk.size,
      identity,
      removable: disk.kind === 'file' || usb || removable.trim() === '1',
    };
  } finally {
    await disk.close();
  }
}

async function isPartition(path: string): Promise<boolean> {
  return stat(`/sys/class/block/${basename(path)}/partition`).then(
    () => path.startsWith('/dev/'),
    () => false,
  );
}

/**
 * Writes the image to a stick, reads it back from the medium itself and compares, then adds the data
 * partition. Throws what `inspectStick` throws, `usage` when the file is no image of ours, `target-too-small`,
 * `verify-mismatch`, `disk-write-failed`, `interrupted`.
 */
export async function writeUsb(options: WriteUsbOptions): Promise<WriteUsbResult> {
  const image = await open(options.image, 'r').catch((cause: unknown) => {
    throw new RemetalError('usage', `There is no image ${options.image}`, {
      hint: 'Make it with remetal build.',
      facts: { path: options.image },
      cause,
    });
  });
  try {
    const { size } = await image.stat();
    await checkImage(image, options.image, size);
    await makeFile(options.target, size);
    const stick = await inspectStick(options.target);
    if (stick.size < size) {
      throw new RemetalError('target-too-small', `${options.target} is too small for the image`, {
        facts: { size: stick.size, imageSize: size, missing: size - stick.size },
      });
    }
    const disk = await openDisk(stick.path, { write: true });
    let data: WriteUsbResult['data'] = null;
    let sha256: string;
    try {
      if (disk.sectorSize !== SECTOR) {
        throw new RemetalError(
          'target-sector-size',
          `${options.target} has sectors of ${disk.sectorSize} bytes`,
          {
            hint: 'Firmware starts such an image from sectors of 512 bytes only; take another stick.',
          },
        );
      }
      sha256 = await copyImage(image, size, disk, options);
      await compareImage(sha256, size, disk, options);
      if (options.data !== null) data = await addData(options.data, size, disk);
      await disk.flush();
    } finally {
      await disk.close();
    }
    if (data !== null) await makeFileSystem(stick.path, data);
    if (stick.kind === 'device') await showPartitions(stick.path);
    return { target: options.target, writtenBytes: size, sha256, data };
  } finally {
    await image.close();
  }
}

/** Sectors are written whole, so an image is a whole number of them. */
async function checkImage(image: FileHandle, path: string, size: number): Promise<void> {
  const descriptor = Buffer.alloc(6);
  await image.read(descriptor, 0, 6, DESCRIPTOR);
  if (descriptor.toString('latin1', 1) === 'CD001' && size % SECTOR === 0) return;
  throw new RemetalError('usage', `${path} is not a bootable image`, {
    hint: 'Give the file that remetal build made.',
    facts: { path },
  });
}

async function makeFile(target: string, size: number): Promise<void> {
  if (target.startsWith('/dev/')) return;
  const facts = await stat(target).catch(() => null);
  if (facts !== null) return;
  const file = await open(target, 'wx');
  await file.close();
  await truncate(target, size);
}

function interruptible(options: WriteUsbOptions): void {
  if (options.signal?.aborted !== true) return;
  throw new RemetalError('interrupted', 'Writing the stick was stopped', {
    hint: 'It does not boot now; write it again.',
  });
}

async function copyImage(
  image: FileHandle,
  size: number,
  disk: HostDisk,
  options: WriteUsbOptions,
): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(CHUNK);
  for (let offset = 0; offset < size;) {
    interruptible(options);
    const { bytesRead } = await image.read(buffer, 0, Math.min(CHUNK, size - offset), offset);
    // A short read ends off the sector grid; what is missing comes with the next one.
    const whole = bytesRead - (bytesRead % SECTOR);
    if (whole === 0) throw new RemetalError('usage', `The image ${options.image} ends early`);
    const bytes = buffer.subarray(0, whole);
    hash.update(bytes);
    await disk.write(bytes, offset);
    offset += whole;
    options.onProgress?.({ phase: 'write', done: offset, total: size });
  }
  await disk.flush();
  return hash.digest('hex');
}

async function compareImage(
  expected: string,
  size: number,
  disk: HostDisk,
  options: WriteUsbOptions,
): Promise<void> {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(CHUNK);
  for (let offset = 0; offset < size; offset += CHUNK) {
    interruptible(options);
    const bytes = buffer.subarray(0, Math.min(CHUNK, size - offset));
    await disk.read(bytes, offset);
    hash.update(bytes);
    options.onProgress?.({ phase: 'read-back', done: offset + bytes.length, total: size });
  }
  if (hash.digest('hex') === expected) return;
  throw new RemetalError('verify-mismatch', `${options.target} gives back other bytes than were written`, {
    hint: 'The stick is worn out or fake; take another one.',
  });
}

async function addData(
  fileSystem: DataFileSystem,
  imageSize: number,
  disk: HostDisk,
): Promise<NonNullable<WriteUsbResult['data']>> {
  const start = Buffer.alloc(64 * SECTOR);
  await disk.read(start, 0);
  const { offset, size, writes } = planDataPartition({ start, imageSize, size: disk.size, fileSystem });
  // What an earlier use of the stick left at the start of the new partition must not be recognised again.
  await disk.writeZeroes(offset, 1024 * 1024);
  for (const write of writes) await disk.write(write.bytes, write.offset);
  return { fileSystem, label: DATA_LABEL, offset, size };
}

/** The stick is right whether or not the kernel looks at its new table before it is plugged in again. */
async function showPartitions(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await rereadPartitions(handle.fd).catch(() => undefined);
  } finally {
    await handle.close();
  }
}

/** Both programs take an offset, so no partition node is needed. */
async function makeFileSystem(path: string, data: NonNullable<WriteUsbResult['data']>): Promise<void> {
  if (data.fileSystem === 'ext4') {
    const size = `${data.size / 1024}k`;
    await run('mke2fs', [
      '-q',
      '-F',
      '-t',
      'ext4',
      '-m',
      '0',
      '-L',
      data.label,
      '-E',
      `offset=${data.offset}`,
      path,
      size,
    ]);
  } else {
    const blocks = String(data.size / 1024);
    await run('mkfs.fat', [
      '-I',
      '-F',
      '32',
      '-n',
      data.label,
      '--offset',
      String(data.offset / SECTOR),
      path,
      blocks,
    ]);
  }
}
