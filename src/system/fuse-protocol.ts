/*
 * The part of the FUSE kernel protocol that a mount needs whose root is one regular file. Structures,
 * numbers and flags: the kernel's include/uapi/linux/fuse.h, protocol 7.31; all little-endian here.
 */

/** Operations of the kernel that get an answer other than "unknown", and those that want none. */
export const operations = {
  forget: 2,
  getattr: 3,
  setattr: 4,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  flush: 25,
  init: 26,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
} as const;

/** Bytes of the longest read or write that is agreed on. */
export const mostTransfer = 1024 * 1024;
/** Of a request's head, and of the fixed part of a write; a buffer has to hold both and the data. */
export const requestRoom = mostTransfer + 8192;

const headLength = 40;
const asyncRead = 1 << 0;
const bigWrites = 1 << 5;
const maxPages = 1 << 22;
const keepCache = 1 << 1;
const regularFile = 0o100_000;
const blockSize = 4096;
const attributesValid = 3600n;
const minorKnown = 31;

/** A request, as much of it as every operation has, and the range of reads and writes. */
export interface FuseRequest {
  readonly operation: number;
  readonly unique: bigint;
  /** Bytes in the file; reads and writes only. */
  readonly offset: number;
  /** Bytes; reads and writes only. */
  readonly length: number;
  /** What is to be written: a view of the request. */
  readonly data: Buffer;
  readonly body: Buffer;
}

/** Takes a request apart. Only the kernel writes these, so their lengths are believed. */
export function decodeRequest(bytes: Buffer): FuseRequest {
  const operation = bytes.readUInt32LE(4);
  const body = bytes.subarray(headLength);
  const ranged = operation === operations.read || operation === operations.write;
  const length = ranged ? body.readUInt32LE(16) : 0;
  return {
    operation,
    unique: bytes.readBigUInt64LE(8),
    offset: ranged ? Number(body.readBigUInt64LE(8)) : 0,
    length,
    data: operation === operations.write ? body.subarray(40, 40 + length) : Buffer.alloc(0),
    body,
  };
}

/** The head of an answer; `error` is the negative number of a system error, or 0. */
export function replyHead(unique: bigint, error: number, length: number): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(16 + length, 0);
  head.writeInt32LE(error, 4);
  head.writeBigUInt64LE(unique, 8);
  return head;
}

/** fuse_init_out: what both sides know of what the kernel offers. */
export function initReply(body: Buffer): Buffer {
  const [minor, readAhead, offered] = [body.readUInt32LE(4), body.readUInt32LE(8), body.readUInt32LE(12)];
  const reply = Buffer.alloc(64);
  reply.writeUInt32LE(7, 0);
  reply.writeUInt32LE(Math.min(minor, minorKnown), 4);
  reply.writeUInt32LE(readAhead, 8);
  reply.writeUInt32LE((asyncRead | bigWrites | maxPages) & offered, 12);
  // Requests in the background, and from how many on the device counts as congested.
  reply.writeUInt16LE(64, 16);
  reply.writeUInt16LE(48, 18);
  reply.writeUInt32LE(mostTransfer, 20);
  reply.writeUInt32LE(1, 24);
  reply.writeUInt16LE(mostTransfer / blockSize, 28);
  return reply;
}

/** fuse_attr_out of the one file. */
export function attributesReply(size: number, readOnly: boolean): Buffer {
  const reply = Buffer.alloc(104);
  reply.writeBigUInt64LE(attributesValid, 0);
  const attributes = reply.subarray(16);
  attributes.writeBigUInt64LE(1n, 0);
  attributes.writeBigUInt64LE(BigInt(size), 8);
  attributes.writeBigUInt64LE(BigInt(Math.ceil(size / 512)), 16);
  attributes.writeUInt32LE(regularFile | (readOnly ? 0o400 : 0o600), 60);
  attributes.writeUInt32LE(1, 64);
  attributes.writeUInt32LE(blockSize, 80);
  return reply;
}

/** fuse_open_out: what was read stays in the page cache, for nobody else writes the file. */
export function openReply(): Buffer {
  const reply = Buffer.alloc(16);
  reply.writeUInt32LE(keepCache, 8);
  return reply;
}

/** fuse_write_out. */
export function writeReply(length: number): Buffer {
  const reply = Buffer.alloc(8);
  reply.writeUInt32LE(length, 0);
  return reply;
}

/** fuse_statfs_out of something without room to tell of. */
export function statfsReply(): Buffer {
  const reply = Buffer.alloc(80);
  reply.writeUInt32LE(blockSize, 40);
  reply.writeUInt32LE(255, 44);
  return reply;
}
