import type { BlockDevice } from '../../disk/block-device.ts';
import { ExtentCollector } from '../collector.ts';
import type { UsedMap } from '../filesystem.ts';
import { readBytes } from '../reading.ts';
import { wholeMap } from '../whole.ts';
import type { FatGeometry } from './boot.ts';
import { badMark, entryValue } from './table.ts';

/** A multiple of 2 and 4; FAT12 tables, whose entries straddle bytes, are always shorter. */
const piece = 1024 * 1024;

/**
 * The used map from the active table: everything before the first cluster, the clusters whose entry
 * is neither free nor bad, and the tail after the last cluster. The free count in FSINFO is only a hint
 * and not looked at; instead the copies of the table must be equal.
 */
export async function fatUsedMap(volume: BlockDevice, geometry: FatGeometry): Promise<UsedMap> {
  if (geometry.facts.size > volume.size || geometry.dataEnd > volume.size) {
    return wholeMap(
      volume,
      `The file system claims ${geometry.facts.size} bytes and the volume has ${volume.size}`,
    );
  }
  if (geometry.activeFat >= geometry.fatCount) {
    return wholeMap(volume, `The boot sector names table ${geometry.activeFat + 1} of ${geometry.fatCount}`);
  }
  const head = await readBytes(volume, tableAt(geometry, geometry.activeFat), 16);
  const first = entryValue(geometry, head, 0);
  if ((first & 0xff) !== geometry.media) {
    return wholeMap(volume, 'The allocation table does not begin with the media byte of the boot sector');
  }
  if (!isClean(geometry, head)) {
    return wholeMap(volume, 'The file system was not cleanly unmounted');
  }
  const collector = new ExtentCollector();
  collector.add(0, geometry.dataOffset);
  const bits = geometry.kind;
  const length = Math.ceil(((geometry.clusters + 2) * bits) / 8);
  const bad = badMark(geometry);
  for (let done = 0; done < length; done += piece) {
    const size = Math.min(piece, length - done);
    const table = await readBytes(volume, tableAt(geometry, geometry.activeFat) + done, size);
    if (!(await copiesAgree(volume, geometry, { done, table }))) {
      return wholeMap(volume, 'The copies of the allocation table differ');
    }
    const from = Math.max(2, (done * 8) / bits);
    const to = Math.min(geometry.clusters + 2, bits === 12 ? Infinity : ((done + size) * 8) / bits);
    for (let cluster = from; cluster < to; cluster++) {
      const value = entryValue(geometry, table, cluster, done);
      if (value === 0 || value === bad) continue;
      collector.add(geometry.dataOffset + (cluster - 2) * geometry.clusterSize, geometry.clusterSize);
    }
  }
  collector.add(geometry.dataEnd, volume.size - geometry.dataEnd);
  return { used: collector.extents(volume.size), trusted: true, reason: null };
}

/** Whether boot sector and the entry 1 of a table, which begins with `head`, say that the volume was unmounted cleanly. */
export function isClean(geometry: FatGeometry, head: Buffer): boolean {
  const clean = { 12: 0, 16: 0x80_00, 32: 0x08_00_00_00 }[geometry.kind];
  return !geometry.dirty && (entryValue(geometry, head, 1) & clean) === clean;
}

const tableAt = (geometry: FatGeometry, copy: number): number =>
  geometry.fatOffset + copy * geometry.fatLength;

async function copiesAgree(
  volume: BlockDevice,
  geometry: FatGeometry,
  active: { done: number; table: Buffer },
): Promise<boolean> {
  if (!geometry.mirrored) return true;
  for (let copy = 1; copy < geometry.fatCount; copy++) {
    const other = await readBytes(volume, tableAt(geometry, copy) + active.done, active.table.length);
    if (!other.equals(active.table)) return false;
  }
  return true;
}
