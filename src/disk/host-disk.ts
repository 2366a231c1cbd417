import { constants } from 'node:fs';
import { access, open, realpath, type FileHandle } from 'node:fs/promises';
import { normalize, alignOutward, type Extent } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { discardDevice, nextData, punchHole, zeroDevice } from '../system/index.ts';
import { alignedBuffer, bufferPool, isAligned, type BufferPool } from './buffers.ts';
import type { BlockDevice } from './block-device.ts';
import { checkRange } from './range.ts';
import { directGrid, geometry, openDirect, openingError, type Geometry } from './host-geometry.ts';

export interface OpenOptions {
  /** Open for writing as well; a block device is then opened exclusively. False by default. */
  readonly write?: boolean;
  /** Go past the page cache where the file system lets us. True by default. */
  readonly direct?: boolean;
  /** Logical sector size of an image file, 512 by default; ignored for a block device, which knows its own. */
  readonly sectorSize?: number;
}

/** A disk of this machine or an image file. */
export interface HostDisk extends BlockDevice {
  readonly kind: 'device' | 'file';
  /** The path, links followed. */
  readonly path: string;
  readonly raggedTail: number;
}

/** A request that direct I/O cannot take as it is goes through one of these. */
const bounceSize = 1024 * 1024;
const zeroSpan = 1024 * 1024 * 1024;
let bounces: BufferPool | undefined;
let zeroes: Buffer | undefined;

/**
 * Opens a disk or an image file. Throws `disk-not-found`, `not-permitted`, `disk-busy` (a device to
 * be written that somebody else holds) or `disk-gone`.
 */
export async function openDisk(path: string, options: OpenOptions = {}): Promise<HostDisk> {
  const write = options.write === true;
  let shape: Geometry;
  let real: string;
  let direct: FileHandle | null = null;
  let buffered: FileHandle | undefined;
  try {
    real = await realpath(path);
    shape = await geometry(real, options.sectorSize);
    // Without O_CREAT, O_EXCL on a block device fails while it is mounted or held (open(2)).
    const exclusive = write && shape.kind === 'device' ? constants.O_EXCL : 0;
    const flags = write ? constants.O_RDWR : constants.O_RDONLY;
    buffered = await open(real, flags | exclusive);
    // The exclusive claim is that of the first descriptor; a second claim of ours would be refused.
    if (options.direct !== false) direct = await openDirect(real, flags);
  } catch (error) {
    await buffered?.close();
    throw error instanceof RemetalError ? error : await openingError(path, error);
  }
  const grid = direct === null ? null : await directGrid(direct, shape);
  if (grid === null) {
    await direct?.close();
    direct = null;
  }
  return hostDisk({ path: real, name: path, shape, buffered, direct, grid: grid ?? 1, write });
}

interface Opened {
  readonly path: string;
  readonly name: string;
  readonly shape: Geometry;
  readonly buffered: FileHandle;
  readonly direct: FileHandle | null;
  readonly grid: number;
  readonly write: boolean;
}

