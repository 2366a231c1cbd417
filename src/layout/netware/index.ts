/**
 * layout/netware/: NetWare 386 disks: data partitions with hotfix area and volume table, volumes made
 * of segments. Pure over block devices and buffers; knows no file system.
 */
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
export { logicalPartition } from './logical-partition.ts';
export type { MirrorGroup, MirrorMember } from './mirror-groups.ts';
export type { NetwareNotice } from './notice.ts';
export { mappingOf, readDataPartition, type DataPartition, type ReadPartition } from './partition.ts';
export { freeSpares, lostSectors, type Redirection, type Redirections } from './redirections.ts';
export { sectorsPerBlock, type VolumeTable, type VolumeTableEntry } from './volume-table.ts';
export type { BrokenVolume, NetwareVolume, Segment } from './volumes.ts';
