import type { BlockDevice } from '../disk/block-device.ts';
import { RemetalError, isCoded } from '../errors/index.ts';

/** No structure of a file system is read in larger pieces than this, whatever a field on disk claims. */
export const largestRead = 4 * 1024 * 1024;

/**
 * Bytes `[offset, offset + length)` of the volume, on no particular grid.
 *
 * @throws `filesystem-damaged` where the range leaves the volume: only a number read from disk can lead there.
 * @throws `disk-read-failed` as the device does.
 */
export async function readBytes(volume: BlockDevice, offset: number, length: number): Promise<Buffer> {
  if (
    !Number.isSafeInteger(offset) ||
    !Number.isSafeInteger(length) ||
    offset < 0 ||
    length < 0 ||
    length > largestRead ||
    offset + length > volume.size
  ) {
    throw new RemetalError('filesystem-damaged', `${volume.name}: a file system pointer leaves the volume`, {
      facts: { offset, length, size: volume.size },
    });
  }
  const sector = volume.sectorSize;
  const from = Math.floor(offset / sector) * sector;
  const to = Math.ceil((offset + length) / sector) * sector;
  const whole = Buffer.allocUnsafeSlow(to - from);
  if (whole.length > 0) await volume.read(whole, from);
  return from === offset && to === offset + length
    ? whole
    : whole.subarray(offset - from, offset - from + length);
}

/** As `readBytes`, but null where the range leaves the volume or cannot be read. For probing. */
export async function tryReadBytes(
  volume: BlockDevice,
  offset: number,
  length: number,
): Promise<Buffer | null> {
  try {
    return await readBytes(volume, offset, length);
  } catch (error) {
    if (isCoded(error, 'filesystem-damaged', 'disk-read-failed')) return null;
    throw error;
  }
}

/**
 * As `readBytes`, but what cannot be read is zeros: the pieces of `unit` bytes that fail one by one.
 * A range outside the volume is zeros as well. For walks over a file system known to be damaged.
 */
export async function readTolerant(
  volume: BlockDevice,
  at: { readonly offset: number; readonly length: number; readonly unit: number },
): Promise<Buffer> {
  const { offset, length, unit } = at;
  const whole = await tryReadBytes(volume, offset, length);
  if (whole !== null) return whole;
  const out = Buffer.alloc(Math.min(length, largestRead));
  if (length <= unit) return out;
  for (let done = 0; done < out.length; done += unit) {
    const piece = await tryReadBytes(volume, offset + done, Math.min(unit, out.length - done));
    if (piece === null) continue;
    piece.copy(out, done);
  }
  return out;
}
