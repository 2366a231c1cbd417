/**
 * mount/: a volume of a backup set as a block device that can only be read, as a network block device (nbd/), as a
 * mounted folder, and as files taken out of it (extract/). Imports archive, filesystem, disk, system, bytes,
 * progress and errors.
 */
export { withMountedVolume, type MountedVolumeOptions } from './mounted-volume.ts';
export { observeControlSet } from './observe.ts';
export {
  setVolume,
  type InOrderOptions,
  type SetVolume,
  type SetVolumeOptions,
  type SetVolumeStatistics,
} from './set-volume.ts';
export type { VolumeBytes } from './wanted-pieces.ts';
