/** Operation codes of RFC 7143, section 11.2.1.2. */
export const opcode = {
  nopOut: 0x00,
  command: 0x01,
  taskManagement: 0x02,
  login: 0x03,
  text: 0x04,
  dataOut: 0x05,
  logout: 0x06,
  nopIn: 0x20,
  response: 0x21,
  taskManagementResponse: 0x22,
  loginResponse: 0x23,
  textResponse: 0x24,
  dataIn: 0x25,
  logoutResponse: 0x26,
  readyToTransfer: 0x31,
  reject: 0x3f,
} as const;

/** The tag that says "none". */
export const noTag = 0xffffffff;

/** A protocol data unit: its header of 48 bytes and its data. */
export interface Pdu {
  readonly header: Buffer;
  readonly data: Buffer;
}

const headerLength = 48;

/** Puts units together from pieces of the stream. Digests are never agreed on, so there are none. */
export class PduReader {
  #pieces: Buffer[] = [];
  #length = 0;

  /** Takes a piece, and gives the units that are whole now. */
  take(piece: Buffer): Pdu[] {
    this.#pieces.push(piece);
    this.#length += piece.length;
    const out: Pdu[] = [];
    for (;;) {
      const header = this.#peek(headerLength);
      if (header === null) return out;
      const additional = header[4]! * 4;
      const length = header.readUIntBE(5, 3);
      const whole = this.#peek(headerLength + additional + padded(length));
      if (whole === null) return out;
      const from = headerLength + additional;
      out.push({ header: whole.subarray(0, headerLength), data: whole.subarray(from, from + length) });
      this.#pieces = [this.#pieces[0]!.subarray(whole.length)];
      this.#length -= whole.length;
    }
  }

  /** The first bytes in one piece; null while there are not so many. */
  #peek(length: number): Buffer | null {
    if (this.#length < length) return null;
    if (this.#pieces[0]!.length < length) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0]!.subarray(0, length);
  }
}

/** A unit as it goes over the wire, its data length filled in. */
export function encodePdu(header: Buffer, data: Buffer = Buffer.alloc(0)): Buffer[] {
  header.writeUIntBE(data.length, 5, 3);
  return [header, data, Buffer.alloc(padded(data.length) - data.length)].filter((piece) => piece.length > 0);
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/** A header that begins an answer: the operation, its flags and the initiator's task tag. */
export function answerHeader(operation: number, flags: number, tag: number): Buffer {
  const header = Buffer.alloc(headerLength);
  header[0] = operation;
  header[1] = flags;
  header.writeUInt32BE(tag, 16);
  header.writeUInt32BE(noTag, 20);
  return header;
}

/** The keys and values of a login or text request. */
export function decodeText(data: Buffer): Map<string, string> {
  const pairs = data
    .toString('utf8')
    .split('\0')
    .filter((pair) => pair.includes('='));
  return new Map(
    pairs.map((pair): [string, string] => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

export function encodeText(pairs: ReadonlyMap<string, string>): Buffer {
  return Buffer.from([...pairs].map(([key, value]) => `${key}=${value}\0`).join(''));
}
