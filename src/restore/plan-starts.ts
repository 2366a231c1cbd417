import type { SetReader } from '../archive/index.ts';
import { growers } from './plan-arrangement.ts';
import { growWish } from './plan-input.ts';
import type { Wishes } from './wishes.ts';

/** More than the reserved sectors of any FAT that is usual, so that the head of its table is among them. */
const startBytes = 256 * 1024;

/**
 * The first bytes of the volume that is to grow, from the group of the set that holds them, where the plan depends on
 * them: a FAT says in its boot sector what it can become. Without the volume where that record is damaged; what
 * the set does not hold is zeros. Throws `volume-not-found` and what the medium throws.
 */
export async function volumeStarts(reader: SetReader, wishes: Wishes): Promise<Map<string, Buffer>> {
  const starts = new Map<string, Buffer>();
  const grow = growWish(reader.layout.volumes, wishes);
  const volume = reader.layout.volumes.find(({ id }) => id === grow);
  if (volume === undefined || growers[volume.filesystem?.type ?? ''] !== 'fat') return starts;
  const index = reader.index(volume.id);
  const { size } = index;
  const first = index.groupAtOffset(0);
  if (first === null) return starts;
  for await (const group of reader.groups(volume.id, { from: first, to: first + 1, onDamage: 'report' })) {
    if (group.damage !== null) break;
    const start = Buffer.alloc(Math.min(startBytes, size));
    let at = 0;
    for (const extent of group.plain === null ? [] : group.extents) {
      group.plain?.copy(start, Math.min(extent.start, start.length), at, at + extent.length);
      at += extent.length;
    }
    group.release?.();
    starts.set(volume.id, start);
  }
  return starts;
}
