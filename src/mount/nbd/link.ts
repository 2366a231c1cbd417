import type { Socket } from 'node:net';
import { createServer, TLSSocket, type TlsOptions } from 'node:tls';
import { Inbox } from './inbox.ts';

/** One connection as a stream of bytes both ways, in the clear at first and encrypted once that was agreed. */
export class Link {
  #socket: Socket;
  #inbox: Inbox;
  readonly #tls: TlsOptions | null;
  /** Ended when the connection is gone. */
  readonly gone: Promise<void>;

  constructor(socket: Socket, tls: TlsOptions | null) {
    this.#socket = socket;
    this.#tls = tls;
    socket.setNoDelay(true);
    // A machine at the other end that lost its power says nothing any more.
    socket.setKeepAlive(true, 60_000);
    // A client that vanishes is no error of ours; 'close' follows.
    socket.on('error', () => {});
    this.gone = new Promise((resolve) => {
      socket.once('close', () => resolve());
    });
    this.#inbox = new Inbox(socket);
  }

  get inbox(): Inbox {
    return this.#inbox;
  }

  get secure(): boolean {
    return this.#socket instanceof TLSSocket;
  }

  /** True while nothing may be said but that TLS is wanted. */
  get wantsTls(): boolean {
    return this.#tls !== null && !this.secure;
  }

  /** Bytes handed over that have not gone out. */
  get unsent(): number {
    return this.#socket.writableLength;
  }

  /** Sends and waits until the bytes have gone out; false where they cannot. */
  async send(bytes: Buffer): Promise<boolean> {
    return await new Promise((resolve) => {
      this.put(bytes, null, (error) => resolve(error === undefined || error === null));
    });
  }

  /** Sends, and calls back once both have gone out or cannot. */
  put(head: Buffer, payload: Buffer | null, sent: (error?: Error | null) => void): void {
    if (payload === null) {
      this.#socket.write(head, sent);
      return;
    }
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(payload, sent);
    this.#socket.uncork();
  }

  /** Sends `agreed` in the clear and goes on encrypted; false where the client cannot. */
  async startTls(agreed: Buffer): Promise<boolean> {
    const plain = this.#socket;
    // Bytes sent before the answer would count as encrypted ones, though anybody may have slipped them in.
    if (this.#tls === null || plain.readableLength > 0) return false;
    const { promise, resolve } = Promise.withResolvers<TLSSocket | null>();
    // It listens to nothing: a connection may be handed to it, and it alone checks a client's certificate.
    const server = createServer(this.#tls, resolve);
    server.once('tlsClientError', () => resolve(null));
    plain.once('close', () => resolve(null));
    this.#inbox.stop();
    plain.write(agreed);
    server.emit('connection', plain);
    const secured = await promise;
    if (secured === null) return false;
    secured.on('error', () => {});
    this.#socket = secured;
    this.#inbox = new Inbox(secured);
    return true;
  }

  /** Closes once everything has gone out. */
  end(): void {
    this.#socket.destroySoon();
  }

  /** Closes at once. */
  destroy(): void {
    this.#socket.destroy();
  }
}
