import { constants, fstatSync, readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { RemetalError } from '../../errors/index.ts';

/*
 * A file begins with a sector that names the format, and two places for the memory chip of the cartridge, of
 * which the valid one with the higher number counts. Then the tape: each block behind a head of 16 bytes,
 * numbers little-endian:
 *
 *   0  u32  'RMTB'
 *   4  u32  length of the block in bytes; 0 is a filemark
 *   8  u32  CRC-32 of the block
 *  12  u32  CRC-32 of the 12 bytes before and of the number of the block (u32)
 *
 * The file ends where the tape was written last: writing in the middle cuts it. A filemark reaches the disk
 * after all that is before it, so behind the last filemark only can a power cut have torn anything.
 */
const formatName = 'remetal cartridge 1\n';
const headMagic = 0x42544d52;
const headLength = 16;
const sector = 4096;
const chipLength = 16 * 1024;
const tapeStart = sector + 2 * chipLength;

/** What a place of the chip holds, as JSON: numbers of attributes and their values in base64. */
const chipSchema = z.array(z.tuple([z.int(), z.string()]));

/** Attributes of the memory chip by their number (SPC-4, medium auxiliary memory). */
export type ChipAttributes = ReadonlyMap<number, Buffer>;

/**
 * The tape of a cartridge, kept in a file: blocks and filemarks, numbered together from 0. Memory is eight
 * bytes a block. One call at a time. Errors of the file are system errors, and `library-invalid` for what is
 * no cartridge.
 */
export class CartridgeFile {
  readonly path: string;
  readonly #file: FileHandle;
  /** Where each record begins in the file, and where the last ends. */
  #starts = new Float64Array(1024);
  #count = 0;
  /** Numbers of the filemarks, ascending. */
  #filemarks: number[] = [];
  #attributes = new Map<number, Buffer>();
  #chipNumber = 0;
  #torn = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
    this.#starts[0] = tapeStart;
  }

  /** Opens a cartridge, and makes an empty one where there is no file. `readOnly` changes nothing in it. */
  static async open(path: string, readOnly = false): Promise<CartridgeFile> {
    const file = await open(
      path,
      readOnly ? constants.O_RDONLY : constants.O_RDWR | constants.O_CREAT,
      0o666,
    );
    try {
      const cartridge = new CartridgeFile(path, file);
      if (fstatSync(file.fd).size === 0 && !readOnly) await cartridge.#format();
      cartridge.#checkName();
      cartridge.#readChip();
      const end = cartridge.#scan();
      cartridge.#torn = fstatSync(file.fd).size - end;
      if (cartridge.#torn > 0 && !readOnly) await file.truncate(end);
      return cartridge;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #format(): Promise<void> {
    const head = Buffer.alloc(tapeStart);
    head.write(formatName);
    await this.#file.write(head, 0, head.length, 0);
    await this.#file.datasync();
  }

  #checkName(): void {
    const name = Buffer.alloc(formatName.length);
    readSync(this.#file.fd, name, 0, name.length, 0);
    if (name.toString('latin1') === formatName) return;
    throw new RemetalError('library-invalid', `${this.path} is not a cartridge of the virtual tape drive.`, {
      facts: { path: this.path },
    });
  }

  /** Reads the heads, and behind the last filemark the blocks too, up to the first that is not whole. */
  #scan(): number {
    const { size } = fstatSync(this.#file.fd);
    const head = Buffer.alloc(headLength);
    let at = tapeStart;
    for (;;) {
      if (readSync(this.#file.fd, head, 0, headLength, at) < headLength) break;
      const length = head.readUInt32LE(4);
      const sound =
        head.readUInt32LE(0) === headMagic && head.readUInt32LE(12) === headCheck(head, this.#count);
      if (!sound || at + headLength + length > size) break;
      at += headLength + length;
      this.#append(at, length === 0);
    }
    const settled = (this.#filemarks.at(-1) ?? -1) + 1;
    for (let number = settled; number < this.#count; number++) {
      if (this.#isWhole(number)) continue;
      this.#cutIndex(number);
      break;
    }
    return this.#starts[this.#count]!;
  }

  #isWhole(number: number): boolean {
    const bytes = Buffer.alloc(headLength + this.lengthOf(number));
    if (readSync(this.#file.fd, bytes, 0, bytes.length, this.#starts[number]!) < bytes.length) return false;
    return crc32(bytes.subarray(headLength)) === bytes.readUInt32LE(8);
  }

  #append(end: number, filemark: boolean): void {
    if (this.#count + 2 > this.#starts.length) {
      const grown = new Float64Array(this.#starts.length * 2);
      grown.set(this.#starts);
      this.#starts = grown;
    }
    if (filemark) this.#filemarks.push(this.#count);
    this.#starts[++this.#count] = end;
  }

  #cutIndex(count: number): void {
    this.#count = count;
    this.#filemarks.length = this.filemarksBefore(count);
  }

  /** Blocks and filemarks on the tape; the number of the end of the data. */
  get records(): number {
    return this.#count;
  }

  /** Bytes behind the last whole block that a power cut left and opening dropped. */
  get torn(): number {
    return this.#torn;
  }

  /** Bytes of the blocks before a number. */
  bytesBefore(number: number): number {
    return this.#starts[number]! - tapeStart - number * headLength;
  }

  /** Bytes of a block; 0 for a filemark. */
  lengthOf(number: number): number {
    return this.#starts[number + 1]! - this.#starts[number]! - headLength;
  }

  isFilemark(number: number): boolean {
    return this.lengthOf(number) === 0;
  }

  /** How many filemarks are before a number. */
  filemarksBefore(number: number): number {
    let low = 0;
    let high = this.#filemarks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#filemarks[middle]! < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The number of the filemark with so many before it; null past the last. */
  filemark(index: number): number | null {
    return this.#filemarks[index] ?? null;
  }

  /** Reads a block, as much of it as fits; throws `record-damaged` when it is not what was written. */
  async read(number: number, target: Uint8Array): Promise<void> {
    const length = this.lengthOf(number);
    const start = this.#starts[number]!;
    const wanted = Math.min(length, target.length);
    const { bytesRead } = await this.#file.read(target, 0, wanted, start + headLength);
    const head = Buffer.alloc(4);
    await this.#file.read(head, 0, 4, start + 8);
    const cutShort = wanted < length;
    if (bytesRead === wanted && (cutShort || crc32(target.subarray(0, length)) === head.readUInt32LE(0)))
      return;
    throw new RemetalError('record-damaged', `Block ${number} of ${this.path} is not what was written.`, {
      facts: { path: this.path, block: number },
    });
  }

  /** Writes a block at a number, which is not behind the end; everything from there on is gone. */
  async write(number: number, block: Uint8Array): Promise<void> {
    if (block.length === 0) throw new RangeError('a block has at least one byte');
    await this.cut(number);
    await this.#put(block);
  }

  /** Writes filemarks and makes everything before them durable, and themselves too. */
  async writeFilemarks(number: number, count: number): Promise<void> {
    await this.cut(number);
    await this.#file.datasync();
    for (let i = 0; i < count; i++) await this.#put(new Uint8Array(0));
    await this.#file.datasync();
  }

  async #put(block: Uint8Array): Promise<void> {
    const head = Buffer.alloc(headLength);
    head.writeUInt32LE(headMagic, 0);
    head.writeUInt32LE(block.length, 4);
    head.writeUInt32LE(crc32(block), 8);
    head.writeUInt32LE(headCheck(head, this.#count), 12);
    const start = this.#starts[this.#count]!;
    const { bytesWritten } = await this.#file.writev([head, block], start);
    if (bytesWritten < headLength + block.length) {
      await this.#file.truncate(start);
      throw Object.assign(new Error(`ENOSPC: no space left on device, write '${this.path}'`), {
        code: 'ENOSPC',
      });
    }
    this.#append(start + headLength + block.length, block.length === 0);
  }

  /** Drops everything from a number on. */
  async cut(number: number): Promise<void> {
    if (number >= this.#count) return;
    this.#cutIndex(number);
    await this.#file.truncate(this.#starts[number]);
  }

  /** Makes everything written durable. */
  async sync(): Promise<void> {
    await this.#file.datasync();
  }

  get attributes(): ChipAttributes {
    return this.#attributes;
  }

  /** Writes an attribute into the chip; an empty one takes it out. False when the chip has no room for it. */
  async setAttribute(number: number, value: Uint8Array): Promise<boolean> {
    const next = new Map(this.#attributes);
    if (value.length === 0) next.delete(number);
    else next.set(number, Buffer.from(value));
    const text = JSON.stringify([...next].map(([key, bytes]) => [key, bytes.toString('base64')]));
    if (12 + text.length > chipLength) return false;
    const place = Buffer.alloc(chipLength);
    place.writeUInt32LE(this.#chipNumber + 1, 4);
    place.writeUInt32LE(text.length, 8);
    place.write(text, 12);
    place.writeUInt32LE(crc32(place.subarray(4)), 0);
    await this.#file.write(place, 0, chipLength, sector + ((this.#chipNumber + 1) % 2) * chipLength);
    await this.#file.datasync();
    this.#chipNumber++;
    this.#attributes = next;
    return true;
  }

  #readChip(): void {
    for (const index of [0, 1]) {
      const place = Buffer.alloc(chipLength);
      readSync(this.#file.fd, place, 0, chipLength, sector + index * chipLength);
      const number = place.readUInt32LE(4);
      if (number <= this.#chipNumber || crc32(place.subarray(4)) !== place.readUInt32LE(0)) continue;
      this.#chipNumber = number;
      const text = place.toString('utf8', 12, 12 + place.readUInt32LE(8));
      this.#attributes = new Map(
        chipSchema.parse(JSON.parse(text)).map(([key, value]) => [key, Buffer.from(value, 'base64')]),
      );
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function headCheck(head: Buffer, number: number): number {
  const bytes = Buffer.alloc(16);
  head.copy(bytes, 0, 0, 12);
  bytes.writeUInt32LE(number, 12);
  return crc32(bytes);
}
