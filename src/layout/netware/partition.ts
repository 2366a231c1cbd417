import type { BlockDevice } from '../../disk/block-device.ts';
import { RemetalError } from '../../errors/index.ts';
import { readSectors } from '../fields.ts';
import { elect, faultsOf, isStamped, readCopies, type Election } from './copies.ts';
import { encodeHotfixHeader, parseHotfixHeader, type HotfixHeader } from './hotfix-header.ts';
import { logicalPartition, requireSectors } from './logical-partition.ts';
import { encodeMirrorHeader, parseMirrorHeader, type MirrorHeader } from './mirror-header.ts';
import { remark, warning, type NetwareNotice } from './notice.ts';
import { headerPlaces, patentTablePlaces, sectorSize, tablePlaces } from './places.ts';
import { readRedirections } from './redirection-copies.ts';
import type { Redirections } from './redirections.ts';
import { parseStamp, type PartitionStamp } from './stamp.ts';
import type { Mapping } from './translation.ts';
import { parseVolumeTable, type VolumeTable } from './volume-table.ts';

/** Everything a NetWare data partition says of itself. */
export interface DataPartition {
  /** Sectors of the whole partition. */
  readonly sectors: number;
  /** Null on partitions made by 3.x, which does not stamp them. */
  readonly stamp: PartitionStamp | null;
  readonly hotfix: HotfixHeader;
  /** Null where no copy of the header can be believed; the partition then counts as unmirrored. */
  readonly mirror: MirrorHeader | null;
  readonly redirections: Redirections;
  readonly table: VolumeTable;
  /** Logical sector of the first copy of the volume table: 32, or 160 as EP 0767431 A1 has it. */
  readonly tablePlace: number;
}

/** A partition and what a person should know about how it was read; the notices leave it to the caller to name the partition. */
export interface ReadPartition {
  readonly partition: DataPartition;
  readonly notices: NetwareNotice[];
}

/** What `logicalPartition` needs of a partition. */
export function mappingOf(
  partition: Pick<DataPartition, 'hotfix' | 'redirections'>,
): Mapping & { readonly dataSectors: number } {
  const { hotfixSectors, dataSectors } = partition.hotfix;
  return { hotfixSectors, dataSectors, moved: partition.redirections.moved };
}

/**
 * Reads a NetWare 386 data partition: stamp, headers, redirections, volume table, each from the copies
 * that most agree on.
 *
 * @param device The whole partition.
 * @throws `netware-unknown` when it is none (NSS, foreign data, zeros), `layout-damaged` when it is one
 *   of which no copy of a structure can be believed, `layout-sector-size` for other sectors than 512.
 */
export async function readDataPartition(device: BlockDevice): Promise<ReadPartition> {
  requireSectors(device);
  const sectors = device.size / sectorSize;
  const hotfix = await readHotfix(device, sectors);
  const { dataSectors } = hotfix.value;
  const mirror = await readMirror(device, hotfix.value);
  const found = await readRedirections(device, hotfix.value);
  const mapping = { ...hotfix.value, moved: found.redirections.moved };
  const table = await readVolumeTable(logicalPartition(device, mapping, device.name), dataSectors);
  const stamp = await readStamp(device, sectors);
  return {
    partition: {
      sectors,
      stamp: stamp.value,
      hotfix: hotfix.value,
      mirror: mirror.value,
      redirections: found.redirections,
      table: table.value,
      tablePlace: table.place,
    },
    notices: [...stamp.notices, ...hotfix.notices, ...mirror.notices, ...found.notices, ...table.notices],
  };
}

async function readHotfix(device: BlockDevice, sectors: number): Promise<Election<HotfixHeader>> {
  const copies = await readCopies(device, headerPlaces, (sector) => parseHotfixHeader(sector, sectors));
  const elected = elect(copies, {
    what: 'the hotfix header',
    key: (header) => encodeHotfixHeader(header).toString('latin1'),
    age: (header) => header.sync,
  });
  if (elected !== null) return elected;
  if (!isStamped(copies)) throw await unknownPartition(device);
  throw damaged(device, `no copy of its hotfix header can be believed: ${faultsOf(copies)}`);
}

