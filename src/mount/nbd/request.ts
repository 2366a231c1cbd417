import {
  allocationContextId,
  chunkTypes,
  requestMagic,
  simpleReplyMagic,
  structuredReplyMagic,
} from './protocol.ts';

export const requestLength = 28;
const chunkLength = 20;

/** What names a request in its reply: eight bytes of the client's, as two numbers. */
export interface Cookie {
  readonly high: number;
  readonly low: number;
}

export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly cookie: Cookie;
  /** Bytes; beyond 2^53 it is not exact, and beyond every device. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** The header of a request; null where the bytes are none. */
export function decodeRequest(header: Buffer): Request | null {
  if (header.length < requestLength || header.readUInt32BE(0) !== requestMagic) return null;
  return {
    flags: header.readUInt16BE(4),
    type: header.readUInt16BE(6),
    cookie: { high: header.readUInt32BE(8), low: header.readUInt32BE(12) },
    offset: header.readUInt32BE(16) * 2 ** 32 + header.readUInt32BE(20),
    length: header.readUInt32BE(24),
  };
}

/** A simple reply; after one without an error follows what was read. */
export function encodeSimpleReply(cookie: Cookie, errno = 0): Buffer {
  const reply = Buffer.allocUnsafe(16);
  reply.writeUInt32BE(simpleReplyMagic, 0);
  reply.writeUInt32BE(errno, 4);
  reply.writeUInt32BE(cookie.high, 8);
  reply.writeUInt32BE(cookie.low, 12);
  return reply;
}

/** The one chunk of a reply, of which `here` bytes are added by the caller of `length`. */
function chunk(cookie: Cookie, type: number, length: number, here: number): Buffer {
  const reply = Buffer.allocUnsafe(chunkLength + here);
  reply.writeUInt32BE(structuredReplyMagic, 0);
  // REPLY_FLAG_DONE: every reply of this server is one chunk.
  reply.writeUInt16BE(1, 4);
  reply.writeUInt16BE(type, 6);
  reply.writeUInt32BE(cookie.high, 8);
  reply.writeUInt32BE(cookie.low, 12);
  reply.writeUInt32BE(length, 16);
  return reply;
}

/** The structured reply that says no more than that it is done. */
export function encodeDone(cookie: Cookie): Buffer {
  return chunk(cookie, chunkTypes.none, 0, 0);
}

/** The start of a structured reply with `length` bytes that were read at `offset`; they follow it. */
export function encodeOffsetData(cookie: Cookie, offset: number, length: number): Buffer {
  const reply = chunk(cookie, chunkTypes.offsetData, 8 + length, 8);
  reply.writeUInt32BE(Math.floor(offset / 2 ** 32), chunkLength);
  reply.writeUInt32BE(offset % 2 ** 32, chunkLength + 4);
  return reply;
}

/** A structured reply with an error and no message. */
export function encodeError(cookie: Cookie, errno: number): Buffer {
  const reply = chunk(cookie, chunkTypes.error, 6, 6);
  reply.writeUInt32BE(errno, chunkLength);
  reply.writeUInt16BE(0, chunkLength + 4);
  return reply;
}

/** A structured reply to BLOCK_STATUS. */
export function encodeBlockStatus(
  cookie: Cookie,
  states: readonly { length: number; flags: number }[],
): Buffer {
  const length = 4 + 8 * states.length;
  const reply = chunk(cookie, chunkTypes.blockStatus, length, length);
  reply.writeUInt32BE(allocationContextId, chunkLength);
  let at = chunkLength + 4;
  for (const state of states) {
    reply.writeUInt32BE(state.length, at);
    reply.writeUInt32BE(state.flags, at + 4);
    at += 8;
  }
  return reply;
}
