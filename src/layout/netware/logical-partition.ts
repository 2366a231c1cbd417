import { intersect, normalize, type Extent } from '../../bytes/index.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import { checkRange } from '../../disk/range.ts';
import { RemetalError } from '../../errors/index.ts';
import { sectorSize, unitSectors, unitSize } from './places.ts';
import { physicalPieces, type Mapping } from './translation.ts';

/** Throws `layout-sector-size` unless the device has sectors of 512 bytes. */
export function requireSectors(device: BlockDevice): void {
  if (device.sectorSize === sectorSize) return;
  throw new RemetalError(
    'layout-sector-size',
    `${device.name} has sectors of ${device.sectorSize} bytes; NetWare 386 only knows sectors of ${sectorSize}`,
    {
      hint: 'Use a disk, or an emulation of one, with logical sectors of 512 bytes.',
      facts: { sectorSize: device.sectorSize, written: sectorSize },
    },
  );
}

/**
 * The logical partition as a device: what lies behind the hotfix area, with units that were moved read
 * and written where they live now. Closing it leaves the partition open.
 *
 * @param device The whole partition.
 * @throws `layout-sector-size`, `disk-range` when the numbers do not fit the device.
 */
export function logicalPartition(
  device: BlockDevice,
  mapping: Mapping & { readonly dataSectors: number },
  name = `${device.name}, logical`,
): BlockDevice {
  requireSectors(device);
  const view = { name, size: mapping.dataSectors * sectorSize, sectorSize };
  checkRange(device, mapping.hotfixSectors * sectorSize, view.size);
  /** Calls `use` for every piece: the place on the partition, where in the range it is, and its length. */
  const each = async (
    offset: number,
    length: number,
    use: (at: number, from: number, count: number) => Promise<void>,
  ): Promise<void> => {
    checkRange(view, offset, length);
    for (const piece of physicalPieces(mapping, offset / sectorSize, length / sectorSize)) {
      const from = piece.logical * sectorSize - offset;
      await use(piece.physical * sectorSize, from, piece.sectors * sectorSize);
    }
  };
  return {
    ...view,
    read: (target, offset) =>
      each(offset, target.length, (at, from, count) => device.read(target.subarray(from, from + count), at)),
    write: (source, offset) =>
      each(offset, source.length, (at, from, count) => device.write(source.subarray(from, from + count), at)),
    writeZeroes: (offset, length) => each(offset, length, (at, _, count) => device.writeZeroes(at, count)),
    discard: (offset, length) => each(offset, length, (at, _, count) => device.discard(at, count)),
    flush: () => device.flush(),
    async close() {},
    ...(device.dataExtents === undefined
      ? {}
      : {
          dataExtents: async () => logicalExtents((await device.dataExtents?.()) ?? [], mapping, view.size),
        }),
  };
}

/* What was moved always counts as data: it is little, and its own place says nothing of its spare. */
function logicalExtents(physical: readonly Extent[], mapping: Mapping, size: number): Extent[] {
  const shift = mapping.hotfixSectors * sectorSize;
  const plain = intersect(physical, [{ start: shift, length: size }]);
  const moved = mapping.moved.map(({ logical }) => ({ start: logical * sectorSize, length: unitSize }));
  const inside = normalize([
    ...plain.map(({ start, length }) => ({ start: start - shift, length })),
    ...moved,
  ]);
  return intersect(inside, [{ start: 0, length: size }]);
}

/** Logical sectors of a unit that lie inside a partition of `dataSectors`: 8, fewer for a ragged last one. */
export function sectorsOfUnit(logical: number, dataSectors: number): number {
  return Math.min(unitSectors, dataSectors - logical);
}
