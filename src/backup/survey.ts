import { isCoded } from '../errors/index.ts';
import { joined, slice, type BlockDevice } from '../disk/index.ts';
import { detect, type FileSystem } from '../filesystem/index.ts';
import {
  exactTable,
  gapsOf,
  nameVolumes,
  readTable,
  volumesOf,
  type DiskLayout,
  type Layout,
  type Table,
  type Volume,
} from '../layout/index.ts';
import { recordSizes, type LeftOut } from '../archive/index.ts';
import type { Notice } from '../progress/index.ts';
import { throwIfStopped } from './interruption.ts';
import type { BackupRequest, SourceDisk } from './request.ts';
import { findNetware, type FoundNetware } from './netware.ts';
import { mapVolume, type MappedVolume } from './volume-map.ts';

/** A volume about to be imaged. */
export interface SurveyedVolume extends MappedVolume {
  readonly volume: Volume;
  /** Reads the volume's bytes; closing it is not needed. */
  readonly device: BlockDevice;
}

export interface Survey {
  readonly layout: Layout;
  readonly volumes: readonly SurveyedVolume[];
  /** What belongs to no volume. */
  readonly leftOut: readonly LeftOut[];
}

interface FoundDisk {
  readonly layout: DiskLayout;
  readonly source: SourceDisk;
  readonly volumes: readonly Volume[];
  /** Runs of sectors in no partition; volumes of their own where every sector was asked for. */
  readonly gaps: readonly Volume[];
}

type Tell = (notice: Notice) => void;

/** The table of a disk. One that is ruined is an error, unless all sectors were asked for. */
async function tableOf(device: BlockDevice, allSectors: boolean, tell: Tell): Promise<Table> {
  try {
    const { table, notices } = await readTable(device);
    for (const notice of notices) tell({ ...notice, facts: { ...notice.facts, disk: device.name } });
    return table;
  } catch (error) {
    if (!allSectors || !isCoded(error, 'layout-damaged')) throw error;
    tell({
      level: 'warning',
      code: 'table-damaged',
      message: `${error.message}; the disk is imaged as one volume, every sector of it`,
      facts: { disk: device.name },
    });
    return { kind: 'none' };
  }
}

/** Where a volume's bytes are: its segments one after another. */
function deviceOf(volume: Volume, disks: ReadonlyMap<string, BlockDevice>): BlockDevice {
  const slices = volume.segments.map(({ disk, start, length }) => {
    const device = disks.get(disk)!;
    const { sectorSize } = device;
    return slice(device, start * sectorSize, length * sectorSize, `${device.name} ${volume.id}`);
  });
  return slices.length === 1 ? slices[0]! : joined(slices, slices[0]?.name ?? volume.id);
}

/** The file system of a volume. One that cannot be read is as good as none, and that is said. */
async function filesystemOf(volume: Volume, device: BlockDevice, tell: Tell): Promise<FileSystem | null> {
  if (volume.kind === 'boot' || volume.kind === 'gap') return null;
  try {
    return await detect(device);
  } catch (error) {
    if (!isCoded(error, 'filesystem-damaged', 'disk-read-failed')) throw error;
    tell({
      level: 'warning',
      code: 'filesystem-unreadable',
      message: `${volume.id}: ${error.message}; every sector is taken`,
      facts: { volume: volume.id },
    });
    return null;
  }
}

async function findDisk(
  source: SourceDisk,
  id: string,
  request: BackupRequest,
  tell: Tell,
): Promise<FoundDisk> {
  const { device, identity } = source;
  if (device.raggedTail !== undefined && device.raggedTail > 0) {
    tell({
      level: 'warning',
      code: 'ragged-tail',
      message: `${device.name}: the last ${device.raggedTail} bytes make no whole sector and are left out`,
      facts: { disk: device.name, bytes: device.raggedTail },
    });
  }
  const plain = await tableOf(device, request.allSectors, tell);
  const table = request.allSectors ? await exactTable(plain, device) : plain;
  const volumes = volumesOf(table, id, device);
  const gaps = gapsOf({ id, table, geometry: device, volumes });
  return {
    layout: { id, identity, table },
    source,
    volumes: request.allSectors ? [...volumes, ...gaps] : volumes,
    gaps,
  };
}

