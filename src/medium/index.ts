/**
 * medium/: where sets live, behind one contract. Imports tape, progress, system, bytes and errors; knows nothing of
 * archives beyond the size of a record and what closes a set.
 */
export {
  closingRecordSize,
  closingRecordSuffix,
  setNamePattern,
  type Medium,
  type RecordPlace,
  type RecordSink,
  type RecordSource,
  type SetMade,
  type SetOnMedium,
  type Buffering,
  type MediumMovements,
} from './medium.ts';
export { answersTo, setOfName } from './named.ts';
export { openMedium, type MediumOptions, type TapeWishes } from './all.ts';
export { fileMedium, type FileMediumOptions } from './file.ts';
export { memoryMedium, type MemoryMedium } from './memory.ts';
export { faultyMedium, type MediumFaults } from './faulty.ts';
export { tapeMedium, type TapeMediumOptions } from './tape.ts';
