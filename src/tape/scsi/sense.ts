import type { ScsiRequest } from '../../system/index.ts';

/** What a drive says about a command that did not go well, or about itself (SPC-4). */
export interface Sense {
  /** Sense key, 0 to 15. */
  readonly key: number;
  /** Additional sense code and its qualifier. */
  readonly asc: number;
  readonly ascq: number;
  /** It is about an earlier command, which was answered with success. */
  readonly deferred: boolean;
  readonly filemark: boolean;
  /** Early warning or the end of the tape was met. */
  readonly endOfMedium: boolean;
  /** The block has another length than was asked for. */
  readonly wrongLength: boolean;
  /** For a read or a motion: what is left of the count that was asked for; negative where the block was longer. */
  readonly residue: number | null;
  readonly words: string;
}

/** Sense keys (SPC-4). */
const keys: readonly string[] = [
  'nothing to report',
  'the drive recovered from an error by itself',
  'the drive is not ready',
  'the tape cannot be read or written there',
  'the drive is faulty',
  'the drive does not know the command',
  'something happened to the drive since the last command',
  'the cartridge is write-protected',
  'there is no data on the tape there',
  'an error of the manufacturer’s own kind',
  'a copy was stopped',
  'the command was broken off',
  'sense key 12',
  'the tape is full',
  'what was compared differs',
  'the command is done',
];

/** Additional sense code of a unit that is not ready, for reasons the qualifier gives. */
const notReadyCode = 0x04;

/** Additional sense codes that tape drives give (SPC-4, annex F): code and qualifier as one number. */
const codes: Readonly<Record<number, string>> = {
  0x0001: 'a filemark was met',
  0x0002: 'the end of the tape was met',
  0x0004: 'the beginning of the tape was met',
  0x0005: 'the end of the data was met',
  0x0017: 'the drive asks to be cleaned',
  0x0018: 'the drive is erasing',
  0x0019: 'the drive is locating',
  0x001a: 'the drive is rewinding',
  0x0302: 'too strong a write current',
  0x0400: 'no reason is given',
  0x0401: 'it is becoming ready',
  0x0402: 'it has to be told to load the cartridge',
  0x0403: 'a person has to see to it',
  0x0404: 'it is being formatted',
  0x0407: 'an operation is in progress',
  0x0409: 'it is testing itself',
  0x0412: 'it is offline',
  0x0900: 'the head cannot follow the track',
  0x0c00: 'writing failed',
  0x1100: 'reading failed',
  0x1101: 'reading failed and trying again did not help',
  0x1108: 'the block is incomplete',
  0x1112: 'the memory chip of the cartridge cannot be read',
  0x1400: 'what was looked for is not on the tape',
  0x1401: 'the block was not found',
  0x1403: 'the end of the data was not found',
  0x1501: 'positioning failed',
  0x1502: 'positioning failed',
  0x1a00: 'a parameter list of the wrong length',
  0x2000: 'an unknown command',
  0x2400: 'an unknown field in the command',
  0x2500: 'no such unit',
  0x2600: 'an unknown field in the parameters',
  0x2602: 'a parameter with an unknown value',
  0x2700: 'it is write-protected',
  0x2701: 'the drive is write-protected',
  0x2702: 'the unit is write-protected',
  0x2703: 'the cartridge is write-protected for now',
  0x2704: 'the cartridge is write-protected for good',
  0x2705: 'the cartridge is write-protected for good',
  0x2800: 'the cartridge may have been changed',
  0x2801: 'a slot for import or export was opened',
  0x2900: 'it was switched on or reset',
  0x2901: 'it was switched on',
  0x2902: 'the bus was reset',
  0x2903: 'it was reset',
  0x2904: 'it reset itself',
  0x2a01: 'its settings were changed by another program',
  0x2a03: 'another machine reserved it',
  0x3000: 'the cartridge is of a kind it does not take',
  0x3001: 'the cartridge is of an unknown format',
  0x3002: 'the cartridge is of a format it does not take',
  0x3003: 'a cleaning cartridge is in the drive',
  0x3005: 'the cartridge cannot be written by this drive',
  0x3007: 'cleaning failed',
  0x300c: 'a cartridge that can be written only once cannot be overwritten',
  0x300d: 'a cartridge that can be written only once is damaged',
  0x3100: 'the format of the cartridge is damaged',
  0x3700: 'a value was rounded',
  0x3a00: 'no cartridge is in it',
  0x3a01: 'no cartridge is in it and the door is closed',
  0x3a02: 'no cartridge is in it and the door is open',
  0x3a03: 'a cartridge is in it that is not loaded',
  0x3a04: 'a cartridge is in it that is not loaded',
  0x3b00: 'positioning failed',
  0x3b01: 'positioning at the beginning of the tape failed',
  0x3b02: 'positioning at the end of the tape failed',
  0x3b08: 'the position was lost',
  0x3b0d: 'the place the cartridge was to go to is full',
  0x3b0e: 'there is no cartridge in the place it was to come from',
  0x3b12: 'the magazine was taken out',
  0x3d00: 'unknown bits in the identify message',
  0x3e00: 'it has not configured itself yet',
  0x3f01: 'its firmware was changed',
  0x3f0e: 'the units it shows were changed',
  0x4400: 'an internal failure',
  0x4500: 'a connection could not be made again',
  0x4700: 'a parity error on the bus',
  0x4b00: 'a transfer failed',
  0x4e00: 'commands overlapped',
  0x5000: 'appending failed',
  0x5001: 'appending failed because of where the tape stands',
  0x5100: 'erasing failed',
  0x5200: 'the cartridge failed',
  0x5300: 'loading or ejecting failed',
  0x5301: 'ejecting failed',
  0x5302: 'the cartridge is locked in',
  0x5304: 'loading the tape failed',
  0x5a01: 'a person asked for the cartridge',
  0x5a02: 'a person set the write protection',
  0x5d00: 'it expects to fail soon',
  0x7400: 'a security error',
  0x7401: 'the data is encrypted and the drive has no key',
  0x7402: 'the data is encrypted with another key',
  0x8282: 'it asks to be cleaned',
};

