import { RemetalError } from '../errors/index.ts';

/** A tar block: headers take one, contents are padded to whole ones (POSIX.1-2001 pax, "ustar Interchange Format"). */
export const tarBlock = 512;

/** The two zero blocks that end every tar. */
export const tarEndLength = 2 * tarBlock;

export interface UstarHeader {
  /** Whole path, at most 100 bytes of ASCII. */
  readonly name: string;
  /** Bytes of content, below 8 GiB (eleven octal digits). */
  readonly size: number;
  /** Seconds since 1970, below 2^33 (eleven octal digits; the year 2242). */
  readonly mtime: number;
  /** `0` a regular file, `x` a pax extended header for the next member. */
  readonly type: '0' | 'x';
}

/** `length` rounded up to whole tar blocks. */
export function padded(length: number): number {
  return Math.ceil(length / tarBlock) * tarBlock;
}

function octal(value: number, digits: number, field: string): string {
  const text = value.toString(8);
  if (!Number.isSafeInteger(value) || value < 0 || text.length > digits) {
    throw new RemetalError('field-range', `Tar field ${field} is out of range.`, { facts: { field, value } });
  }
  return text.padStart(digits, '0');
}

function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < 148; i++) sum += block[i]!;
  for (let i = 156; i < tarBlock; i++) sum += block[i]!;
  return sum;
}

/** Writes a ustar header (mode 0644, owner 0:0) into `target`, 512 bytes at `offset`. */
export function encodeUstar(header: UstarHeader, target: Buffer, offset: number): void {
  const block = target.subarray(offset, offset + tarBlock);
  if (block.length < tarBlock || header.name.length > 100 || !/^[\x21-\x7e]+$/.test(header.name)) {
    throw new RemetalError('field-range', 'Tar field name is out of range.', {
      facts: { name: header.name },
    });
  }
  block.fill(0);
  block.write(header.name, 0, 'latin1');
  block.write('0000644\x000000000\x000000000\0', 100, 'latin1');
  block.write(`${octal(header.size, 11, 'size')}\0${octal(header.mtime, 11, 'mtime')}\0`, 124, 'latin1');
  block.write(header.type, 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write('0000000\x000000000\0', 329, 'latin1');
  block.write(`${octal(checksum(block), 6, 'checksum')}\0 `, 148, 'latin1');
}

function octalAt(block: Buffer, offset: number, length: number): number | null {
  const text = block.toString('latin1', offset, offset + length);
  const found = /^ *([0-7]+)[ \0]*$/.exec(text);
  return found === null ? null : Number.parseInt(found[1]!, 8);
}

/** The header in the 512 bytes at `offset`, or null when they are no ustar header of these two types or its checksum is wrong. */
export function decodeUstar(buffer: Buffer, offset: number): UstarHeader | null {
  const block = buffer.subarray(offset, offset + tarBlock);
  if (block.length < tarBlock || block.toString('latin1', 257, 265) !== 'ustar\x0000') return null;
  if (octalAt(block, 148, 8) !== checksum(block)) return null;
  const size = octalAt(block, 124, 12);
  const mtime = octalAt(block, 136, 12);
  const type = String.fromCharCode(block[156]!);
  if (size === null || mtime === null || (type !== '0' && type !== 'x')) return null;
  const end = block.indexOf(0);
  return { name: block.toString('latin1', 0, end === -1 || end > 100 ? 100 : end), size, mtime, type };
}
