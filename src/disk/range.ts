import { RemetalError } from '../errors/index.ts';
import type { BlockDevice } from './block-device.ts';

function whole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Throws `disk-range` unless `[offset, offset + length)` lies inside the device and on its sector grid. */
export function checkRange(
  device: Pick<BlockDevice, 'name' | 'size' | 'sectorSize'>,
  offset: number,
  length: number,
): void {
  const { name, size, sectorSize } = device;
  if (!whole(offset) || !whole(length) || offset > size || length > size - offset) {
    throw new RemetalError(
      'disk-range',
      `${name} ends at byte ${size} and has no bytes ${offset} + ${length}`,
      {
        facts: { name, offset, length, size },
      },
    );
  }
  if (offset % sectorSize !== 0 || length % sectorSize !== 0) {
    throw new RemetalError(
      'disk-range',
      `${name} has sectors of ${sectorSize} bytes and bytes ${offset} + ${length} do not start and end on one`,
      { facts: { name, offset, length, sectorSize } },
    );
  }
}
