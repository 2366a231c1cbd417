import type { ScsiAnswer, ScsiRequest } from '../../system/index.ts';
import { dataOf } from './answers.ts';

/** Lengths of blocks a drive takes, bytes. */
export interface BlockLimits {
  readonly shortest: number;
  /** Null where the drive states none. */
  readonly longest: number | null;
}

/** READ BLOCK LIMITS (SSC-4). */
export const readBlockLimits: ScsiRequest = { command: Uint8Array.of(0x05, 0, 0, 0, 0, 0), receive: 6 };

export function decodeBlockLimits(answer: ScsiAnswer): BlockLimits | null {
  const data = dataOf(answer, 6);
  if (data === null) return null;
  const longest = data.readUIntBE(1, 3);
  return { shortest: data.readUInt16BE(4), longest: longest === 0 ? null : longest };
}
