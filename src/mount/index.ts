/**
 * mount/: a volume of a backup set as a block device that can only be read. Imports archive, disk, bytes
 * and errors; knows no file system.
 */
export { setVolume } from './set-volume.ts';