/** What a disk holds in no partition, where that does not go into the set. */
function unallocated({ layout, source, gaps }: FoundDisk): LeftOut[] {
  const segments = gaps.flatMap((gap) => gap.segments);
  const sectors = segments.reduce((sum, { length }) => sum + length, 0);
  if (sectors === 0) return [];
  const detail = `Sectors of ${layout.id} in no partition`;
  return [{ volume: null, bytes: sectors * source.device.sectorSize, reason: 'unallocated', detail }];
}

interface BareVolume {
  readonly volume: Volume;
  readonly device: BlockDevice;
  readonly filesystemOf: () => Promise<FileSystem | null>;
}

/** Every volume in the order of the set: disk by disk, then those of NetWare, which lie across disks. */
function bareVolumes(found: readonly FoundDisk[], netware: FoundNetware | null, tell: Tell): BareVolume[] {
  const devices = new Map(found.map(({ layout, source }) => [layout.id, source.device]));
  const plain = found
    .flatMap((disk) => disk.volumes)
    .filter(({ id }) => netware?.covered.has(id) !== true)
    .map((volume): BareVolume => {
      const device = deviceOf(volume, devices);
      return { volume, device, filesystemOf: () => filesystemOf(volume, device, tell) };
    });
  const segmented = (netware?.volumes ?? []).map(({ volume, device, open }): BareVolume => ({
    volume,
    device,
    filesystemOf: open,
  }));
  return [...plain, ...segmented];
}

async function netwareOf(
  found: readonly FoundDisk[],
  { keepDeleted = false }: BackupRequest,
  tell: Tell,
): Promise<FoundNetware> {
  return await findNetware(
    found.map(({ layout, source }) => ({ id: layout.id, device: source.device, table: layout.table })),
    { tell, keepDeleted },
  );
}

/**
 * Looks at everything that is to be imaged without reading its data: tables, volumes, file systems
 * and their used maps. Throws `layout-damaged`, `disk-read-failed`, `disk-gone`, `interrupted`.
 */
export async function survey(request: BackupRequest, tell: Tell): Promise<Survey> {
  const found: FoundDisk[] = [];
  for (const [index, source] of request.disks.entries()) {
    found.push(await findDisk(source, `disk${index + 1}`, request, tell));
  }
  const netware = request.allSectors ? null : await netwareOf(found, request, tell);
  const bare = bareVolumes(found, netware, tell);
  const open: { device: BlockDevice; filesystem: FileSystem | null }[] = [];
  const described: Volume[] = [];
  for (const [index, { volume, device, filesystemOf: read }] of bare.entries()) {
    throwIfStopped(request.signal);
    request.reporter.progress({
      phase: 'survey',
      volume: volume.name,
      doneBytes: index,
      totalBytes: bare.length,
    });
    const filesystem = await read();
    open.push({ device, filesystem });
    described.push({ ...volume, filesystem: filesystem?.facts ?? null });
  }
  const named = nameVolumes(described);
  const { groupSize } = recordSizes(await request.medium.recordLimit());
  const volumes: SurveyedVolume[] = [];
  for (const [index, volume] of named.entries()) {
    throwIfStopped(request.signal);
    const { device, filesystem } = open[index]!;
    const mapped = await mapVolume({
      id: volume.id,
      device,
      filesystem,
      allSectors: request.allSectors,
      groupSize,
      tell,
      ...(request.observe === undefined ? {} : { observe: request.observe }),
    });
    if (mapped.wholeBecause !== null && !request.allSectors) {
      tell({
        level: 'warning',
        code: 'map-untrusted',
        message: `${volume.name}: every sector is taken. ${mapped.wholeBecause}`,
        facts: { volume: volume.id },
      });
    }
    volumes.push({ volume, device, ...mapped });
  }
  const record = (await netware?.record()) ?? null;
  return {
    layout: {
      version: 1,
      machine: request.machine,
      disks: found.map(({ layout }) => layout),
      volumes: named,
      ...(record === null ? {} : { netware: record }),
    },
    volumes,
    leftOut: request.allSectors ? [] : [...found.flatMap(unallocated), ...(netware?.leftOut ?? [])],
  };
}
