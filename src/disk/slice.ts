import { intersect } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { BlockDevice } from './block-device.ts';
import { checkRange } from './range.ts';

/**
 * A range of a device as a device of its own: a partition, a volume. Closing it leaves the device
 * open. Throws `disk-range` when the range is not inside the device or off its sector grid.
 */
export function slice(device: BlockDevice, offset: number, length: number, name?: string): BlockDevice {
  checkRange(device, offset, length);
  const { sectorSize } = device;
  const view = { name: name ?? `${device.name}[${offset}+${length}]`, size: length, sectorSize };
  let closed = false;
  const inside = (at: number, count: number): number => {
    if (closed) throw new RemetalError('internal', `${view.name} was used after it was closed`);
    checkRange(view, at, count);
    return offset + at;
  };
  return {
    ...view,
    async read(target, at) {
      await device.read(target, inside(at, target.length));
    },
    async write(source, at) {
      await device.write(source, inside(at, source.length));
    },
    async writeZeroes(at, count) {
      await device.writeZeroes(inside(at, count), count);
    },
    async discard(at, count) {
      await device.discard(inside(at, count), count);
    },
    async flush() {
      await device.flush();
    },
    async close() {
      closed = true;
    },
    ...(device.dataExtents === undefined
      ? {}
      : {
          async dataExtents() {
            const found = (await device.dataExtents?.()) ?? [{ start: offset, length }];
            return intersect(found, [{ start: offset, length }]).map((extent) => ({
              start: extent.start - offset,
              length: extent.length,
            }));
          },
        }),
  };
}
