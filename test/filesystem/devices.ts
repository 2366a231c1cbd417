import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { subtract, type Extent } from '../../src/bytes/index.ts';
import type { BlockDevice } from '../../src/disk/block-device.ts';
import { RemetalError } from '../../src/errors/index.ts';

interface Bytes {
  readonly size: number;
  read(target: Uint8Array, offset: number): void;
}

/** Counts of what was asked of a device, and sectors that fail. */
export interface Watched extends BlockDevice {
  reads: number;
  bytesRead: number;
  /** Byte extents whose reading fails. */
  broken: Extent[];
}

const refuse = (): Promise<void> => Promise.reject(new Error('a file system driver never writes'));

/** A strict device: what the contract forbids throws. */
function device(name: string, bytes: Bytes, sectorSize: number): Watched {
  const check = (offset: number, length: number): void => {
    const sound =
      Number.isSafeInteger(offset) &&
      offset >= 0 &&
      offset % sectorSize === 0 &&
      length % sectorSize === 0 &&
      offset + length <= bytes.size;
    if (!sound) throw new RemetalError('disk-range', `${name}: ${length} at ${offset} is off the disk`);
  };
  const self: Watched = {
    name,
    size: bytes.size,
    sectorSize,
    reads: 0,
    bytesRead: 0,
    broken: [],
    async read(target, offset) {
      check(offset, target.length);
      self.reads++;
      self.bytesRead += target.length;
      if (self.broken.some((b) => b.start < offset + target.length && offset < b.start + b.length)) {
        throw new RemetalError('disk-read-failed', `${name}: cannot be read`, {
          facts: { offset, length: target.length },
        });
      }
      bytes.read(target, offset);
    },
    write: refuse,
    writeZeroes: refuse,
    discard: refuse,
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return self;
}

export function memoryDevice(content: Uint8Array, sectorSize = 512): Watched {
  return device(
    'memory',
    {
      size: content.length,
      read: (target, offset) => target.set(content.subarray(offset, offset + target.length)),
    },
    sectorSize,
  );
}

/** An image file; its ragged tail, if any, is cut off. */
export function imageDevice(t: ExecutionContext<any>, path: string, sectorSize = 512): Watched {
  const fd = openSync(path, 'r');
  t.teardown(() => closeSync(fd));
  const size = Math.floor(fstatSync(fd).size / sectorSize) * sectorSize;
  return device(
    path,
    { size, read: (target, offset) => void readSync(fd, target, 0, target.length, offset) },
    sectorSize,
  );
}

/** Overwrites everything of the image that `used` leaves out, with a pattern no file system likes. */
export function strip(path: string, size: number, used: readonly Extent[]): void {
  const fd = openSync(path, 'r+');
  const filler = Buffer.alloc(1024 * 1024, 0xa5);
  try {
    for (const { start, length } of subtract([{ start: 0, length: size }], used)) {
      for (let done = 0; done < length; done += filler.length) {
        writeSync(fd, filler, 0, Math.min(filler.length, length - done), start + done);
      }
    }
  } finally {
    closeSync(fd);
  }
}
