/**
 * tape/virtual/: drives and libraries of files, for trying things out, for drills and for tests. They behave
 * as the hardware does behind the system's driver, its faults included.
 */
export type { Cartridge, CartridgeFacts, DriveBay, DriveMemory } from './bay.ts';
export { CartridgeFile, type ChipAttributes } from './cartridge-file.ts';
export { faultsSchema, type FaultEvent, type Faults } from './faults.ts';
export { librarySchema, type CartridgeDescription, type LibraryDescription } from './library-file.ts';
export type { Place } from './library-state.ts';
export { systemClock, type Clock } from './pace.ts';
export { ScsiDrive, type DriveCounters } from './scsi-drive.ts';
export { driveIdentifier, inquiry, modeHeader } from './scsi-pages.ts';
export { check, good, senseCode, senseData, senseKey, type Answer } from './sense.ts';
export {
  createLibrary,
  openLibrary,
  type LibraryRequest,
  type VirtualLibrary,
  type VirtualLibraryDrive,
} from './virtual-library.ts';
