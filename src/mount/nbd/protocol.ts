/** The numbers of the protocol; names are those of proto.md without their `NBD_`. */

export const helloMagic = 'NBDMAGICIHAVEOPT';
export const optionMagic = 'IHAVEOPT';
export const optionReplyMagic = [0x0003e889, 0x045565a9] as const;
export const requestMagic = 0x25609513;
export const simpleReplyMagic = 0x67446698;
export const structuredReplyMagic = 0x668e33ef;

/** Handshake flags, the same bits both ways: FIXED_NEWSTYLE, NO_ZEROES. */
export const handshake = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const optionTypes = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const optionReplies = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  unsupported: 0x80000001,
  policy: 0x80000002,
  invalid: 0x80000003,
  tlsRequired: 0x80000005,
  unknown: 0x80000006,
  tooBig: 0x80000009,
} as const;

export const infoTypes = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export const transmission = {
  hasFlags: 1 << 0,
  readOnly: 1 << 1,
  sendFlush: 1 << 2,
  sendFua: 1 << 3,
  sendTrim: 1 << 5,
  sendWriteZeroes: 1 << 6,
  sendDf: 1 << 7,
  canMultiConn: 1 << 8,
  sendCache: 1 << 10,
} as const;

export const commands = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

export const commandFlags = { fua: 1, noHole: 2, df: 4, reqOne: 8 } as const;

export const chunkTypes = { none: 0, offsetData: 1, blockStatus: 5, error: 0x8001 } as const;

/** Error numbers of replies: those of Linux that proto.md allows. */
export const errnos = {
  EPERM: 1,
  EIO: 5,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ESHUTDOWN: 108,
} as const;
export type Errno = (typeof errnos)[keyof typeof errnos];

/** States of base:allocation. */
export const allocation = { hole: 1, zero: 2 } as const;
export const allocationContext = 'base:allocation';
/** The number this server gives that context. */
export const allocationContextId = 1;

/** The longest name or description, bytes of UTF-8. */
export const longestName = 4096;
/** The longest READ or WRITE that is answered, bytes; what clients assume where nothing is said. */
export const longestRequest = 32 * 1024 * 1024;
