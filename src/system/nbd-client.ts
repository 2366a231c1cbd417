import { connect, type Socket } from 'node:net';
import { RemetalError } from '../errors/index.ts';

/* Numbers and structures of the NBD project's doc/proto.md: fixed newstyle, simple replies. */
const nbdMagic = 0x4e_42_44_4d_41_47_49_43n;
const optionMagic = 0x49_48_41_56_45_4f_50_54n;
const optionReplyMagic = 0x00_03_e8_89_04_55_65_a9n;
const requestMagic = 0x25_60_95_13;
const simpleReplyMagic = 0x67_44_66_98;
const fixedNewstyle = 1;
const optionGo = 7;
const replyAck = 1;
const replyInfo = 3;
const errorBit = 0x8000_0000;
const infoExport = 0;
const flagReadOnly = 2;
const commands = { read: 0, write: 1, disconnect: 2, flush: 3 } as const;
/** Of an option's answer; what a server says of itself is short. */
const mostOptionReply = 64 * 1024;

/** A connection to an NBD server, for one export. */
export interface NbdClient {
  /** Bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Throws a system error with the server's number (`EIO`, `ENOSPC`, …) or that of the lost connection. */
  read(offset: number, length: number): Promise<Buffer>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  flush(): Promise<void>;
  close(): void;
}

interface Waiting {
  readonly length: number;
  readonly resolve: (bytes: Buffer) => void;
  readonly reject: (error: Error) => void;
}

function failure(message: string): RemetalError {
  return new RemetalError('server-failed', message);
}

/** The bytes of a socket in the pieces that are asked for. */
class Inflow {
  #chunks: Buffer[] = [];
  #length = 0;
  #wake: (() => void) | null = null;
  #error: Error | null = null;

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.#wake?.();
    });
    const lost = (error?: Error): void => {
      this.#error ??= error ?? failure('The server of the volume has closed the connection');
      this.#wake?.();
    };
    socket.on('error', lost);
    socket.on('close', () => lost());
  }

  async take(length: number): Promise<Buffer> {
    while (this.#length < length) {
      if (this.#error !== null) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const parts: Buffer[] = [];
    for (let left = length; left > 0;) {
      const [first] = this.#chunks;
      const piece = first!.subarray(0, left);
      parts.push(piece);
      left -= piece.length;
      if (piece.length === first!.length) this.#chunks.shift();
      else this.#chunks[0] = first!.subarray(piece.length);
    }
    this.#length -= length;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, length);
  }
}

function goRequest(name: string): Buffer {
  const text = Buffer.from(name);
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(optionMagic, 0);
  head.writeUInt32BE(optionGo, 8);
  head.writeUInt32BE(4 + text.length + 2, 12);
  head.writeUInt32BE(text.length, 16);
  return Buffer.concat([head, text, Buffer.alloc(2)]);
}

async function negotiate(
  socket: Socket,
  inflow: Inflow,
  name: string,
): Promise<{ size: number; flags: number }> {
  const greeting = await inflow.take(18);
  const known = greeting.readBigUInt64BE(0) === nbdMagic && greeting.readBigUInt64BE(8) === optionMagic;
  if (!known || (greeting.readUInt16BE(16) & fixedNewstyle) === 0) throw failure('That is no NBD server');
  const flags = Buffer.alloc(4);
  flags.writeUInt32BE(fixedNewstyle, 0);
  socket.write(Buffer.concat([flags, goRequest(name)]));
  let found: { size: number; flags: number } | null = null;
  for (;;) {
    const head = await inflow.take(20);
    const [type, length] = [head.readUInt32BE(12), head.readUInt32BE(16)];
    if (head.readBigUInt64BE(0) !== optionReplyMagic || length > mostOptionReply) {
      throw failure('The NBD server answers in a way that is not understood');
    }
    const body = await inflow.take(length);
    if (type === replyInfo && length >= 12 && body.readUInt16BE(0) === infoExport) {
      found = { size: Number(body.readBigUInt64BE(2)), flags: body.readUInt16BE(10) };
    } else if (type === replyAck && found !== null) {
      return found;
    } else if (type >= errorBit) {
      throw failure(`The NBD server refuses the export "${name}": ${body.toString() || type.toString(16)}`);
    }
  }
}

/* Errors of the protocol are the numbers of Linux. */
const errorNames: Readonly<Record<number, string>> = {
  1: 'EPERM',
  5: 'EIO',
  12: 'ENOMEM',
  22: 'EINVAL',
  28: 'ENOSPC',
  95: 'EOPNOTSUPP',
  108: 'ESHUTDOWN',
};

function refusal(number: number): Error {
  const code = errorNames[number] ?? 'EIO';
  return Object.assign(new Error(`${code}: NBD request`), { code, errno: -number, syscall: 'nbd' });
}

/** Answers come in any order; each goes to the request with its handle. */
async function deliver(inflow: Inflow, waiting: Map<bigint, Waiting>): Promise<never> {
  for (;;) {
    const head = await inflow.take(16);
    const asked = waiting.get(head.readBigUInt64BE(8));
    if (head.readUInt32BE(0) !== simpleReplyMagic || asked === undefined) {
      throw failure('The NBD server answers what nobody asked');
    }
    waiting.delete(head.readBigUInt64BE(8));
    const error = head.readUInt32BE(4);
    if (error !== 0) asked.reject(refusal(error));
    else asked.resolve(await inflow.take(asked.length));
  }
}

/** Connects to an NBD server on a unix socket. Throws `server-failed` or a system error. */
export async function connectNbd(path: string, name = ''): Promise<NbdClient> {
  const socket = connect(path);
  const inflow = new Inflow(socket);
  const { size, flags } = await negotiate(socket, inflow, name).catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
  const waiting = new Map<bigint, Waiting>();
  let lost: Error | null = null;
  let handle = 0n;
  deliver(inflow, waiting).catch((error: unknown) => {
    lost = error instanceof Error ? error : failure(String(error));
    for (const { reject } of waiting.values()) reject(lost);
    waiting.clear();
    socket.destroy();
  });
  const ask = (type: number, offset: number, length: number, bytes?: Uint8Array): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      if (lost !== null) {
        reject(lost);
        return;
      }
      handle++;
      const head = Buffer.alloc(28);
      head.writeUInt32BE(requestMagic, 0);
      head.writeUInt16BE(type, 6);
      head.writeBigUInt64BE(handle, 8);
      head.writeBigUInt64BE(BigInt(offset), 16);
      head.writeUInt32BE(length, 24);
      waiting.set(handle, { length: type === commands.read ? length : 0, resolve, reject });
      socket.write(bytes === undefined ? head : Buffer.concat([head, bytes]));
    });
  return {
    size,
    readOnly: (flags & flagReadOnly) !== 0,
    read: (offset, length) => ask(commands.read, offset, length),
    write: async (offset, bytes) => void (await ask(commands.write, offset, bytes.length, bytes)),
    flush: async () => void (await ask(commands.flush, 0, 0)),
    close() {
      const head = Buffer.alloc(28);
      head.writeUInt32BE(requestMagic, 0);
      head.writeUInt16BE(commands.disconnect, 6);
      socket.end(head);
    },
  };
}