/** An additional sense code in words; null where there are none. */
export function senseCodeWords(asc: number, ascq: number): string | null {
  // An unknown qualifier only narrows down what the code says; not-ready has no general meaning.
  return codes[asc * 256 + ascq] ?? (asc === notReadyCode ? null : (codes[asc * 256] ?? null));
}

function wordsOf(key: number, asc: number, ascq: number): string {
  const name = keys[key] ?? `sense key ${key}`;
  if (asc === 0 && ascq === 0) return name;
  const code = senseCodeWords(asc, ascq);
  const hex = [asc, ascq].map((byte) => byte.toString(16).padStart(2, '0')).join('/');
  return code === null ? `${name} (${hex})` : `${name}: ${code} (${hex})`;
}

interface SenseFlags {
  readonly filemark: boolean;
  readonly endOfMedium: boolean;
  readonly wrongLength: boolean;
  readonly residue: number | null;
}

const noFlags: SenseFlags = { filemark: false, endOfMedium: false, wrongLength: false, residue: null };

/** The three flags have the same bits in either format. */
function flagsIn(byte: number, residue: number | null): SenseFlags {
  return {
    filemark: (byte & 0x80) !== 0,
    endOfMedium: (byte & 0x40) !== 0,
    wrongLength: (byte & 0x20) !== 0,
    residue,
  };
}

/** Information and stream command descriptors (SPC-4, SSC-4). */
function flagsOfDescriptors(sense: Buffer): SenseFlags {
  let byte = 0;
  let residue: number | null = null;
  const end = Math.min(sense.length, 8 + (sense[7] ?? 0));
  for (let at = 8; at + 2 <= end; at += 2 + sense[at + 1]!) {
    const type = sense[at]!;
    const next = at + 2 + sense[at + 1]!;
    if (next > end) break;
    if (type === 0 && next - at >= 12 && (sense[at + 2]! & 0x80) !== 0) {
      const value = Number(sense.readBigInt64BE(at + 4));
      residue = Number.isSafeInteger(value) ? value : null;
    }
    if (type === 4 && next - at >= 4) byte = sense[at + 3]!;
  }
  return flagsIn(byte, residue);
}

/** Reads sense data of the fixed or the descriptor format; null where it is neither or too short. */
export function decodeSense(sense: Buffer): Sense | null {
  const format = (sense[0] ?? 0) & 0x7f;
  const deferred = format === 0x71 || format === 0x73;
  if ((format === 0x70 || format === 0x71) && sense.length >= 3) {
    const key = sense[2]! & 0x0f;
    const asc = sense[12] ?? 0;
    const ascq = sense[13] ?? 0;
    const valid = (sense[0]! & 0x80) !== 0 && sense.length >= 7;
    const flags = flagsIn(sense[2]!, valid ? sense.readInt32BE(3) : null);
    return { key, asc, ascq, deferred, ...flags, words: wordsOf(key, asc, ascq) };
  }
  if ((format === 0x72 || format === 0x73) && sense.length >= 4) {
    const key = sense[1]! & 0x0f;
    const asc = sense[2]!;
    const ascq = sense[3]!;
    const flags = sense.length > 8 ? flagsOfDescriptors(sense) : noFlags;
    return { key, asc, ascq, deferred, ...flags, words: wordsOf(key, asc, ascq) };
  }
  return null;
}

/** Why a drive is not ready: `other` is for a person to find out. */
export type Unready =
  /** It takes the cartridge in, rewinds or calibrates it, and will be ready without help. */
  | 'loading'
  /** It has a cartridge and waits to be told to load it. */
  | 'unloaded'
  | 'empty'
  | 'cleaning'
  /** A cartridge this drive can make nothing of. */
  | 'foreign'
  /** Only news of a load or a reset; the next command tells more. */
  | 'news'
  | 'other';

/** What the sense data of TEST UNIT READY means for whoever waits for the drive. */
export function whyUnready({ key, asc, ascq }: Sense): Unready {
  if (key === 0x06) return 'news';
  if (asc === 0x30) return ascq === 0x03 || ascq === 0x07 ? 'cleaning' : 'foreign';
  if (asc === 0x3a) return ascq === 0x03 || ascq === 0x04 ? 'unloaded' : 'empty';
  if (asc === notReadyCode) {
    if (ascq === 0x02) return 'unloaded';
    return ascq === 0x03 || ascq === 0x12 ? 'other' : 'loading';
  }
  if (asc === 0x00 && ascq >= 0x16 && ascq <= 0x1a) return 'loading';
  return 'other';
}

/** TEST UNIT READY (SPC-4). */
export const testUnitReady: ScsiRequest = { command: new Uint8Array(6), milliseconds: 30_000 };

/** REQUEST SENSE (SPC-4); what comes back is for `decodeSense`. */
export const requestSense: ScsiRequest = {
  command: Uint8Array.of(0x03, 0, 0, 0, 252, 0),
  receive: 252,
  milliseconds: 30_000,
};
