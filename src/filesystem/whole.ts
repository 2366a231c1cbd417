import type { BlockDevice } from '../disk/block-device.ts';
import { isCoded } from '../errors/index.ts';
import type { UsedMap } from './filesystem.ts';

/** The map that leaves nothing out, with the reason. */
export function wholeMap(volume: BlockDevice, reason: string): UsedMap {
  return { used: [{ start: 0, length: volume.size }], trusted: false, reason };
}

/** Runs `map`; what it finds damaged or cannot read becomes the whole volume with that reason. */
export async function wholeUnlessMapped(volume: BlockDevice, map: () => Promise<UsedMap>): Promise<UsedMap> {
  try {
    return await map();
  } catch (error) {
    if (isCoded(error, 'filesystem-damaged')) return wholeMap(volume, error.message);
    if (isCoded(error, 'disk-read-failed')) {
      return wholeMap(volume, `The used map could not be read: ${error.message}`);
    }
    throw error;
  }
}
