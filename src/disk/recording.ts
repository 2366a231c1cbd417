import type { BlockDevice } from './block-device.ts';

/** One call that reached a device. `flush` has no range: offset and length are 0. */
export interface Access {
  readonly call: 'read' | 'write' | 'writeZeroes' | 'discard' | 'flush';
  readonly offset: number;
  readonly length: number;
}

/** A device that keeps a list of every call that succeeded, in the order in which they did. */
export interface Recording extends BlockDevice {
  readonly accesses: readonly Access[];
}

/** Records what is done to `device`; otherwise exactly that device. */
export function recording(device: BlockDevice): Recording {
  const accesses: Access[] = [];
  const { name, size, sectorSize } = device;
  return {
    name,
    size,
    sectorSize,
    accesses,
    async read(target, offset) {
      await device.read(target, offset);
      accesses.push({ call: 'read', offset, length: target.length });
    },
    async write(source, offset) {
      await device.write(source, offset);
      accesses.push({ call: 'write', offset, length: source.length });
    },
    async writeZeroes(offset, length) {
      await device.writeZeroes(offset, length);
      accesses.push({ call: 'writeZeroes', offset, length });
    },
    async discard(offset, length) {
      await device.discard(offset, length);
      accesses.push({ call: 'discard', offset, length });
    },
    async flush() {
      await device.flush();
      accesses.push({ call: 'flush', offset: 0, length: 0 });
    },
    async close() {
      await device.close();
    },
    ...(device.dataExtents === undefined
      ? {}
      : { dataExtents: async () => (await device.dataExtents?.()) ?? [] }),
  };
}
