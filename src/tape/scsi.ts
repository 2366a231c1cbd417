/**
 * The SCSI commands that tape drives are asked with past the driver. Pure: each command is a value, and
 * each answer has a decoder that takes answers of any length and content.
 */
export { decodeBlockLimits, readBlockLimits, type BlockLimits } from './scsi/block-limits.ts';
export { decodeCartridgeMemory, readAttributes, type CartridgeMemory } from './scsi/cartridge-memory.ts';
export {
  decodeCompression,
  readCompression,
  readConfiguration,
  switchCompression,
} from './scsi/compression.ts';
export { decodeDriveElements, readDriveElements, type DriveElement } from './scsi/drive-elements.ts';
export { decodeInquiry, decodeSerial, inquireSerial, inquiry, type Inquiry } from './scsi/inquiry.ts';
export {
  decodeLongPosition,
  decodePosition,
  readLongPosition,
  readPosition,
  type DrivePosition,
} from './scsi/position.ts';
export {
  decodeSense,
  requestSense,
  senseCodeWords,
  testUnitReady,
  whyUnready,
  type Sense,
  type Unready,
} from './scsi/sense.ts';
export {
  decodeTapeAlerts,
  readTapeAlerts,
  tapeAlert,
  type AlertSeverity,
  type TapeAlert,
} from './tape-alerts.ts';
