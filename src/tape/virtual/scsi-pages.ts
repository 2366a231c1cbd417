import type { Cartridge, CartridgeFacts } from './bay.ts';

/** Our own vendor and product, eight and sixteen characters (SPC-4, standard INQUIRY data). */
export const vendor = 'REMETAL';
/** The model of the drives. */
export const driveProduct = 'VIRTUAL-TAPE';
const revision = '0001';
/** Longest block the drives take, bytes; READ BLOCK LIMITS has three bytes for it. */
export const longestBlock = 8 * 1024 * 1024;
/** What the cartridges call their format; that of the ninth LTO generation. */
export const density = 0x60;

/** What a drive can be asked to do differently (mode parameters, SPC-4 and SSC-4). */
export interface DriveModes {
  /** Bytes; 0 for blocks of any length. */
  blockSize: number;
  buffered: number;
  compression: boolean;
}

/** Standard INQUIRY data or a vital product data page; null for a page there is none of. */
export function inquiry(command: Uint8Array, type: number, product: string, serial: string): Buffer | null {
  if ((command[1]! & 1) === 0) {
    const data = Buffer.alloc(96, 0);
    data[0] = type;
    data[1] = 0x80;
    data[2] = 6;
    data[3] = 2;
    data[4] = data.length - 5;
    data[7] = 2;
    data.write(vendor.padEnd(8) + product.padEnd(16) + revision, 8, 'latin1');
    return data;
  }
  const page = (body: Buffer): Buffer =>
    Buffer.concat([Buffer.from([type, command[2]!, 0, body.length]), body]);
  switch (command[2]) {
    case 0x00:
      return page(Buffer.from([0x00, 0x80, 0x83]));
    case 0x80:
      return page(Buffer.from(serial, 'latin1'));
    case 0x83: {
      // One designator: vendor, product and serial number as text (T10 vendor identification).
      const designator = Buffer.from(identifierOf(product, serial), 'latin1');
      return page(Buffer.concat([Buffer.from([0x02, 0x01, 0, designator.length]), designator]));
    }
    default:
      return null;
  }
}

function identifierOf(product: string, serial: string): string {
  return vendor.padEnd(8) + product.padEnd(16) + serial;
}

/** What names a drive of that serial number everywhere (SPC-4, T10 vendor identification designator). */
export function driveIdentifier(serial: string): string {
  return identifierOf(driveProduct, serial);
}

