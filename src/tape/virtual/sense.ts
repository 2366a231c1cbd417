/** What a drive answers to a command. */
export interface Answer {
  /** SCSI status byte (SAM-5): 0 good, 2 check condition. */
  readonly status: number;
  readonly sense: Buffer;
  readonly data: Buffer;
}

const nothing = Buffer.alloc(0);

/** Sense keys (SPC-4). */
export const senseKey = {
  none: 0x0,
  notReady: 0x2,
  mediumError: 0x3,
  hardwareError: 0x4,
  illegalRequest: 0x5,
  unitAttention: 0x6,
  dataProtect: 0x7,
  blankCheck: 0x8,
  volumeOverflow: 0xd,
} as const;

/** Additional sense codes with their qualifiers (SPC-4, annex D), as ASC * 256 + ASCQ. */
export const senseCode = {
  none: 0x0000,
  filemark: 0x0001,
  endOfMedium: 0x0002,
  beginningOfMedium: 0x0004,
  endOfData: 0x0005,
  becomingReady: 0x0401,
  writeError: 0x0c00,
  unrecoveredRead: 0x1100,
  invalidCommand: 0x2000,
  invalidField: 0x2400,
  invalidElement: 0x2101,
  logicalUnitNotSupported: 0x2500,
  writeProtected: 0x2700,
  mediumChanged: 0x2800,
  reset: 0x2900,
  cleaningInstalled: 0x3003,
  overwriteRefused: 0x300c,
  noMedium: 0x3a00,
  sourceEmpty: 0x3b0e,
  destinationFull: 0x3b0d,
  internalFailure: 0x4400,
  removalPrevented: 0x5302,
} as const;

/** Flags of byte 2 of fixed sense data (SSC-4). */
export const senseFlag = { filemark: 0x80, endOfMedium: 0x40, incorrectLength: 0x20 } as const;

export interface SenseDetails {
  readonly flags?: number;
  /** What was asked for and not done, in the command's own unit. */
  readonly information?: number;
  readonly data?: Buffer;
}

export function good(data: Buffer = nothing): Answer {
  return { status: 0, sense: nothing, data };
}

export function check(key: number, code: number, details: SenseDetails = {}): Answer {
  return { status: 2, sense: senseData(key, code, details), data: details.data ?? nothing };
}

/** Fixed-format sense data (SPC-4, 4.5.3), 18 bytes. */
export function senseData(key: number, code: number, details: SenseDetails = {}): Buffer {
  const sense = Buffer.alloc(18);
  sense[0] = details.information === undefined ? 0x70 : 0xf0;
  sense[2] = (details.flags ?? 0) | key;
  sense.writeInt32BE(details.information ?? 0, 3);
  sense[7] = 10;
  sense.writeUInt16BE(code, 12);
  return sense;
}
