/**
 * filesystem/netware/: the NetWare 386 file system over the blocks of a volume. It is opened with the volume's
 * definition, which only the volume table has, so it is not among the drivers that probe.
 */
export type { FileExtent, FileRange, Fork, OnLost } from './content.ts';
export { findingKinds, type Finding, type FindingCode, type Severity } from './findings.ts';
export { fatGrowthOf } from './growth.ts';
export type { Deletion, NetwareFile, ResourceFork } from './objects.ts';
export { carryOutPurge, type PurgeWrite } from './purge.ts';
export { attributeBits, nameSpaces, type NameSpace, type Trustee } from './records.ts';
export {
  openNetwareVolume,
  type NetwareFileSystem,
  type NetwareOptions,
  type NetwareRoot,
  type SpaceLimit,
  type WalkOptions,
} from './volume.ts';
