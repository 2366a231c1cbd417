import { serialOfPage80, type ScsiAnswer, type ScsiRequest } from '../../system/index.ts';
import { dataOf, textOf } from './answers.ts';

/** What a drive or changer calls itself. */
export interface Inquiry {
  /** Peripheral device type: 1 a tape drive, 8 a changer. */
  readonly type: number;
  readonly vendor: string | null;
  readonly model: string | null;
  /** Of the firmware. */
  readonly revision: string | null;
}

/** INQUIRY (SPC-4). */
export const inquiry: ScsiRequest = { command: Uint8Array.of(0x12, 0, 0, 0, 96, 0), receive: 96 };

/** INQUIRY of the vital product data page 80h, the serial number (SPC-4). */
export const inquireSerial: ScsiRequest = {
  command: Uint8Array.of(0x12, 1, 0x80, 0, 252, 0),
  receive: 252,
};

export function decodeInquiry(answer: ScsiAnswer): Inquiry | null {
  const data = dataOf(answer, 5);
  if (data === null) return null;
  return {
    type: data[0]! & 0x1f,
    vendor: textOf(data.subarray(8, 16)),
    model: textOf(data.subarray(16, 32)),
    revision: textOf(data.subarray(32, 36)),
  };
}

export function decodeSerial(answer: ScsiAnswer): string | null {
  const data = dataOf(answer, 4);
  return data === null ? null : serialOfPage80(data);
}
