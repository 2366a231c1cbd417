import fc from 'fast-check';
import { memoryDisk, slice, type BlockDevice } from '../../../src/disk/index.ts';
import type { MbrTable } from '../../../src/layout/index.ts';
import {
  dataPartitionWrites,
  freeSpares,
  freshIds,
  layStructures,
  logicalPartition,
  mappingOf,
  newDataPartition,
  rearranged,
  volumeTableWrites,
  volumeTables,
  type DataPartition,
  type NetwareDisk,
  type NetwareVolume,
  type PartitionSpec,
  type Redirection,
  type VolumeDefinition,
} from '../../../src/layout/netware/index.ts';

/** Sectors in front of a data partition, as in the images. */
export const partitionStart = 1008;

/** A device that holds a partition as `dataPartitionWrites` lays it. */
export async function laid(
  partition: DataPartition,
  device = memoryDisk(partition.sectors * 512),
): Promise<BlockDevice> {
  await layStructures(device, dataPartitionWrites(partition, null));
  return device;
}

/** A new partition of so many sectors, ids counted from 1. */
export function fresh(sectors: number, options: Partial<PartitionSpec> = {}): DataPartition {
  return newDataPartition({ sectors, ...freshIds(1, new Set(), 1)[0]!, created: 0x20c1_4800, ...options });
}

/** A partition with these units moved to its first free spares. */
export function withMoved(
  partition: DataPartition,
  units: readonly { unit: number; lost?: number }[],
): DataPartition {
  const spares = freeSpares(partition.redirections, partition.hotfix);
  const moved = units
    .map(({ unit, lost = 0 }, index): Redirection => ({ spare: spares[index]!, logical: unit * 8, lost }))
    .toSorted((a, b) => a.logical - b.logical);
  return { ...partition, redirections: { ...partition.redirections, moved } };
}

/** A definition with the pointers a volume of its size could have. */
export function definitionOf(name: string, blockShift: number, blocks: number): VolumeDefinition {
  return {
    name,
    blockShift,
    blocks,
    firstFat: 0,
    mirrorFat: Math.min(1, blocks - 1),
    firstDirectory: Math.min(2, blocks - 1),
    mirrorDirectory: Math.min(3, blocks - 1),
    segments: [{ firstBlock: 0, blocks }],
    flags: 0,
    sync: 0,
  };
}

/** A volume on segments given as [partition, start, blocks]. */
export function volumeOn(
  name: string,
  blockShift: number,
  pieces: readonly (readonly [partition: number, start: number, blocks: number])[],
): NetwareVolume {
  let firstBlock = 0;
  const segments = pieces.map(([partition, start, blocks]) => {
    const segment = { partition, start, sectors: blocks * 2 ** blockShift, firstBlock, blocks };
    firstBlock += blocks;
    return segment;
  });
  return rearranged(definitionOf(name, blockShift, firstBlock), segments);
}

/** Disks with one data partition each, and these volumes on them. */
export async function madeDisks(
  partitions: readonly DataPartition[],
  volumes: readonly NetwareVolume[],
): Promise<NetwareDisk[]> {
  const tables = volumeTables(
    volumes,
    partitions.map(({ hotfix }, index) => ({
      name: `partition ${index}`,
      dataSectors: hotfix.dataSectors,
      kept: [],
    })),
  );
  const disks: NetwareDisk[] = [];
  for (const [index, partition] of partitions.entries()) {
    const size = (partitionStart + partition.sectors) * 512;
    const device = memoryDisk(size, { name: `disk${index + 1}` });
    const own = slice(device, partitionStart * 512, partition.sectors * 512);
    await laid(partition, own);
    await layStructures(logicalPartition(own, mappingOf(partition)), volumeTableWrites(tables[index]!));
    disks.push({ id: `disk${index + 1}`, device, table: tableWith(partition.sectors) });
  }
  return disks;
}

/** An MBR with one NetWare partition of so many sectors. */
export function tableWith(sectors: number): MbrTable {
  const partition = { number: 1, start: partitionStart, length: sectors, type: 0x65, active: false };
  return { kind: 'mbr', diskSignature: 1, partitions: [partition] };
}

/** Partitions of up to 4 MiB and more, any hotfix area that fits, up to 20 units moved. */
export const anyPartition: fc.Arbitrary<DataPartition> = fc
  .record({
    sectors: fc.integer({ min: 1000, max: 30_000 }),
    hotfix: fc.integer({ min: 46, max: 1200 }),
    created: fc.option(fc.integer({ min: 0, max: 0xffff_ffff })),
    seed: fc.integer({ min: 1, max: 0xffff_fffe }),
    units: fc.uniqueArray(
      fc.record({ unit: fc.integer({ min: 1, max: 3700 }), lost: fc.integer({ min: 0, max: 255 }) }),
      { maxLength: 20, selector: ({ unit }) => unit },
    ),
  })
  .map(({ sectors, hotfix, created, seed, units }) => {
    const { id, group } = freshIds(seed, new Set(), 1)[0]!;
    const hotfixSectors = Math.min(hotfix, Math.floor(sectors / 8) - 22) * 8;
    const partition = newDataPartition({ sectors, id, group, created, hotfixSectors });
    const inside = units.filter(({ unit }) => (unit + 1) * 8 <= partition.hotfix.dataSectors);
    const room = freeSpares(partition.redirections, partition.hotfix).length;
    return withMoved(partition, inside.slice(0, room));
  });

/** A whole device as bytes. */
export async function contentOf(
  device: BlockDevice,
  offset = 0,
  length = device.size - offset,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  await device.read(bytes, offset);
  return bytes;
}

/** Bytes that differ from place to place; never zeros. */
export function patterned(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 4)
    bytes.writeUInt32LE((Math.imul(at + seed, 2_654_435_761) | 1) >>> 0, at);
  return bytes;
}
