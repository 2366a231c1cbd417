import type { BlockDevice } from '../../disk/block-device.ts';
import { isCoded, RemetalError } from '../../errors/index.ts';
import type { NetwareWrite } from './create.ts';
import { warning, type NetwareNotice } from './notice.ts';
import { sectorSize } from './places.ts';

/**
 * Writes bytes and reads them back; false when the disk refuses either or says something else.
 * A disk that is gone still throws.
 *
 * @param scratch Where to read back to, at least as long as `bytes`.
 */
export async function writtenWell(
  device: BlockDevice,
  bytes: Buffer,
  offset: number,
  scratch: Buffer = Buffer.alloc(bytes.length),
): Promise<boolean> {
  try {
    await device.write(bytes, offset);
    const back = scratch.subarray(0, bytes.length);
    await device.read(back, offset);
    return back.equals(bytes);
  } catch (error) {
    if (isCoded(error, 'disk-write-failed', 'disk-read-failed')) return false;
    throw error;
  }
}

/**
 * Lays structures on a partition, each read back. A copy that cannot be written is told and left as
 * long as another one of the same structure can be.
 *
 * @returns What could not be written and is not needed.
 * @throws `disk-write-failed` when no copy of a structure, or one of which there is no copy, can be written.
 */
export async function layStructures(
  device: BlockDevice,
  writes: readonly NetwareWrite[],
): Promise<NetwareNotice[]> {
  const failed: NetwareWrite[] = [];
  const held = new Set<string>();
  for (const write of writes) {
    const good = await writtenWell(device, write.bytes, write.offset);
    if (!good) failed.push(write);
    else if (write.copyOf !== undefined) held.add(write.copyOf);
  }
  const needed = failed.find(({ copyOf, optional }) =>
    copyOf === undefined ? optional !== true : !held.has(copyOf),
  );
  if (needed !== undefined) {
    throw new RemetalError(
      'disk-write-failed',
      `${device.name} cannot hold the ${needed.copyOf ?? needed.what}`,
      {
        hint: 'The disk fails where a NetWare partition has to have its structures; use another disk.',
        facts: { name: device.name, offset: needed.offset, length: needed.bytes.length },
      },
    );
  }
  return failed.map(({ what, offset }) =>
    warning(
      'netware-copy-damaged',
      `${device.name} could not take the ${what} at sector ${offset / sectorSize}.`,
      {
        what,
        sector: offset / sectorSize,
      },
    ),
  );
}
