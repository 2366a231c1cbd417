/**
 * mount/extract/: files taken out of a volume in one pass of its medium and written below a folder. Imports
 * filesystem, disk, system, bytes and errors.
 */
export { extract } from './extract.ts';
export type { Extracted, ExtractRequest, ExtractTotals } from './request.ts';
export { mountedTree, type MountedTreeOptions } from './mounted-tree.ts';
export type { VolumeTree, TreeRun } from './volume-tree.ts';
