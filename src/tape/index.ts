/**
 * tape/: drives, cartridges and changers, up to a drive that can be trusted: what a cartridge holds, whose
 * it is, and where the tape stands. Imports system, bytes and errors; knows nothing of backup sets but how
 * their parts begin and end.
 */
export type { ApplianceFile } from './appliance-file.ts';
export { readContents, type CartridgeContents, type PartOnCartridge } from './contents.ts';
export { isTarEnd } from './part-label.ts';
export type { Cartridges, LoadedCartridge, PartKnown, WantedPart } from './cartridges.ts';
export type { CartridgeLabel } from './label.ts';
export { TapeDrive, type DriveOptions, type TapeMovements } from './drive.ts';
export type { FileTail, ReadResult } from './block-reader.ts';
export type { TapePosition } from './count.ts';
export type { Changer, ChangerSlot, ChangerStatus } from './changer.ts';
export { changerOfDrive, type PlaceInChanger } from './changer-drives.ts';
export { densityOf, type Density } from './densities.ts';
export type { DriveLook } from './drive-look.ts';
export { eraseCartridge, labelCartridge, type EraseRequest, type LabelRequest } from './labelling.ts';
export { mtxChanger, type MtxOptions } from './mtx-changer.ts';
export type { CartridgeMemory } from './scsi.ts';
export type { AlertSeverity, TapeAlert } from './tape-alerts.ts';
export { cartridgeNeeded, describeWanted, type CartridgeRequest, type TapeOperator } from './operator.ts';
export { openCartridges, type CartridgesRequest } from './drive-cartridges.ts';
export { passingInventory, type Inventory, type KnownCartridge } from './inventory.ts';
export { fileInventory, inventoryName } from './inventory-file.ts';
export { openTape, openTapeDrive, type OpenedDrive, type TapeUse } from './open.ts';
export { openChanger, unloadDrive, type OpenedChanger } from './open-changer.ts';
export { drivesAndChangers, reportDrive, type DriveReport } from './report.ts';
export { createLibrary, openLibrary, type CartridgeDescription } from './virtual/index.ts';
