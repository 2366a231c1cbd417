import { intersect, normalize } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { BlockDevice } from './block-device.ts';
import { checkRange } from './range.ts';

interface Piece {
  readonly device: BlockDevice;
  /** Where it begins in the whole, bytes. */
  readonly start: number;
}

/**
 * Several devices one after another as one: a volume made of segments. Closing it leaves them open.
 * Throws `disk-range` when their sector sizes differ.
 */
export function joined(devices: readonly BlockDevice[], name: string): BlockDevice {
  const sectorSize = devices[0]?.sectorSize ?? 512;
  const pieces: Piece[] = [];
  let size = 0;
  for (const device of devices) {
    if (device.sectorSize !== sectorSize) {
      throw new RemetalError('disk-range', `${name} would have sectors of two sizes`, {
        facts: { name, sizes: [sectorSize, device.sectorSize] },
      });
    }
    pieces.push({ device, start: size });
    size += device.size;
  }
  const view = { name, size, sectorSize };

  /** Calls `use` for every device that the range touches: the place in it, and where in the range that is. */
  const each = async (
    offset: number,
    length: number,
    use: (device: BlockDevice, at: number, from: number, count: number) => Promise<void>,
  ): Promise<void> => {
    checkRange(view, offset, length);
    for (const { device, start } of pieces) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + length, start + device.size);
      if (from < to) await use(device, from - start, from - offset, to - from);
    }
  };
  return {
    ...view,
    read: (target, offset) =>
      each(offset, target.length, (device, at, from, count) =>
        device.read(target.subarray(from, from + count), at),
      ),
    write: (source, offset) =>
      each(offset, source.length, (device, at, from, count) =>
        device.write(source.subarray(from, from + count), at),
      ),
    writeZeroes: (offset, length) =>
      each(offset, length, (device, at, _, count) => device.writeZeroes(at, count)),
    discard: (offset, length) => each(offset, length, (device, at, _, count) => device.discard(at, count)),
    async flush() {
      await Promise.all(devices.map((device) => device.flush()));
    },
    async close() {},
    ...(devices.some((device) => device.dataExtents !== undefined)
      ? {
          async dataExtents() {
            const found = await Promise.all(
              pieces.map(async ({ device, start }) => {
                const whole = [{ start: 0, length: device.size }];
                const inside = intersect((await device.dataExtents?.()) ?? whole, whole);
                return inside.map((extent) => ({ start: start + extent.start, length: extent.length }));
              }),
            );
            return normalize(found.flat());
          },
        }
      : {}),
  };
}
