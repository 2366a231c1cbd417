import { RemetalError } from '../errors/index.ts';

/**
 * Fixed-width little-endian fields, range-checked in both directions: a value that does not fit, a
 * field outside its buffer and a 64-bit number beyond 2^53 - 1 throw `field-range` with the field's
 * name, so that nothing is ever silently cut.
 */
export type Width = 1 | 2 | 4 | 8;

function outOfRange(field: string, facts: Record<string, unknown>): RemetalError {
  return new RemetalError('field-range', `Field ${field} is out of range.`, { facts: { field, ...facts } });
}

function inside(buffer: Buffer, offset: number, width: number, field: string): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + width > buffer.length) {
    throw outOfRange(field, { offset, width, available: buffer.length });
  }
}

/** The unsigned number of `width` bytes at `offset`. */
export function readUint(buffer: Buffer, offset: number, width: Width, field: string): number {
  inside(buffer, offset, width, field);
  if (width < 8) return buffer.readUIntLE(offset, width);
  const value = buffer.readBigUInt64LE(offset);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw outOfRange(field, { value: value.toString() });
  return Number(value);
}

/** Writes `value` as an unsigned number of `width` bytes at `offset`. */
export function writeUint(buffer: Buffer, offset: number, width: Width, value: number, field: string): void {
  inside(buffer, offset, width, field);
  if (!Number.isSafeInteger(value) || value < 0 || (width < 8 && value >= 2 ** (8 * width))) {
    throw outOfRange(field, { value, width });
  }
  if (width < 8) buffer.writeUIntLE(value, offset, width);
  else buffer.writeBigUInt64LE(BigInt(value), offset);
}

/** Throws `field-range` unless `value` is a whole number in `[min, max]`. */
export function checkedInteger(value: number, min: number, max: number, field: string): number {
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw outOfRange(field, { value, min, max });
  return value;
}
