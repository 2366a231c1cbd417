import type { ScsiAnswer, ScsiRequest } from '../../system/index.ts';
import { dataOf, textOf } from './answers.ts';

/** A drive as its changer sees it. */
export interface DriveElement {
  /** As mtx(1) counts, from 0, in the order the changer lists them. */
  readonly number: number;
  /** What the changer knows the drive by, mostly vendor, model and serial number, or the serial alone. */
  readonly identifier: string | null;
}

const room = 16 * 1024;
const dataTransfer = 4;

/** READ ELEMENT STATUS of the drives with their device identifiers (SMC-3). */
export const readDriveElements: ScsiRequest = {
  command: Uint8Array.of(0xb8, dataTransfer, 0, 0, 0xff, 0xff, 1, 0, room >> 8, room & 0xff, 0, 0),
  receive: room,
  milliseconds: 300_000,
};

const volumeTagLength = 36;

/** The identifier behind the fixed part and the volume tags of an element descriptor. */
function identifierIn(descriptor: Buffer, at: number): string | null {
  const length = descriptor[at + 3] ?? 0;
  // Binary identifiers are no serial numbers.
  if (length === 0 || (descriptor[at]! & 0x0f) === 1) return null;
  return textOf(descriptor.subarray(at + 4, at + 4 + length));
}

/** The drives of a changer; null where it cannot tell them apart. */
export function decodeDriveElements(answer: ScsiAnswer): DriveElement[] | null {
  const data = dataOf(answer, 8);
  if (data === null) return null;
  const found: DriveElement[] = [];
  const end = Math.min(data.length, 8 + data.readUIntBE(5, 3));
  for (let page = 8; page + 8 <= end;) {
    const flags = data[page + 1]!;
    const tags = ((flags & 0x80) === 0 ? 0 : volumeTagLength) + ((flags & 0x40) === 0 ? 0 : volumeTagLength);
    const step = data.readUInt16BE(page + 2);
    const next = Math.min(end, page + 8 + data.readUIntBE(page + 5, 3));
    if (data[page] === dataTransfer && step >= 12) {
      for (let at = page + 8; at + step <= next; at += step) {
        found.push({
          number: found.length,
          identifier: identifierIn(data.subarray(at, at + step), 12 + tags),
        });
      }
    }
    page = Math.max(next, page + 8);
  }
  return found;
}