function hostDisk(opened: Opened): HostDisk {
  const { name, path, shape, buffered, direct, grid } = opened;
  const { kind, size, sectorSize, raggedTail } = shape;
  const view = { name, size, sectorSize };
  let closed = false;

  /** A failed call as a coded error: a device that left /sys is gone, whatever the errno says. */
  const ioError = async (
    call: 'read' | 'write',
    offset: number,
    length: number,
    cause: unknown,
  ): Promise<RemetalError> => {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const left =
      shape.sysfs !== null &&
      (await access(shape.sysfs).then(
        () => false,
        () => true,
      ));
    if (left || code === 'ENODEV' || code === 'ENXIO' || code === 'ENOMEDIUM') {
      return new RemetalError('disk-gone', `${name} vanished while it was in use`, {
        facts: { name, offset, length },
        cause,
      });
    }
    const [verb, coded] =
      call === 'read' ? (['read', 'disk-read-failed'] as const) : (['write', 'disk-write-failed'] as const);
    return new RemetalError(coded, `${name} could not ${verb} ${length} bytes at ${offset}`, {
      ...(code === 'ENOSPC' ? { hint: 'The file system that holds the image file is full.' } : {}),
      facts: { name, offset, length, errno: code },
      cause,
    });
  };
  const check = (offset: number, length: number, writing: boolean): void => {
    if (closed) throw new RemetalError('internal', `${name} was used after it was closed`);
    if (writing && !opened.write) throw new RemetalError('internal', `${name} was opened for reading only`);
    checkRange(view, offset, length);
  };

  const transfer = async (
    call: 'read' | 'write',
    handle: FileHandle,
    bytes: Uint8Array,
    offset: number,
  ): Promise<void> => {
    for (let done = 0; done < bytes.length;) {
      let count: number;
      try {
        if (call === 'read') {
          count = (await handle.read(bytes, done, bytes.length - done, offset + done)).bytesRead;
        } else {
          count = (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
        }
      } catch (error) {
        throw await ioError(call, offset, bytes.length, error);
      }
      // A file cut short, or a device whose kernel object has shrunk to nothing because it was pulled.
      if (count === 0) throw await ioError(call, offset, bytes.length, new Error('nothing was transferred'));
      done += count;
    }
  };
  /** Carries a range through aligned scratch, for buffers that direct I/O refuses. */
  const bounced = async (
    call: 'read' | 'write',
    handle: FileHandle,
    bytes: Uint8Array,
    offset: number,
  ): Promise<void> => {
    bounces ??= bufferPool(bounceSize, 4);
    const slab = await bounces.acquire();
    try {
      for (let at = 0; at < bytes.length; at += bounceSize) {
        const piece = bytes.subarray(at, at + bounceSize);
        const scratch = slab.bytes.subarray(0, piece.length);
        if (call === 'write') scratch.set(piece);
        await transfer(call, handle, scratch, offset + at);
        if (call === 'read') piece.set(scratch);
      }
    } finally {
      slab.release();
    }
  };
  const move = (call: 'read' | 'write', bytes: Uint8Array, offset: number): Promise<void> => {
    const onGrid = offset % grid === 0 && bytes.length % grid === 0;
    if (direct === null || !onGrid) return transfer(call, buffered, bytes, offset);
    return isAligned(bytes, grid)
      ? transfer(call, direct, bytes, offset)
      : bounced(call, direct, bytes, offset);
  };
  const writeZeroesByHand = async (offset: number, length: number): Promise<void> => {
    zeroes ??= alignedBuffer(bounceSize);
    for (let at = 0; at < length; at += bounceSize) {
      await move('write', zeroes.subarray(0, Math.min(bounceSize, length - at)), offset + at);
    }
  };
  /** Asks the kernel in spans of bounded time; false when it has no such operation here. */
  const bySpans = async (
    call: (fd: number, offset: number, length: number) => Promise<void>,
    offset: number,
    length: number,
  ): Promise<boolean> => {
    for (let at = 0; at < length; at += zeroSpan) {
      const count = Math.min(zeroSpan, length - at);
      try {
        await call(buffered.fd, offset + at, count);
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : '';
        const unsupported = ['EOPNOTSUPP', 'ENOTSUP', 'EINVAL', 'ENOSYS', 'ENOTTY'].includes(code);
        if (unsupported && at === 0) return false;
        throw await ioError('write', offset + at, count, error);
      }
    }
    return true;
  };

  return {
    ...view,
    kind,
    path,
    raggedTail,
    async read(target, offset) {
      check(offset, target.length, false);
      await move('read', target, offset);
    },
    async write(source, offset) {
      check(offset, source.length, true);
      await move('write', source, offset);
    },
    async writeZeroes(offset, length) {
      check(offset, length, true);
      const done = await bySpans(kind === 'file' ? punchHole : zeroDevice, offset, length);
      if (!done) await writeZeroesByHand(offset, length);
    },
    async discard(offset, length) {
      check(offset, length, true);
      await bySpans(kind === 'file' ? punchHole : discardDevice, offset, length);
    },
    async flush() {
      check(0, 0, false);
      try {
        if (opened.write) await buffered.sync();
      } catch (error) {
        throw await ioError('write', 0, 0, error);
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      await direct?.close();
      await buffered.close();
    },
    ...(kind === 'file' ? { dataExtents: async () => dataExtentsOf(buffered.fd, view) } : {}),
  };
}

/** What of a file is not a hole, on its sector grid; all of it where the file system cannot tell. */
function dataExtentsOf(fd: number, { size, sectorSize }: { size: number; sectorSize: number }): Extent[] {
  const found: Extent[] = [];
  try {
    for (let at = 0; at < size;) {
      const run = nextData(fd, at);
      if (run === null || run.start >= size || run.end <= at) break;
      found.push({ start: run.start, length: Math.min(run.end, size) - run.start });
      at = run.end;
    }
  } catch {
    return normalize([{ start: 0, length: size }]);
  }
  return alignOutward(found, sectorSize, size);
}
