import type { BlockDevice } from '../disk/block-device.ts';
import { slice } from '../disk/index.ts';
import { isCoded } from '../errors/index.ts';
import { detect } from '../filesystem/index.ts';
import { readTable, volumesOf, type Table, type Volume } from '../layout/index.ts';

const edge = 1024 * 1024;

/**
 * What lies on a disk, in words (`GPT with 3 partitions`, `ext4 "data"`); empty for a blank one: no
 * table, no known file system, zeros in the first and last MiB. What cannot be read counts as data.
 */
export async function describeContents(device: BlockDevice): Promise<string[]> {
  let table: Table;
  try {
    ({ table } = await readTable(device));
  } catch (error) {
    if (isCoded(error, 'layout-damaged')) return ['a damaged partition table'];
    if (isCoded(error, 'layout-sector-size')) return ['a partition table for another sector size'];
    if (isCoded(error, 'disk-read-failed')) return ['something unreadable'];
    throw error;
  }
  const words = await fileSystems(device, volumesOf(table, 'disk', device));
  if (table.kind !== 'none') {
    const count = table.partitions.length;
    return [
      `${table.kind.toUpperCase()} with ${count} ${count === 1 ? 'partition' : 'partitions'}`,
      ...words,
    ];
  }
  if (words.length > 0) return words;
  const blank = (await blankAt(device, 0)) && (await blankAt(device, device.size - edge));
  return blank ? [] : ['data of unknown kind'];
}

async function fileSystems(device: BlockDevice, volumes: readonly Volume[]): Promise<string[]> {
  const words: string[] = [];
  for (const volume of volumes.filter((candidate) => candidate.kind !== 'boot')) {
    const [segment] = volume.segments;
    const found = await onVolume(
      slice(device, segment!.start * device.sectorSize, segment!.length * device.sectorSize),
    );
    if (found !== null) words.push(found);
  }
  return words;
}

async function onVolume(volume: BlockDevice): Promise<string | null> {
  try {
    const facts = (await detect(volume))?.facts;
    if (facts === undefined) return null;
    return facts.label === null || facts.label === '' ? facts.type : `${facts.type} "${facts.label}"`;
  } catch (error) {
    if (isCoded(error, 'filesystem-damaged')) return 'a damaged file system';
    if (isCoded(error, 'disk-read-failed')) return 'something unreadable';
    throw error;
  }
}

/** Whether the MiB from `offset` on (clipped to the disk) is zeros; what cannot be read is not. */
async function blankAt(device: BlockDevice, offset: number): Promise<boolean> {
  const start = Math.max(0, offset);
  const bytes = Buffer.alloc(Math.min(edge, device.size - start));
  try {
    await device.read(bytes, start);
  } catch (error) {
    if (isCoded(error, 'disk-read-failed')) return false;
    throw error;
  }
  return bytes.every((byte) => byte === 0);
}
