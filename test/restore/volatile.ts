import type { BlockDevice } from '../../src/disk/block-device.ts';
import { RemetalError } from '../../src/errors/index.ts';
import { checkRange } from '../../src/disk/range.ts';

/** A device with a write cache that a power cut empties. */
export interface VolatileDisk extends BlockDevice {
  /** Writes and zeroings so far. */
  readonly writes: number;
}

/**
 * Puts a write cache in front of `device`: what was written is read back, but reaches the device only
 * with `flush`. At the write after `cutAfter` the power fails: of all that is in the cache (that write
 * too) each sector survives or not as `keeps` decides, and from then on every call throws `disk-gone`.
 */
export function volatileDisk(
  device: BlockDevice,
  cutAfter: number,
  keeps: (sector: number) => boolean,
): VolatileDisk {
  const { name, size, sectorSize } = device;
  const cache = new Map<number, Buffer>();
  let writes = 0;
  let gone = false;
  const alive = (): void => {
    if (gone) throw new RemetalError('disk-gone', `${name} has vanished`, { facts: { name } });
  };
  const stay = async (sectors: Iterable<[number, Buffer]>): Promise<void> => {
    for (const [sector, bytes] of sectors) await device.write(bytes, sector * sectorSize);
  };
  const store = async (offset: number, length: number, bytesAt: (at: number) => Buffer): Promise<void> => {
    alive();
    checkRange(device, offset, length);
    for (let at = 0; at < length; at += sectorSize) cache.set((offset + at) / sectorSize, bytesAt(at));
    if (writes++ < cutAfter) return;
    gone = true;
    await stay([...cache].filter(([sector]) => keeps(sector)));
    alive();
  };
  return {
    name,
    size,
    sectorSize,
    get writes() {
      return writes;
    },
    async read(target, offset) {
      alive();
      await device.read(target, offset);
      for (let at = 0; at < target.length; at += sectorSize) {
        const cached = cache.get((offset + at) / sectorSize);
        if (cached !== undefined) target.set(cached, at);
      }
    },
    async write(source, offset) {
      await store(offset, source.length, (at) => Buffer.from(source.subarray(at, at + sectorSize)));
    },
    async writeZeroes(offset, length) {
      await store(offset, length, () => Buffer.alloc(sectorSize));
    },
    async discard(offset, length) {
      await store(offset, length, () => Buffer.alloc(sectorSize));
    },
    async flush() {
      alive();
      const all = [...cache];
      cache.clear();
      await stay(all);
    },
    async close() {
      cache.clear();
    },
  };
}
