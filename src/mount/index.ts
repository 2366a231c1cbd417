/**
 * mount/: a volume of a backup set as a block device that can only be read. Imports archive, disk, bytes
 * and errors; knows no file system.
 */
export {
  setVolume,
  type InOrderOptions,
  type SetVolume,
  type SetVolumeOptions,
  type SetVolumeStatistics,
} from './set-volume.ts';
export type { VolumeBytes } from './wanted-pieces.ts';
