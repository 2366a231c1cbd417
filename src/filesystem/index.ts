/**
 * filesystem/: what lies on a volume: which bytes are used, which are needed to walk it, whose they
 * are. Sees only a block device; imports bytes, disk, layout and errors.
 */
export { detect, detectKnown, drivers } from './all.ts';
export { needsReplay } from './journal-state.ts';
export { planFat, type FatPlan } from './fat/larger-plan.ts';
export type {
  ExtendedAttribute,
  FileKind,
  FileRun,
  FileTree,
  Moment,
  TreeFile,
  WalkOptions,
} from './file-tree.ts';
export type {
  AffectedFile,
  FileSystem,
  FileSystemDriver,
  Growth,
  LargerLayout,
  LargerWish,
  UsedMap,
} from './filesystem.ts';
