/**
 * archive/: the format on the medium: records, block maps, checksums, the way into a set from either
 * end. Imports medium (its contract only), layout (the schema of the layout record), progress, bytes
 * and errors; knows no disk. The byte tables are in docs/format.md.
 */
export {
  leftOutSchema,
  setHeadSchema,
  setTotalsSchema,
  type LeftOut,
  type SetHead,
  type SetTotals,
  type VolumeMap,
} from './set.ts';
export type { GroupChecksum } from './checksums.ts';
export { checkMap, GroupIndex, maxGroupSize } from './map.ts';
export {
  createSet,
  type ClosingFacts,
  type GroupOptions,
  type SetRequest,
  type SetWriter,
} from './writer.ts';
export { openSet, type Group, type GroupsOptions, type OpenOptions, type SetReader } from './reader.ts';
export { indexOfMap, type GroupPlace, type VolumeIndex } from './volume-index.ts';
export { verifySet, type VerifyOptions, type VerifyReport } from './verify.ts';
export type { Codec, Packed } from './codec.ts';
export { recordSizes, type RecordSizes } from './sizes.ts';
