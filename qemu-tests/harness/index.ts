/**
 * Runs machines for the end-to-end scenarios: QEMU with a firmware, disks on chosen controllers, a
 * serial console that can be waited on and typed into, screenshots, power cuts. Imports nothing of
 * src/: a scenario sees the product only as a user does.
 */
export { cached, cacheFolder, keyOf } from './cache.ts';
export { SerialConsole, type ConsoleLine } from './console.ts';
export { type DirectBoot } from './direct-boot.ts';
export { type Controller, type Drive } from './drives.ts';
export { type Firmware } from './firmware.ts';
export { blankDisk, hashOf, holdsText, makeMedium, overlay, type MediumImage } from './images.ts';
export { cutAllPower, Machine, withMachine, type MachineOptions } from './machine.ts';
export { madeOnce } from './once.ts';
export { patient } from './patience.ts';
export { run } from './run.ts';
export { TapeLibrary, withTapeLibrary, type Cartridge, type TapeLibraryOptions } from './tape-library.ts';
export { type TapeController, type TapeUnit } from './tape-units.ts';
export { missingTools } from './tools.ts';
