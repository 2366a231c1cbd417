/**
 * system/: the only door to the machine: programs, /proc, /sys, system calls Node does not have.
 * Imports errors and bytes only.
 */
export { nativeCodec, type NativeCodec, type Packed } from './codec.ts';
export {
  attributeNames,
  makeNode,
  readAttribute,
  renameFile,
  setAttribute,
  setFileTimes,
  type FileMoment,
  type FilePath,
} from './file-attributes.ts';
export { fileRuns, placeHints } from './fiemap.ts';
export type { MappedRun } from './mapped-run.ts';
export { attachLoop, type Loop, type LoopRequest } from './loop.ts';
export { fuseFile, fuseFileEnvironment, type FuseFileRequest } from './fuse-file.ts';
export {
  attachNbd,
  attachWays,
  clearAttached,
  type AttachedNbd,
  type AttachOptions,
  type AttachWay,
} from './nbd-attach.ts';
export {
  ended,
  endProcess,
  isRunning,
  ownCommand,
  processIdentity,
  signalled,
  startBackground,
  type Background,
  type BackgroundRequest,
  type ProcessIdentity,
} from './processes.ts';
export { firmware, machineFacts, secureBoot, type MachineFacts } from './machine.ts';
export { withFileLock } from './file-lock.ts';
export { fillDeviceCache } from './device-cache.ts';
export { availableMemory, peakMemory } from './memory.ts';
export {
  deviceNumber,
  deviceNumberOf,
  holdersOf,
  kernelNameOf,
  mountOf,
  mounts,
  parseMountinfo,
  parseSwaps,
  slavesOf,
  swaps,
  type Mount,
  type Swap,
} from './mounts.ts';
export {
  discardDevice,
  ioctl,
  lockMemory,
  nextData,
  punchHole,
  rereadPartitions,
  setTimes,
  zeroDevice,
} from './native.ts';
export { programEnvironment, programMissing, run, type RunOptions, type RunResult } from './run.ts';
export {
  hostFileSystems,
  isMountable,
  mountFileSystem,
  parseBlkid,
  unmountFileSystem,
  type HostFileSystem,
} from './filesystems.ts';
export { openTerminalInput, openTerminalOutput, shellOn, terminals, type Terminal } from './terminals.ts';
export { sendTo } from './scsi-command.ts';
export { sourceFile, sourceFiles } from './source-file.ts';
export { startProgram, type ProgramEnd, type StartedProgram } from './started-program.ts';
export { runFolder } from './run-folder.ts';
export {
  isMounted,
  isVolumeMountable,
  mountVolume,
  readsThroughDeviceCache,
  unmountVolume,
  type MountFace,
} from './volume-mount.ts';
export { stateFolder } from './state-folder.ts';
export { openSt } from './st-device.ts';
export {
  listChangers,
  listTapeDrives,
  serialOfPage80,
  type FoundChanger,
  type FoundTapeDrive,
} from './tape-drives.ts';
export type {
  OpenTape,
  ScsiAnswer,
  ScsiRequest,
  TapeAccess,
  TapeDevice,
  TapeOperation,
  TapeStatus,
} from './tape-device.ts';
