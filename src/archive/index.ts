/**
 * archive/: the format on the medium: records, block maps, checksums, the way into a set from either
 * end. Imports medium (its contract only), layout (the schema of the layout record), progress, bytes
 * and errors; knows no disk. The byte tables are in docs/format.md.
 */
export {
  leftOutSchema,
  setHeadSchema,
  setTotalsSchema,
  type ChainLink,
  type LeftOut,
  type SetHead,
  type SetTotals,
  type VolumeMap,
} from './set.ts';
export type { GroupChecksum } from './checksums.ts';
export { restOf } from './cells.ts';
export { EarlierRuns } from './earlier-runs.ts';
export { checkMap, GroupIndex, maxGroupSize } from './map.ts';
export { loadSince, type Since } from './since.ts';
export { memorySpool, type Spool, type SpoolMaker } from './spool.ts';
export type { ClosingFacts } from './tail.ts';
export { createSet, type GroupOptions, type SetRequest, type SetWriter } from './writer.ts';
export type { Group, GroupsOptions } from './group.ts';
export { openSet, type OpenOptions, type SetReader } from './reader.ts';
export { indexOfMap, type GroupPlace, type VolumeIndex } from './volume-index.ts';
export { verifySet, type VerifyOptions, type VerifyReport } from './verify.ts';
export type { Codec, Packed } from './codec.ts';
export { recordSizes, type RecordSizes } from './sizes.ts';