/** Mode data for MODE SENSE(6) and (10) with a header around; null for a page there is none of. */
export function modeData(command: Uint8Array, modes: DriveModes, protectedNow: boolean): Buffer | null {
  const wanted = command[2]! & 0x3f;
  const pages: readonly Buffer[] = [
    Buffer.from([0x01, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    // Data compression: DCE and DCC, decompression, both algorithms.
    Buffer.from([
      0x0f,
      14,
      modes.compression ? 0xc0 : 0x40,
      0x80,
      0,
      0,
      0,
      modes.compression ? 1 : 0,
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      0,
    ]),
    // Device configuration: block identifiers are supported.
    Buffer.from([0x10, 14, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, modes.compression ? 1 : 0, 0]),
    Buffer.from([0x11, 6, 0, 0, 0, 3, 0, 0]),
    Buffer.from([0x1c, 10, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0]),
  ].filter((page) => wanted === 0x3f || page[0] === wanted);
  if (pages.length === 0 && wanted !== 0) return null;
  const descriptor = Buffer.alloc((command[1]! & 0x08) === 0 ? 8 : 0);
  if (descriptor.length > 0) {
    descriptor[0] = density;
    descriptor.writeUIntBE(modes.blockSize, 5, 3);
  }
  const body = Buffer.concat([descriptor, ...pages]);
  return modeHeader(command, body, descriptor.length, (protectedNow ? 0x80 : 0) | (modes.buffered << 4));
}

/** The mode parameter header of MODE SENSE(6) or (10) and what follows it. */
export function modeHeader(
  command: Uint8Array,
  body: Buffer,
  descriptorLength: number,
  specific: number,
): Buffer {
  const long = command[0] === 0x5a;
  const header = Buffer.alloc(long ? 8 : 4);
  if (long) {
    header.writeUInt16BE(body.length + 6, 0);
    header[3] = specific;
    header.writeUInt16BE(descriptorLength, 6);
  } else {
    header[0] = body.length + 3;
    header[2] = specific;
    header[3] = descriptorLength;
  }
  return Buffer.concat([header, body]);
}

/** What MODE SELECT(6) or (10) asks for; null when it is not to be understood. */
export function decodeModes(command: Uint8Array, sent: Buffer, modes: DriveModes): DriveModes | null {
  const long = command[0] === 0x55;
  const headerLength = long ? 8 : 4;
  if (sent.length === 0) return modes;
  if (sent.length < headerLength) return null;
  const descriptorLength = long ? sent.readUInt16BE(6) : sent[3]!;
  const out = { ...modes, buffered: (sent[long ? 3 : 2]! >> 4) & 7 };
  let at = headerLength + descriptorLength;
  if (at > sent.length) return null;
  if (descriptorLength >= 8) out.blockSize = sent.readUIntBE(headerLength + 5, 3);
  if (out.blockSize > longestBlock) return null;
  while (at + 2 <= sent.length) {
    const page = sent.subarray(at, at + 2 + sent[at + 1]!);
    if ((page[0]! & 0x3f) === 0x0f && page.length > 2) out.compression = (page[2]! & 0x80) !== 0;
    if ((page[0]! & 0x3f) === 0x10 && page.length > 14) out.compression = page[14] !== 0;
    at += 2 + sent[at + 1]!;
  }
  return out;
}

/**
 * A page of LOG SENSE with its header (SPC-4); null for one there is none of. Reading TapeAlert clears it, but
 * not with less room than for the whole page: tools ask for its length first.
 */
export function logPage(command: Buffer, cartridge: Cartridge | null, alerts: Set<number>): Buffer | null {
  const page = command[2]! & 0x3f;
  const head = (body: Buffer): Buffer => {
    const header = Buffer.from([page, 0, 0, 0]);
    header.writeUInt16BE(body.length, 2);
    return Buffer.concat([header, body]);
  };
  switch (page) {
    case 0x00:
      return head(Buffer.from([0x00, 0x2e, 0x31]));
    case 0x2e: {
      const flags = Array.from({ length: 64 }, (_, i) =>
        parameter(i + 1, Buffer.from([alerts.has(i + 1) ? 1 : 0])),
      );
      const whole = head(Buffer.concat(flags));
      if (command.readUInt16BE(7) >= whole.length) alerts.clear();
      return whole;
    }
    case 0x31: {
      const facts = cartridge?.facts;
      const left = cartridge === null ? 0 : remaining(cartridge);
      const sizes = [left, 0, facts?.capacity ?? 0, 0];
      return head(Buffer.concat(sizes.map((bytes, i) => parameter(i + 1, mebibytes(bytes, 4)))));
    }
    default:
      return null;
  }
}

function parameter(code: number, value: Buffer): Buffer {
  const head = Buffer.from([0, 0, 0x03, value.length]);
  head.writeUInt16BE(code, 0);
  return Buffer.concat([head, value]);
}

function mebibytes(bytes: number, length: number): Buffer {
  const out = Buffer.alloc(length);
  out.writeUIntBE(Math.floor(bytes / 2 ** 20), Math.max(0, length - 6), Math.min(6, length));
  return out;
}

function remaining({ facts, tape }: Cartridge): number {
  return Math.max(0, facts.capacity - tape.bytesBefore(tape.records));
}

/** READ ATTRIBUTE, values from the attribute in the command on (SPC-4, 6.17); null for what is not supported. */
export function attributeData(command: Buffer, cartridge: Cartridge): Buffer | null {
  const action = command[1]! & 0x1f;
  const first = command.readUInt16BE(8);
  const all = attributes(cartridge).filter(([number]) => action !== 0 || number >= first);
  if (action > 1) return null;
  const body = Buffer.concat(
    all.map(([number, value, format]) => {
      const head = Buffer.alloc(action === 1 ? 2 : 5);
      head.writeUInt16BE(number, 0);
      if (action === 1) return head;
      head[2] = format;
      head.writeUInt16BE(value.length, 3);
      return Buffer.concat([head, value]);
    }),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length, 0);
  return Buffer.concat([length, body]);
}

const readOnlyBinary = 0x80;
const readOnlyAscii = 0x81;
const ascii = 0x01;

function attributes(cartridge: Cartridge): [number, Buffer, number][] {
  const { facts, tape } = cartridge;
  const own: [number, Buffer, number][] = [
    [0x0000, mebibytes(remaining(cartridge), 8), readOnlyBinary],
    [0x0001, mebibytes(facts.capacity, 8), readOnlyBinary],
    [0x0400, paddedText(vendor, 8), readOnlyAscii],
    [0x0401, paddedText(facts.barcode, 32), readOnlyAscii],
    [0x0408, Buffer.from([mediumType(facts)]), readOnlyBinary],
    [0x0806, paddedText(facts.barcode, 32), ascii],
  ];
  const written = [...tape.attributes].map(([number, value]): [number, Buffer, number] => [
    number,
    value,
    ascii,
  ]);
  return [...own.filter(([number]) => !tape.attributes.has(number)), ...written].toSorted(
    ([a], [b]) => a - b,
  );
}

function paddedText(value: string, length: number): Buffer {
  return Buffer.from(value.padEnd(length), 'latin1');
}

/** Attribute 0x0408 (SPC-4): what sort of cartridge it is. */
function mediumType({ kind, worm }: CartridgeFacts): number {
  if (kind === 'cleaning') return 0x01;
  return worm ? 0x80 : 0x00;
}

/** REPORT DENSITY SUPPORT with one descriptor (SSC-4, 7.8). */
export function densityReport(): Buffer {
  const data = Buffer.alloc(56);
  data.writeUInt16BE(54, 0);
  data[4] = density;
  data[5] = density;
  data[6] = 0xa0;
  data.write('REMETAL VIRTUAL VIRTUAL-TAPE'.padEnd(36), 20, 'latin1');
  return data;
}