function damaged(device: BlockDevice, what: string): RemetalError {
  return new RemetalError('layout-damaged', `${device.name} is a damaged NetWare partition: ${what}`, {
    hint: 'Image the partition as a whole, or have VREPAIR rebuild it on a copy.',
    facts: { sectors: device.size / sectorSize },
  });
}

/* An NSS pool begins with a superblock at byte 4096 (util-linux, libblkid, superblocks/netware.c). */
const nssMagic = 'SPB5';
const nssSector = 8;

async function unknownPartition(device: BlockDevice): Promise<RemetalError> {
  const inside = (nssSector + 1) * sectorSize <= device.size;
  const sector = inside ? await readSectors(device, nssSector, 1) : null;
  const isNss = sector?.toString('latin1', 0, nssMagic.length) === nssMagic;
  return new RemetalError(
    'netware-unknown',
    isNss
      ? `${device.name} holds NSS, the storage of NetWare 5 and later, which is not the NetWare 386 layout`
      : `${device.name} is marked as NetWare but holds no NetWare 386 partition: no HOTFIX00 header is there`,
    {
      hint: 'It can be imaged as a whole, every sector of it.',
      facts: { found: isNss ? 'nss' : 'nothing known', sectors: device.size / sectorSize },
    },
  );
}

async function readMirror(
  device: BlockDevice,
  hotfix: HotfixHeader,
): Promise<{ value: MirrorHeader | null; notices: readonly NetwareNotice[] }> {
  const copies = await readCopies(
    device,
    headerPlaces.map((sector) => sector + 1),
    (sector) => {
      const parsed = parseMirrorHeader(sector);
      if (!('value' in parsed) || parsed.doubt !== null) return parsed;
      const foreign = parsed.value.id !== hotfix.id || parsed.value.dataSectors !== hotfix.dataSectors;
      return foreign ? { ...parsed, doubt: 'speaks of another partition than the hotfix header' } : parsed;
    },
  );
  const elected = elect(copies, {
    what: 'the mirror header',
    key: (header) => encodeMirrorHeader(header).toString('latin1'),
    age: (header) => header.sync,
  });
  if (elected !== null && elected.doubt === null) return elected;
  const why = elected?.doubt ?? faultsOf(copies);
  return {
    value: null,
    notices: [
      warning(
        'netware-mirror',
        `No mirror header can be believed (${why}); the partition is taken as not mirrored.`,
        { why },
      ),
    ],
  };
}

async function readVolumeTable(
  logical: BlockDevice,
  dataSectors: number,
): Promise<Election<VolumeTable> & { place: number }> {
  const at = async (
    places: readonly number[],
  ): Promise<{ stamped: boolean; faults: string; elected: Election<VolumeTable> | null }> => {
    const copies = await readCopies(logical, places, (sector) =>
      parseVolumeTable(sector, dataSectors, places.at(-1)! + 1),
    );
    const elected = elect(copies, {
      what: 'the volume table',
      key: (table) => JSON.stringify(table.entries),
    });
    return { stamped: isStamped(copies), faults: faultsOf(copies), elected };
  };
  const real = await at(tablePlaces);
  if (real.elected !== null) return { ...real.elected, place: tablePlaces[0]! };
  const patent = real.stamped ? null : await at(patentTablePlaces);
  if (patent === null || patent.elected === null) {
    throw damaged(logical, `no copy of its volume table can be believed: ${real.faults}`);
  }
  const place = patentTablePlaces[0]!;
  const notice = remark(
    'netware-table-place',
    `The volume table lies at logical sector ${place}, not at ${tablePlaces[0]}.`,
    { place },
  );
  return { ...patent.elected, notices: [notice, ...patent.elected.notices], place };
}

async function readStamp(
  device: BlockDevice,
  sectors: number,
): Promise<{ value: PartitionStamp | null; notices: NetwareNotice[] }> {
  const sector = await readSectors(device, 0, 1);
  if (sector === null) {
    const unread = warning('netware-stamp', 'Sector 0, which may hold a stamp, cannot be read.');
    return { value: null, notices: [unread] };
  }
  const value = parseStamp(sector);
  if (value === null || value.sectors === sectors) return { value, notices: [] };
  const differs = remark(
    'netware-stamp',
    `The partition was stamped with ${value.sectors} sectors and has ${sectors}.`,
    { stamped: value.sectors, sectors },
  );
  return { value, notices: [differs] };
}
