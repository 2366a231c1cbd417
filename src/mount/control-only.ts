import type { VolumeIndex } from '../archive/index.ts';
import { checkRange, type BlockDevice } from '../disk/index.ts';
import { RemetalError } from '../errors/index.ts';

/**
 * A volume of a set of which only the control set can be read: reading what lies in a group of data is
 * `disk-read-failed`. For readers that try second copies of structures, which are no part of the control set and would
 * cost a way across the medium. Closing it closes `volume`.
 */
export function controlOnly(volume: BlockDevice, index: VolumeIndex): BlockDevice {
  const { name, size, sectorSize } = volume;
  const refused = (): Promise<never> =>
    Promise.reject(new RemetalError('disk-write-failed', `${name} is not written to.`));
  const device: BlockDevice = {
    name,
    size,
    sectorSize,
    async read(target, offset) {
      checkRange(device, offset, target.length);
      for (let at = offset; at < offset + target.length;) {
        const group = index.groupAtOffset(at);
        if (group !== null && !index.isControl(group)) {
          throw new RemetalError('disk-read-failed', `${name}: byte ${at} is no part of the control set.`, {
            facts: { offset: at, length: offset + target.length - at },
          });
        }
        at = group === null ? index.nextStart(at) : endIn(index, group, at);
      }
      await volume.read(target, offset);
    },
    write: refused,
    writeZeroes: refused,
    discard: refused,
    flush: () => Promise.resolve(),
    close: () => volume.close(),
  };
  return device;
}

/** One past the last byte of the extent of a group that holds byte `at`. */
function endIn(index: VolumeIndex, group: number, at: number): number {
  for (const { start, length } of index.groupExtents(group)) {
    if (at >= start && at < start + length) return start + length;
  }
  return at + 1;
}
