import { intersect, type Extent } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { BlockDevice } from './block-device.ts';
import { checkRange } from './range.ts';

/** How a device misbehaves. All ranges are byte extents. */
export interface Faults {
  /** Reads that touch these fail with `disk-read-failed`. */
  readonly unreadable?: readonly Extent[];
  /** Writes that touch these fail with `disk-write-failed`, and nothing of them is kept. */
  readonly unwritable?: readonly Extent[];
  /** After this many bytes were read or written the device is gone: every call throws `disk-gone`. */
  readonly vanishAfterBytes?: number;
  /**
   * The power fails at the write after this many (writes and zeroings counted alike): of that one
   * only the first half of its sectors reaches the device, and every call from then on throws `disk-gone`.
   */
  readonly cutAfterWrites?: number;
}

function hits(extents: readonly Extent[] | undefined, offset: number, length: number): boolean {
  return length > 0 && intersect(extents ?? [], [{ start: offset, length }]).length > 0;
}

/** A device that fails as told; for tests of everything above it. */
export function faulty(device: BlockDevice, faults: Faults): BlockDevice {
  const { name, size, sectorSize } = device;
  let moved = 0;
  let writes = 0;
  let gone = false;

  const vanished = (): RemetalError =>
    new RemetalError('disk-gone', `${name} has vanished`, { facts: { name } });
  const admit = (length: number): void => {
    if (gone || moved + length > (faults.vanishAfterBytes ?? Infinity)) {
      gone = true;
      throw vanished();
    }
    moved += length;
  };
  const writing = async (
    offset: number,
    length: number,
    put: (count: number) => Promise<void>,
  ): Promise<void> => {
    checkRange(device, offset, length);
    admit(length);
    if (hits(faults.unwritable, offset, length)) {
      throw new RemetalError('disk-write-failed', `${name} could not write ${length} bytes at ${offset}`, {
        facts: { name, offset, length },
      });
    }
    if (writes >= (faults.cutAfterWrites ?? Infinity)) {
      gone = true;
      await put(Math.floor(length / sectorSize / 2) * sectorSize);
      throw vanished();
    }
    writes++;
    await put(length);
  };

  return {
    name,
    size,
    sectorSize,
    async read(target, offset) {
      checkRange(device, offset, target.length);
      admit(target.length);
      if (hits(faults.unreadable, offset, target.length)) {
        throw new RemetalError(
          'disk-read-failed',
          `${name} could not read ${target.length} bytes at ${offset}`,
          {
            facts: { name, offset, length: target.length },
          },
        );
      }
      await device.read(target, offset);
    },
    async write(source, offset) {
      await writing(offset, source.length, (count) => device.write(source.subarray(0, count), offset));
    },
    async writeZeroes(offset, length) {
      await writing(offset, length, (count) => device.writeZeroes(offset, count));
    },
    async discard(offset, length) {
      await writing(offset, length, (count) => device.discard(offset, count));
    },
    async flush() {
      admit(0);
      await device.flush();
    },
    async close() {
      await device.close();
    },
    ...(device.dataExtents === undefined
      ? {}
      : { dataExtents: async () => (await device.dataExtents?.()) ?? [] }),
  };
}
