import { ExtentCollector } from '../collector.ts';
import type { UsedMap } from '../filesystem.ts';
import { wholeMap } from '../whole.ts';
import type { Structures } from './structures.ts';
import type { Survey } from './survey.ts';

/**
 * The used map from the FAT: every block whose entry is not zero, less those that only deleted files hold
 * unless `keepDeleted`. Trusted only when the survey found nothing that makes a free block doubtful; NetWare
 * keeps no count of free blocks that it could be compared with.
 */
export function netwareUsedMap(
  { device, geometry, fat }: Structures,
  { findings, claims }: Survey,
  keepDeleted: boolean,
): UsedMap {
  if (findings.doubt !== null) return wholeMap(device, findings.doubt.replace(/\.$/, ''));
  const { blockSize, blocks } = geometry;
  const collector = new ExtentCollector();
  const add = (from: number, to: number): void => collector.add(from * blockSize, (to - from) * blockSize);
  fat.table.usedRuns((from, to) => {
    let start = from;
    for (let block = from; block < to; block++) {
      if (keepDeleted || !claims.isDeletedOnly(block)) continue;
      add(start, block);
      start = block + 1;
    }
    add(start, to);
  });
  const end = blocks * blockSize;
  collector.add(end, device.size - end);
  return { used: collector.extents(device.size), trusted: true, reason: null };
}
