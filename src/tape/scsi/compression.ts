import type { ScsiAnswer, ScsiRequest } from '../../system/index.ts';
import { dataOf } from './answers.ts';

/* Mode pages (SSC-4). */
const compressionPage = 0x0f;
const configurationPage = 0x10;
const room = 64;

function modeSense(page: number): ScsiRequest {
  // Without block descriptors: they would set the block size again when the page is sent back.
  return { command: Uint8Array.of(0x1a, 0x08, page, 0, room, 0), receive: room };
}

/** MODE SENSE(6) of the data compression page. */
export const readCompression: ScsiRequest = modeSense(compressionPage);

/** MODE SENSE(6) of the device configuration page, where older drives have the switch. */
export const readConfiguration: ScsiRequest = modeSense(configurationPage);

/** The page of a mode sense answer, its two bytes of head included. */
function pageIn(answer: ScsiAnswer): { data: Buffer; at: number; length: number } | null {
  const data = dataOf(answer, 4);
  if (data === null) return null;
  const at = 4 + data[3]!;
  const length = 2 + (data[at + 1] ?? 0);
  return at + length <= data.length && length >= 15 ? { data, at, length } : null;
}

/** Whether the drive compresses, of either page's answer; null where that is not said. */
export function decodeCompression(answer: ScsiAnswer): boolean | null {
  const page = pageIn(answer);
  if (page === null) return null;
  const { data, at } = page;
  const code = data[at]! & 0x3f;
  if (code === compressionPage) return (data[at + 2]! & 0x80) !== 0;
  return code === configurationPage ? data[at + 14] !== 0 : null;
}

/**
 * The MODE SELECT(6) that switches compression, made of either page's answer: everything else stays as it
 * is. Null where the answer has no such page or the drive cannot compress.
 */
export function switchCompression(answer: ScsiAnswer, on: boolean): ScsiRequest | null {
  const page = pageIn(answer);
  if (page === null) return null;
  const { data, at, length } = page;
  const send = Buffer.concat([Buffer.alloc(4), data.subarray(at, at + length)]);
  // Buffered mode and speed stay; the length, the medium type and the write protection are not for sending.
  send[2] = data[2]! & 0x7f;
  const code = data[at]! & 0x3f;
  send[4] = code;
  if (code === compressionPage) {
    const capable = (data[at + 2]! & 0x40) !== 0;
    if (!capable) return null;
    send[4 + 2] = (data[at + 2]! & 0x7f) | (on ? 0x80 : 0);
  } else if (code === configurationPage) {
    send[4 + 14] = on ? 1 : 0;
  } else {
    return null;
  }
  return { command: Uint8Array.of(0x15, 0x10, 0, 0, send.length, 0), send };
}
