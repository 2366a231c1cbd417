import type { ScsiAnswer, ScsiRequest } from '../../system/index.ts';
import { dataOf } from './answers.ts';

/** Where a drive says the tape stands. */
export interface DrivePosition {
  readonly beginning: boolean;
  /** Behind early warning. */
  readonly nearEnd: boolean;
  readonly partition: number;
  /** Number of the block, filemarks counted; null where the drive does not know. */
  readonly block: number | null;
  /** Number of filemarks before; null where the drive does not know or was not asked. */
  readonly file: number | null;
}

/** READ POSITION, short form (SSC-4): 20 bytes, numbers of 32 bits. */
export const readPosition: ScsiRequest = {
  command: Uint8Array.of(0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  receive: 20,
};

/** READ POSITION, long form (SSC-4): 32 bytes, numbers of 64 bits, and the file. */
export const readLongPosition: ScsiRequest = {
  command: Uint8Array.of(0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0),
  receive: 32,
};

const beginningOfPartition = 0x80;
const endOfPartition = 0x40;
const fileUnknown = 0x08;
const blockUnknown = 0x04;
/** In the short form: the number does not fit. */
const blockOverflow = 0x02;

export function decodePosition(answer: ScsiAnswer): DrivePosition | null {
  const data = dataOf(answer, 8);
  if (data === null) return null;
  const flags = data[0]!;
  return {
    beginning: (flags & beginningOfPartition) !== 0,
    nearEnd: (flags & endOfPartition) !== 0,
    partition: data[1]!,
    block: (flags & (blockUnknown | blockOverflow)) === 0 ? data.readUInt32BE(4) : null,
    file: null,
  };
}

export function decodeLongPosition(answer: ScsiAnswer): DrivePosition | null {
  const data = dataOf(answer, 24);
  if (data === null) return null;
  const flags = data[0]!;
  const number = (at: number, unknown: number): number | null => {
    const value = Number(data.readBigUInt64BE(at));
    return (flags & unknown) === 0 && Number.isSafeInteger(value) ? value : null;
  };
  return {
    beginning: (flags & beginningOfPartition) !== 0,
    nearEnd: (flags & endOfPartition) !== 0,
    partition: data.readUInt32BE(4),
    block: number(8, blockUnknown),
    file: number(16, fileUnknown),
  };
}
