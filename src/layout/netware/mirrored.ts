import type { BlockDevice } from '../../disk/block-device.ts';
import { checkRange } from '../../disk/range.ts';
import { isCoded, RemetalError } from '../../errors/index.ts';

/**
 * Members of a mirrored group that hold the same as one device: read from the first, from the next
 * where that fails; written to all. Closing it leaves them open. Throws `disk-range` when they differ
 * in size.
 */
export function mirrored(members: readonly BlockDevice[], name: string): BlockDevice {
  const [first] = members;
  if (first === undefined) throw new RemetalError('internal', `${name} has no member`);
  const { size, sectorSize } = first;
  if (members.some((member) => member.size !== size || member.sectorSize !== sectorSize)) {
    throw new RemetalError('disk-range', `The members of ${name} differ in size`, {
      facts: { name, sizes: members.map((member) => member.size) },
    });
  }
  const view = { name, size, sectorSize };
  const all = async (
    offset: number,
    length: number,
    use: (device: BlockDevice) => Promise<void>,
  ): Promise<void> => {
    checkRange(view, offset, length);
    for (const member of members) await use(member);
  };
  return {
    ...view,
    async read(target, offset) {
      checkRange(view, offset, target.length);
      for (const [index, member] of members.entries()) {
        try {
          await member.read(target, offset);
          return;
        } catch (error) {
          const last = index === members.length - 1;
          if (last || !isCoded(error, 'disk-read-failed', 'disk-gone')) throw error;
        }
      }
    },
    write: (source, offset) => all(offset, source.length, (member) => member.write(source, offset)),
    writeZeroes: (offset, length) => all(offset, length, (member) => member.writeZeroes(offset, length)),
    discard: (offset, length) => all(offset, length, (member) => member.discard(offset, length)),
    async flush() {
      for (const member of members) await member.flush();
    },
    async close() {},
    ...(first.dataExtents === undefined
      ? {}
      : { dataExtents: async () => (await first.dataExtents?.()) ?? [] }),
  };
}
