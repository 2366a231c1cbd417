/**
 * appliance/: builds the bootable image from packages, the committed overlay and the agent, and writes
 * it to sticks. Knows no format of sets or disks; may import errors, bytes, progress, system and disk.
 */
export { ANSWERS_PLACE, buildAppliance, type BuildOptions, type BuildResult } from './build.ts';
export { defaultCache, type BuildStep, type OnStep } from './cache.ts';
export { LABEL } from './image.ts';
export type { MenuSettings } from './menu.ts';
export type { DataFileSystem } from './stick.ts';
export {
  DATA_LABEL,
  inspectStick,
  writeUsb,
  type StickTarget,
  type WriteUsbOptions,
  type WriteUsbResult,
} from './usb.ts';
