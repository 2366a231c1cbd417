/**
 * backup/: the way out: disks are surveyed, their volumes cut into groups and handed to the archive
 * writer. Imports archive, filesystem, layout, disk, progress, bytes and errors.
 */
export { backup } from './backup.ts';
export { checkSource } from './check.ts';
export type { BackupRequest, BackupResult, SourceDisk } from './request.ts';
export { survey, type Survey, type SurveyedVolume } from './survey.ts';
export { readBase, type BaseSet } from './base-set.ts';
export { sumSpool } from './sum-spool.ts';
