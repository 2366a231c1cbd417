import type { BlockDevice } from '../disk/block-device.ts';
import { extDriver } from './ext/driver.ts';
import { fatDriver } from './fat/driver.ts';
import type { FileSystem, FileSystemDriver } from './filesystem.ts';
import { containerDriver, recognisedDriver } from './recognised.ts';
import { swapDriver } from './swap.ts';
import { wholeMap } from './whole.ts';
import { xfsDriver } from './xfs/driver.ts';

/** The drivers, in the order they are asked; the first to recognise a volume names it. */
export const drivers: readonly FileSystemDriver[] = [
  containerDriver,
  extDriver,
  xfsDriver,
  fatDriver,
  swapDriver,
  recognisedDriver,
];

/**
 * The file system on `volume`, or null where none is recognised. Where two drivers recognise their
 * own, as after a format that left an old signature behind, nobody's map is believed.
 */
export async function detect(volume: BlockDevice): Promise<FileSystem | null> {
  const found: FileSystem[] = [];
  for (const driver of drivers) {
    const filesystem = await driver.probe(volume);
    if (filesystem !== null) found.push(filesystem);
  }
  const [first, second] = found;
  if (first === undefined || second === undefined) return first ?? null;
  const reason = `The volume looks like ${first.facts.type} and like ${second.facts.type}: every sector is taken`;
  return {
    facts: first.facts,
    usedMap: () => Promise.resolve(wholeMap(volume, reason)),
    controlSet: () => Promise.resolve([]),
  };
}

/**
 * The file system on a volume of which is known what it holds, `type` being that of its facts: its own driver looks and no other, so that
 * nothing but its structures is read. As `detect` where no driver is of that type or it does not recognise its own.
 */
export async function detectKnown(volume: BlockDevice, type: string | undefined): Promise<FileSystem | null> {
  const driver = drivers.find(({ family }) => type?.startsWith(family) === true);
  return (await driver?.probe(volume)) ?? (await detect(volume));
}
