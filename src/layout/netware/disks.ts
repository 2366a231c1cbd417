import type { BlockDevice } from '../../disk/block-device.ts';
import { joined } from '../../disk/joined.ts';
import { slice } from '../../disk/slice.ts';
import { isCoded, RemetalError } from '../../errors/index.ts';
import { dataPartitions } from '../check.ts';
import type { Table } from '../layout.ts';
import { logicalPartition } from './logical-partition.ts';
import { mirrored } from './mirrored.ts';
import { mirrorGroups, type MirrorGroup } from './mirror-groups.ts';
import { warning, type NetwareNotice } from './notice.ts';
import { mappingOf, readDataPartition, type DataPartition } from './partition.ts';
import { netwareType, sectorSize } from './places.ts';
import { sectorsPerBlock } from './volume-table.ts';
import { assembleVolumes, type BrokenVolume, type NetwareVolume } from './volumes.ts';

/** A disk and its partition table. */
export interface NetwareDisk {
  /** `disk1`, as the layout record names it. */
  readonly id: string;
  readonly device: BlockDevice;
  readonly table: Table;
}

/** A data partition found on a disk. Sectors of the disk. */
export interface FoundPartition {
  readonly disk: string;
  readonly number: number;
  readonly start: number;
  readonly length: number;
  /** `disk1 partition 2`. */
  readonly name: string;
  /** The whole partition. */
  readonly device: BlockDevice;
  readonly partition: DataPartition;
}

/** A partition of NetWare's type that could not be read as one; it is still there to be imaged. */
export interface RefusedPartition {
  readonly disk: string;
  readonly number: number;
  readonly name: string;
  readonly error: RemetalError;
}

/** Everything of NetWare on some disks. */
export interface Netware {
  readonly partitions: readonly FoundPartition[];
  readonly refused: readonly RefusedPartition[];
  readonly groups: readonly MirrorGroup[];
  readonly volumes: readonly NetwareVolume[];
  readonly broken: readonly BrokenVolume[];
  readonly notices: readonly NetwareNotice[];
}

/** The partitions of type 65 hex of a table, logical ones included. */
export function netwarePartitions(table: Table): { number: number; start: number; length: number }[] {
  if (table.kind !== 'mbr') return [];
  const numbers = new Set(
    table.partitions.filter(({ type }) => type === netwareType).map(({ number }) => number),
  );
  return dataPartitions(table)
    .filter(({ number }) => numbers.has(number))
    .map(({ number, start, length }) => ({ number, start, length }));
}

/**
 * Reads all NetWare 386 partitions of some disks and puts their volumes together. What cannot be read
 * as such is refused by name and told, and stops nothing else; a mirrored group counts once.
 *
 * @throws only what concerns the disks themselves, `disk-gone` for one.
 */
export async function readNetware(disks: readonly NetwareDisk[]): Promise<Netware> {
  const partitions: FoundPartition[] = [];
  const refused: RefusedPartition[] = [];
  const notices: NetwareNotice[] = [];
  for (const disk of disks) {
    for (const { number, start, length } of netwarePartitions(disk.table)) {
      const where = { disk: disk.id, number, name: `${disk.id} partition ${number}` };
      const device = slice(
        disk.device,
        start * disk.device.sectorSize,
        length * disk.device.sectorSize,
        where.name,
      );
      try {
        const read = await readDataPartition(device);
        partitions.push({ ...where, start, length, device, partition: read.partition });
        notices.push(...read.notices.map((notice) => about(notice, where)));
      } catch (error) {
        if (!isCoded(error, 'netware-unknown', 'layout-damaged', 'layout-sector-size')) throw error;
        refused.push({ ...where, error });
        notices.push(
          warning('netware-not-netware', `${error.message}; it is taken as a plain partition.`, {
            disk: disk.id,
            partition: number,
            code: error.code,
          }),
        );
      }
    }
  }
  const mirrors = mirrorGroups(partitions.map(({ name, partition }) => ({ name, mirror: partition.mirror })));
  const followers = new Set(
    mirrors.groups.flatMap(({ members, used }) =>
      members.map(({ partition }) => partition).filter((index) => index !== null && index !== used[0]),
    ),
  );
  const assembled = assembleVolumes(
    partitions.map(({ name, partition }, index) =>
      followers.has(index) ? { name, entries: [], faults: [] } : { name, ...partition.table },
    ),
  );
  return {
    partitions,
    refused,
    groups: mirrors.groups,
    volumes: assembled.volumes,
    broken: assembled.broken,
    notices: [...notices, ...mirrors.notices, ...assembled.notices],
  };
}

/** A notice with the name of the partition it is about. */
function about(notice: NetwareNotice, where: { disk: string; number: number; name: string }): NetwareNotice {
  const facts = { ...notice.facts, disk: where.disk, partition: where.number };
  return { ...notice, message: `${where.name}: ${notice.message}`, facts };
}

/**
 * The logical partition of one that was found, as a device. For the leader of a mirrored group, all its
 * members in sync: read from the first that can, written to all.
 */
export function logicalOf(netware: Pick<Netware, 'partitions' | 'groups'>, index: number): BlockDevice {
  const { name, device, partition } = netware.partitions[index]!;
  const used = netware.groups.find((group) => group.used[0] === index)?.used ?? [index];
  if (used.length === 1) return logicalPartition(device, mappingOf(partition), name);
  const members = used.map((member) => {
    const found = netware.partitions[member]!;
    return logicalPartition(found.device, mappingOf(found.partition), found.name);
  });
  return mirrored(members, `${name}, mirrored`);
}

/**
 * A volume as a device: byte 0 is byte 0 of its block 0, its size that of all its blocks. Closing it
 * leaves the partitions open.
 *
 * @param logical The logical partition of a partition index; asked once for each partition.
 */
export function volumeDevice(
  volume: NetwareVolume,
  logical: (partition: number) => BlockDevice,
): BlockDevice {
  const { name, blockShift } = volume.definition;
  const blockSize = sectorsPerBlock(blockShift) * sectorSize;
  const opened = new Map<number, BlockDevice>();
  const parts = volume.segments.map(({ partition, start, blocks }) => {
    const device = opened.get(partition) ?? logical(partition);
    opened.set(partition, device);
    return slice(device, start * sectorSize, blocks * blockSize);
  });
  return parts.length === 1 ? renamed(parts[0]!, name) : joined(parts, name);
}

function renamed(device: BlockDevice, name: string): BlockDevice {
  return slice(device, 0, device.size, name);
}

/**
 * The volume of a name.
 *
 * @throws `layout-damaged` with every reason when it cannot be put together, `volume-not-found` when
 *   there is none or more than one of that name.
 */
export function volumeNamed(netware: Pick<Netware, 'volumes' | 'broken'>, name: string): NetwareVolume {
  const found = netware.volumes.filter(({ definition }) => definition.name === name);
  if (found.length === 1) return found[0]!;
  const broken = netware.broken.find((volume) => volume.name === name);
  if (found.length === 0 && broken !== undefined) {
    throw new RemetalError(
      'layout-damaged',
      `Volume ${name} cannot be put together: ${broken.reasons.join('; ')}`,
      {
        hint: 'Name every disk that holds a segment of it.',
        facts: { volume: name, reasons: broken.reasons },
      },
    );
  }
  throw new RemetalError(
    'volume-not-found',
    found.length === 0
      ? `There is no NetWare volume ${name}`
      : `There are ${found.length} NetWare volumes ${name}`,
    { facts: { volume: name, known: netware.volumes.map(({ definition }) => definition.name) } },
  );
}
