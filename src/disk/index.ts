/**
 * disk/: block devices and image files, and wrappers of the same interface: slices, memory,
 * recordings, faults. Imports errors, bytes and system; knows nothing of partition tables.
 */
export type { BlockDevice } from './block-device.ts';
export { alignedBuffer, bufferPool, isAligned, type BufferPool, type Slab } from './buffers.ts';
export { faulty, type Faults } from './faulty.ts';
export { openDisk, type HostDisk, type OpenOptions } from './host-disk.ts';
export { diskIdentitySchema, type DiskIdentity } from './identity.ts';
export { identityOf, listDisks, type Disk, type DiskPartition, type InventoryRoots } from './inventory.ts';
export { KeptFile, type KeptOwner } from './kept-file.ts';
export { joined } from './joined.ts';
export { memoryDisk, type MemoryDiskOptions } from './memory.ts';
export { overlay, type Overlay, type OverlayOptions } from './overlay.ts';
export { checkRange } from './range.ts';
export { recording, type Access, type Recording } from './recording.ts';
export { slice } from './slice.ts';
export { openSpill, type Spill, type SpillOptions } from './spill.ts';
export { describeUse, liesOn, usesOf, type Use } from './use.ts';
