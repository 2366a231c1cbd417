import type { ScsiAnswer, ScsiRequest } from '../../system/index.ts';
import { dataOf, textOf } from './answers.ts';

/** What the memory chip of a cartridge says of it; null where it does not. Sizes in bytes. */
export interface CartridgeMemory {
  /** Room that is left in the partition, without compression. */
  readonly remaining: number | null;
  readonly capacity: number | null;
  /** How often it was loaded. */
  readonly loads: number | null;
  /** In all its life. */
  readonly written: number | null;
  readonly read: number | null;
  readonly manufacturer: string | null;
  readonly serial: string | null;
  readonly density: number | null;
  readonly kind: 'data' | 'cleaning' | 'write-once' | null;
  /** What a program wrote there that read it off the label. */
  readonly barcode: string | null;
}

const room = 8192;

/** READ ATTRIBUTE, values of the first partition from the first attribute on (SPC-4). */
export const readAttributes: ScsiRequest = {
  command: Uint8Array.of(0x8c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, room >> 8, room & 0xff, 0, 0),
  receive: room,
};

/* Attribute identifiers (SPC-4). */
const remainingMiB = 0x0000;
const capacityMiB = 0x0001;
const loadCount = 0x0003;
const writtenMiB = 0x0220;
const readMiB = 0x0221;
const mediumManufacturer = 0x0400;
const mediumSerial = 0x0401;
const mediumDensity = 0x0405;
const mediumType = 0x0408;
const barcode = 0x0806;

const kinds: Readonly<Record<number, CartridgeMemory['kind']>> = {
  0x00: 'data',
  0x01: 'cleaning',
  0x80: 'write-once',
};

/** The attributes of an answer by their identifiers; those that are cut off are left out. */
function attributesOf(data: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  const end = Math.min(data.length, 4 + data.readUInt32BE(0));
  for (let at = 4; at + 5 <= end;) {
    const next = at + 5 + data.readUInt16BE(at + 3);
    if (next > end) break;
    found.set(data.readUInt16BE(at), data.subarray(at + 5, next));
    at = next;
  }
  return found;
}

/** Null where the drive has no such command or no such chip. */
export function decodeCartridgeMemory(answer: ScsiAnswer): CartridgeMemory | null {
  const data = dataOf(answer, 4);
  if (data === null) return null;
  const attributes = attributesOf(data);
  const number = (id: number, unit = 1): number | null => {
    const value = attributes.get(id);
    if (value === undefined || value.length === 0 || value.length > 8) return null;
    const total = BigInt(`0x${value.toString('hex')}`) * BigInt(unit);
    return total <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(total) : null;
  };
  const text = (id: number): string | null => {
    const value = attributes.get(id);
    return value === undefined ? null : textOf(value);
  };
  const type = number(mediumType);
  const mebibyte = 2 ** 20;
  return {
    remaining: number(remainingMiB, mebibyte),
    capacity: number(capacityMiB, mebibyte),
    loads: number(loadCount),
    written: number(writtenMiB, mebibyte),
    read: number(readMiB, mebibyte),
    manufacturer: text(mediumManufacturer),
    serial: text(mediumSerial),
    density: number(mediumDensity),
    kind: type === null ? null : (kinds[type] ?? null),
    barcode: text(barcode),
  };
}
