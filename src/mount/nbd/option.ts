import { infoTypes, longestName, optionMagic, optionReplyMagic } from './protocol.ts';

/** The fixed part of an option, before its data. */
export const optionHeaderLength = 16;

/** Type and length of the data of an option; null where the bytes are none. */
export function decodeOptionHeader(header: Buffer): { type: number; length: number } | null {
  if (header.length < optionHeaderLength || header.toString('latin1', 0, 8) !== optionMagic) return null;
  return { type: header.readUInt32BE(8), length: header.readUInt32BE(12) };
}

/** A reply to an option: its header and its data. */
export function encodeOptionReply(option: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt32BE(optionReplyMagic[0], 0);
  header.writeUInt32BE(optionReplyMagic[1], 4);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}

/** Reads fields one after another and remembers whether one was missing. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;
  /** False once something was asked for that is not there. */
  sound = true;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #advance(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) {
      this.sound = false;
      return -1;
    }
    this.#at += length;
    return at;
  }

  uint16(): number {
    const at = this.#advance(2);
    return at < 0 ? 0 : this.#bytes.readUInt16BE(at);
  }

  uint32(): number {
    const at = this.#advance(4);
    return at < 0 ? 0 : this.#bytes.readUInt32BE(at);
  }

  /** A length of four bytes and that many bytes of UTF-8. */
  text(): string {
    const length = this.uint32();
    if (length > longestName) this.sound = false;
    const at = this.sound ? this.#advance(length) : -1;
    return at < 0 ? '' : this.#bytes.toString('utf8', at, at + length);
  }

  /** True when everything was there and nothing is left. */
  get ended(): boolean {
    return this.sound && this.#at === this.#bytes.length;
  }
}

/** What INFO and GO ask for. */
export interface InfoRequest {
  readonly name: string;
  readonly infos: readonly number[];
}

/** The data of INFO and GO; null where it is malformed. */
export function decodeInfoRequest(data: Buffer): InfoRequest | null {
  const fields = new Fields(data);
  const name = fields.text();
  const infos: number[] = [];
  for (let left = fields.uint16(); left > 0 && fields.sound; left--) infos.push(fields.uint16());
  return fields.ended ? { name, infos } : null;
}

/** What LIST_META_CONTEXT and SET_META_CONTEXT ask for. */
export interface MetaContextRequest {
  readonly name: string;
  readonly queries: readonly string[];
}

/** The data of LIST_META_CONTEXT and SET_META_CONTEXT; null where it is malformed. */
export function decodeMetaContextRequest(data: Buffer): MetaContextRequest | null {
  const fields = new Fields(data);
  const name = fields.text();
  const queries: string[] = [];
  for (let left = fields.uint32(); left > 0 && fields.sound; left--) queries.push(fields.text());
  return fields.ended ? { name, queries } : null;
}

/** The data of a META_CONTEXT reply. */
export function encodeMetaContext(id: number, context: string): Buffer {
  const data = Buffer.alloc(4 + Buffer.byteLength(context));
  data.writeUInt32BE(id, 0);
  data.write(context, 4);
  return data;
}

/** The data of a SERVER reply: one export of a list. */
export function encodeListed(name: string, description: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(name), 0);
  return Buffer.concat([length, Buffer.from(name), Buffer.from(description)]);
}

/** INFO_EXPORT without its type, which is also the answer to EXPORT_NAME: size in bytes and flags. */
export function encodeExport(size: number, flags: number): Buffer {
  const data = Buffer.alloc(10);
  data.writeBigUInt64BE(BigInt(size), 0);
  data.writeUInt16BE(flags, 8);
  return data;
}

/** The data of an INFO reply: its type and what belongs to it. */
export function encodeInfo(type: number, rest: Buffer): Buffer {
  const data = Buffer.alloc(2 + rest.length);
  data.writeUInt16BE(type, 0);
  rest.copy(data, 2);
  return data;
}

/** The data of an INFO reply with INFO_BLOCK_SIZE, bytes. */
export function encodeBlockSizes(least: number, preferred: number, most: number): Buffer {
  const rest = Buffer.alloc(12);
  rest.writeUInt32BE(least, 0);
  rest.writeUInt32BE(preferred, 4);
  rest.writeUInt32BE(most, 8);
  return encodeInfo(infoTypes.blockSize, rest);
}
