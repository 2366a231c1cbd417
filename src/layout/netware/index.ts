/**
 * layout/netware/: NetWare 386 disks: data partitions with hotfix area and volume table, volumes made
 * of segments; read, written, laid out anew. Pure over block devices and buffers; knows no file system
 * but the chain of the FAT, which grows with a volume.
 */
export { rearranged, volumeTables, type TablePartition } from './arrangement.ts';
export {
  dataPartitionWrites,
  defaultHotfixSectors,
  freshIds,
  isHotfixSize,
  newDataPartition,
  volumeTableWrites,
  type NetwareWrite,
  type PartitionSpec,
} from './create.ts';
export type { VolumeDefinition } from './definition.ts';
export {
  logicalOf,
  netwarePartitions,
  readNetware,
  volumeDevice,
  volumeNamed,
  type FoundPartition,
  type Netware,
  type NetwareDisk,
  type RefusedPartition,
} from './disks.ts';
export { formatLinearTable, linearTable, type LinearExtent, type PartitionNode } from './dm.ts';
export { extendFat, planFatExtension, type FatEntry, type FatExtension, type FatGrowth } from './extend.ts';
export { logicalPartition } from './logical-partition.ts';
export type { MirrorGroup, MirrorMember } from './mirror-groups.ts';
export type { NetwareNotice } from './notice.ts';
export { mappingOf, readDataPartition, type DataPartition, type ReadPartition } from './partition.ts';
export { netwareType } from './places.ts';
export {
  netwareSchema,
  type NetwarePartitionRecord,
  type NetwareRecord,
  type NetwareVolumeRecord,
} from './record.ts';
export { netwareRecord, volumesOfRecord } from './recorded.ts';
export { freeSpares, lostSectors, type Redirection, type Redirections } from './redirections.ts';
export { solve } from './solver.ts';
export type { ShapeWishes, SolverTarget, VolumeWish } from './solver-wishes.ts';
export { verifiedPartition, type MovedUnit, type VerifiedPartition } from './verified-partition.ts';
export { sectorsPerBlock, type VolumeTable, type VolumeTableEntry } from './volume-table.ts';
export { assembleVolumes, type BrokenVolume, type NetwareVolume, type Segment } from './volumes.ts';
export { layStructures } from './written.ts';
