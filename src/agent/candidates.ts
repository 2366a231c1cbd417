import { identityOf, openDisk, type Disk } from '../disk/index.ts';
import { isCoded } from '../errors/index.ts';
import type { TargetDisk } from '../restore/request.ts';
import { describeContents } from '../restore/target-contents.ts';

/** What keeps a disk of this machine from being written. */
export interface Reservations {
  /** The disk the system was started from. */
  readonly bootDisk: string | null;
  /** Device nodes of disks that hold a set. */
  readonly setDisks: ReadonlySet<string>;
}

/** No reservations. */
export const unreserved: Reservations = { bootDisk: null, setDisks: new Set() };

/** A disk of this machine as the planner sees it. */
export async function asTarget(disk: Disk, { bootDisk, setDisks }: Reservations): Promise<TargetDisk> {
  const isOneOf = (path: string): boolean => disk.paths.includes(path);
  return {
    identity: disk.identity,
    paths: disk.paths,
    holds: await contentsAt(disk.identity.path),
    reserved:
      bootDisk !== null && isOneOf(bootDisk)
        ? 'boot-medium'
        : [...setDisks].some(isOneOf)
          ? 'holds-the-set'
          : disk.use.length > 0
            ? 'mounted'
            : null,
  };
}

/** An image file as the planner sees it. */
export async function fileAsTarget(path: string, sectorSize: number | undefined): Promise<TargetDisk> {
  return {
    identity: await identityOf(path, sectorSize),
    paths: [path],
    holds: await contentsAt(path, sectorSize),
    reserved: null,
  };
}

async function contentsAt(path: string, sectorSize?: number): Promise<readonly string[]> {
  let device;
  try {
    device = await openDisk(path, sectorSize === undefined ? {} : { sectorSize });
  } catch (error) {
    if (isCoded(error, 'not-permitted', 'disk-gone')) return ['data that cannot be read'];
    throw error;
  }
  try {
    return await describeContents(device);
  } finally {
    await device.close();
  }
}
