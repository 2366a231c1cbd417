import type { LeftOut } from '../archive/index.ts';
import type { BlockDevice } from '../disk/index.ts';
import { openNetwareVolume, type NetwareFileSystem } from '../filesystem/netware/index.ts';
import { detect, type FileSystem } from '../filesystem/index.ts';
import { isCoded } from '../errors/index.ts';
import type { Volume } from '../layout/index.ts';
import {
  logicalOf,
  netwareRecord,
  readNetware,
  sectorsPerBlock,
  volumeDevice,
  type Netware,
  type NetwareDisk,
  type NetwareRecord,
  type NetwareVolume,
  type VolumeDefinition,
} from '../layout/netware/index.ts';
import type { Notice } from '../progress/index.ts';

/** A NetWare volume about to be imaged. */
export interface FoundNetwareVolume {
  readonly volume: Volume;
  readonly device: BlockDevice;
  /** Opens it once and gives the same every time. */
  readonly open: () => Promise<FileSystem>;
}

/** What of NetWare is imaged by its volumes. */
export interface FoundNetware {
  /** For the layout record, opens every volume; null where there is nothing of NetWare. */
  readonly record: () => Promise<NetwareRecord | null>;
  readonly volumes: readonly FoundNetwareVolume[];
  /** Ids of partitions (`disk1.part2`) that are not imaged themselves, since all they hold is in the volumes. */
  readonly covered: ReadonlySet<string>;
  readonly leftOut: readonly LeftOut[];
}

const nothing: FoundNetware = {
  record: () => Promise.resolve(null),
  volumes: [],
  covered: new Set(),
  leftOut: [],
};

/**
 * The NetWare volumes of all disks, put together from their segments. A partition that carries a piece of
 * a volume which cannot be put together (a disk is missing) stays to be imaged whole, and so do those that
 * share a volume with it: half a volume would be lost otherwise. Throws what concerns the disks themselves.
 */
export async function findNetware(
  disks: readonly NetwareDisk[],
  { tell, keepDeleted }: { readonly tell: (notice: Notice) => void; readonly keepDeleted: boolean },
): Promise<FoundNetware> {
  const netware = await readNetware(disks);
  for (const notice of netware.notices) tell(notice);
  for (const { name, reasons } of netware.broken) {
    tell({
      level: 'warning',
      code: 'netware-volume-broken',
      message: `The partitions with pieces of NetWare volume ${name} are imaged whole.`,
      facts: { volume: name, reasons },
    });
  }
  if (netware.partitions.length === 0) return nothing;
  const whole = imagedWhole(netware);
  const volumes = netware.volumes.filter(({ segments }) =>
    segments.every(({ partition }) => !whole.has(partition)),
  );
  const covered = netware.partitions.filter((_, index) => !whole.has(index));
  const found = named(volumes).map((each) => ready(netware, each, keepDeleted));
  return {
    record: async () => {
      const leftOut = new Set<NetwareVolume>();
      for (const [index, volume] of keepDeleted ? [] : volumes.entries()) {
        if (await leavesOutDeleted(await found[index]!.open())) leftOut.add(volume);
      }
      return netwareRecord({ ...netware, volumes }, leftOut);
    },
    volumes: found,
    covered: new Set(covered.map(({ disk, number }) => `${disk}.part${number}`)),
    leftOut: covered.flatMap(({ name, length, partition }) => {
      const index = netware.partitions.findIndex((other) => other.partition === partition);
      const sectors = length - sectorsOfVolumes(volumes, index);
      const detail = `Hotfix area, tables and what is in no volume on ${name}`;
      return sectors === 0
        ? []
        : [{ volume: null, bytes: sectors * 512, reason: 'unallocated' as const, detail }];
    }),
  };
}

/** Whether the map of a volume opened without deleted files lacks what only they hold, and there are any. */
async function leavesOutDeleted(filesystem: FileSystem): Promise<boolean> {
  if (!isNetware(filesystem) || !(await filesystem.usedMap()).trusted) return false;
  const first = await filesystem.deleted().next();
  return first.done !== true;
}

function isNetware(filesystem: FileSystem): filesystem is NetwareFileSystem {
  return 'deleted' in filesystem;
}

/* Broken volumes do not say where they lie beyond the tables that name them: those are asked. */
function imagedWhole({ partitions, volumes, broken }: Netware): Set<number> {
  const names = new Set(broken.map(({ name }) => name));
  const whole = new Set(
    partitions.flatMap(({ partition }, index) =>
      partition.table.entries.some((entry) => names.has(entry.name)) ? [index] : [],
    ),
  );
  for (let before = -1; before !== whole.size;) {
    before = whole.size;
    for (const { segments } of volumes) {
      if (!segments.some(({ partition }) => whole.has(partition))) continue;
      for (const { partition } of segments) whole.add(partition);
    }
  }
  return whole;
}

function sectorsOfVolumes(volumes: readonly NetwareVolume[], partition: number): number {
  return volumes
    .flatMap(({ definition, segments }) =>
      segments
        .filter((segment) => segment.partition === partition)
        .map(({ blocks }) => blocks * sectorsPerBlock(definition.blockShift)),
    )
    .reduce((sum, sectors) => sum + sectors, 0);
}

/** Volumes with their ids; two servers may have brought volumes of one name. */
function named(volumes: readonly NetwareVolume[]): { id: string; found: NetwareVolume }[] {
  const counts = new Map<string, number>();
  return volumes.map((found) => {
    const { name } = found.definition;
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return { id: count === 1 ? `netware.${name}` : `netware.${name}-${count}`, found };
  });
}

function ready(
  netware: Netware,
  { id, found }: { id: string; found: NetwareVolume },
  keepDeleted: boolean,
): FoundNetwareVolume {
  const { definition, segments } = found;
  const device = volumeDevice(found, (partition) => logicalOf(netware, partition));
  let opened: Promise<FileSystem> | null = null;
  return {
    volume: {
      id,
      name: definition.name,
      kind: 'netware',
      segments: segments.map(({ partition, start, blocks }) => {
        const { disk, start: first, partition: read } = netware.partitions[partition]!;
        return {
          disk,
          start: first + read.hotfix.hotfixSectors + start,
          length: blocks * sectorsPerBlock(definition.blockShift),
        };
      }),
      partition: null,
      filesystem: null,
    },
    device,
    open: () => (opened ??= filesystemOn(device, definition, keepDeleted)),
  };
}

/** What lies on a NetWare volume: NetWare's own file system as a rule, but it may be any other. */
async function filesystemOn(
  device: BlockDevice,
  definition: VolumeDefinition,
  keepDeleted: boolean,
): Promise<FileSystem> {
  const own = await openNetwareVolume(device, definition, { keepDeleted });
  if ((await own.usedMap()).trusted) return own;
  try {
    return (await detect(device)) ?? own;
  } catch (error) {
    if (!isCoded(error, 'filesystem-damaged', 'disk-read-failed')) throw error;
    return own;
  }
}
