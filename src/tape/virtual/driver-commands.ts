import { senseCode, senseKey, type Answer } from './sense.ts';

/** Commands that the system's driver sends (SSC-4), six bytes each but for LOCATE and READ POSITION. */
export const tapeCommand = {
  testUnitReady: () => Buffer.from([0x00, 0, 0, 0, 0, 0]),
  rewind: () => Buffer.from([0x01, 0, 0, 0, 0, 0]),
  /** `count`: bytes of one block, or blocks of the length that is set. */
  read: (count: number, fixed: boolean) => counted(0x08, fixed ? 1 : 0, count),
  write: (count: number, fixed: boolean) => counted(0x0a, fixed ? 1 : 0, count),
  filemarks: (count: number) => counted(0x10, 0, count),
  /** Over blocks (0) or filemarks (1), backwards for a negative count. */
  space: (what: 0 | 1, count: number) => counted(0x11, what, count & 0xffffff),
  spaceToEnd: () => counted(0x11, 3, 0),
  erase: () => Buffer.from([0x19, 1, 0, 0, 0, 0]),
  load: (load: boolean) => Buffer.from([0x1b, 0, 0, 0, load ? 1 : 0, 0]),
  prevent: (prevent: boolean) => Buffer.from([0x1e, 0, 0, 0, prevent ? 1 : 0, 0]),
  locate: (block: number) => {
    const command = Buffer.alloc(10);
    command[0] = 0x2b;
    command.writeUInt32BE(block, 3);
    return command;
  },
  readPosition: () => Buffer.from([0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  modeSelect: () => Buffer.from([0x15, 0x10, 0, 0, 0xff, 0]),
  /** What MODE SELECT(6) sends: buffered, a block descriptor with a block size. */
  blockSize: (bytes: number) => {
    const sent = Buffer.from([0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    sent.writeUIntBE(bytes, 9, 3);
    return sent;
  },
  compression: (on: boolean, blockSize: number) =>
    Buffer.concat([
      tapeCommand.blockSize(blockSize),
      Buffer.from([0x0f, 14, on ? 0xc0 : 0x40, 0x80]),
      Buffer.alloc(12),
    ]),
};

function counted(code: number, flags: number, count: number): Buffer {
  const command = Buffer.from([code, flags, 0, 0, 0, 0]);
  command.writeUIntBE(count, 2, 3);
  return command;
}

/** What a drive said that did not simply do a command. */
export interface Refusal {
  readonly key: number;
  /** See `senseCode`. */
  readonly code: number;
  /** See `senseFlag`. */
  readonly flags: number;
  /** 0 where it gave none. */
  readonly information: number;
}

/** Null for a command that was done as it was asked for. */
export function decodeAnswer({ status, sense }: Answer): Refusal | null {
  if (status === 0) return null;
  return {
    key: sense[2]! & 0x0f,
    code: sense.readUInt16BE(12),
    flags: sense[2]! & 0xe0,
    information: (sense[0]! & 0x80) === 0 ? 0 : sense.readInt32BE(3),
  };
}

export function isReset({ key, code }: Refusal): boolean {
  return key === senseKey.unitAttention && code === senseCode.reset;
}
