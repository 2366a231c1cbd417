import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** A client that sends what it is told, sound or not, and hands over what comes back. */
export class RawClient {
  readonly stream: Duplex;
  #over = false;
  #wake = (): void => {};

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('error', () => {});
    stream.on('readable', () => this.#wake());
    for (const event of ['end', 'close']) {
      stream.once(event, () => {
        this.#over = true;
        this.#wake();
      });
    }
  }

  /** `length` bytes, or what came before the end. */
  async take(length: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let left = length; left > 0;) {
      const chunk: unknown = this.stream.read(Math.min(left, this.stream.readableLength));
      if (chunk instanceof Buffer) {
        pieces.push(chunk);
        left -= chunk.length;
        continue;
      }
      if (this.#over) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return Buffer.concat(pieces);
  }

  send(...parts: (Buffer | string)[]): void {
    this.stream.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  /** True once the server has closed the connection, what it sent before thrown away. */
  async closed(): Promise<boolean> {
    while (!this.#over) await this.take(Math.max(1, this.stream.readableLength));
    return true;
  }

  /** The greeting, answered with `flags`. */
  async greet(flags = 3): Promise<Buffer> {
    const hello = await this.take(18);
    this.send(uint32(flags));
    return hello;
  }

  option(type: number, data: Buffer = Buffer.alloc(0), length = data.length): void {
    this.send('IHAVEOPT', uint32(type), uint32(length), data);
  }

  /** One reply to an option; null where the connection ended. */
  async optionReply(): Promise<{ option: number; type: number; data: Buffer } | null> {
    const header = await this.take(20);
    if (header.length < 20) return null;
    const length = header.readUInt32BE(16);
    const data = length === 0 ? Buffer.alloc(0) : await this.take(length);
    return { option: header.readUInt32BE(8), type: header.readUInt32BE(12), data };
  }

  /** The replies to an option up to the last: an ACK or an error. */
  async optionReplies(): Promise<{ type: number; data: Buffer }[]> {
    const replies: { type: number; data: Buffer }[] = [];
    for (;;) {
      const reply = await this.optionReply();
      if (reply === null) return replies;
      replies.push({ type: reply.type, data: reply.data });
      if (reply.type === 1 || reply.type >= 2 ** 31) return replies;
    }
  }

  /** The handshake up to transmission. */
  async go(name = '', { structured = false, allocation = false } = {}): Promise<void> {
    await this.greet();
    if (structured || allocation) {
      this.option(8);
      await this.optionReplies();
    }
    if (allocation) {
      this.option(10, Buffer.concat([text(name), uint32(1), text('base:allocation')]));
      await this.optionReplies();
    }
    this.option(7, Buffer.concat([text(name), uint16(0)]));
    const last = (await this.optionReplies()).at(-1);
    if (last?.type !== 1) throw new Error(`GO was refused: ${last?.type.toString(16)}`);
  }

  request(
    type: number,
    { flags = 0, cookie = 1, offset = 0, length = 0, data = Buffer.alloc(0) }: RequestFields = {},
  ): void {
    const place = Buffer.alloc(8);
    place.writeBigUInt64BE(BigInt(offset));
    this.send(
      uint32(0x25609513),
      uint16(flags),
      uint16(type),
      uint32(0xabcd),
      uint32(cookie),
      place,
      uint32(length),
      data,
    );
  }

  /** A simple reply, `length` bytes of data after it where it is none of an error. */
  async simple(length = 0): Promise<{ errno: number; cookie: number; data: Buffer }> {
    const header = await this.take(16);
    if (header.length < 16) throw new Error('The connection ended');
    if (header.readUInt32BE(0) !== 0x67446698) throw new Error('This is no simple reply');
    if (header.readUInt32BE(8) !== 0xabcd) throw new Error('The cookie is another');
    const errno = header.readUInt32BE(4);
    const data = errno === 0 && length > 0 ? await this.take(length) : Buffer.alloc(0);
    return { errno, cookie: header.readUInt32BE(12), data };
  }

  /** A chunk of a structured reply. */
  async chunk(): Promise<{ done: boolean; type: number; cookie: number; data: Buffer }> {
    const header = await this.take(20);
    if (header.length < 20) throw new Error('The connection ended');
    if (header.readUInt32BE(0) !== 0x668e33ef) throw new Error('This is no structured reply');
    if (header.readUInt32BE(8) !== 0xabcd) throw new Error('The cookie is another');
    const length = header.readUInt32BE(16);
    return {
      done: (header.readUInt16BE(4) & 1) !== 0,
      type: header.readUInt16BE(6),
      cookie: header.readUInt32BE(12),
      data: length === 0 ? Buffer.alloc(0) : await this.take(length),
    };
  }

  destroy(): void {
    this.stream.destroy();
  }
}

export interface RequestFields {
  readonly flags?: number;
  readonly cookie?: number;
  readonly offset?: number | bigint;
  readonly length?: number;
  readonly data?: Buffer;
}

export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A length and that many bytes. */
export function text(value: string): Buffer {
  return Buffer.concat([uint32(Buffer.byteLength(value)), Buffer.from(value)]);
}

/** A connection to a socket or a port of this machine. */
export async function rawClient(to: string | number): Promise<RawClient> {
  const socket: Socket =
    typeof to === 'string'
      ? connect({ path: to, allowHalfOpen: true })
      : connect({ port: to, host: '127.0.0.1' });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return new RawClient(socket);
}
