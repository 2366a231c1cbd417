/**
 * layout/: partition tables read into the layout record and written back from it. Pure over block
 * devices and buffers. May import disk (the contract), bytes and errors; knows no file system.
 */
export { contradiction, dataPartitions, isExtended, backupSectors, structureClaims } from './check.ts';
export type { Geometry } from './fields.ts';
export { sectorsOf } from './fields.ts';
export * from './layout.ts';
export { isExact, withoutExact } from './exact.ts';
export { exactTable } from './exact-reading.ts';
export { gapsOf, nameVolumes, volumesOf } from './volumes.ts';
export type { LayoutNotice } from './notice.ts';
export { parseLayout } from './record.ts';
export { readTable, type ReadTable } from './table.ts';
export { fitTable, tableWrites, type TableWrite } from './writes.ts';
