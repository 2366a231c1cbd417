import { createServer, type Socket } from 'node:net';
import { createSecureContext, type TlsOptions } from 'node:tls';
import { RemetalError } from '../../errors/index.ts';
import type { Notice } from '../../progress/index.ts';
import { exportUri, listenAt, type ListenAt } from './address.ts';
import { usualLimits, type Limits } from './limits.ts';
import { Link } from './link.ts';
import { Negotiation } from './negotiation.ts';
import { longestName, longestRequest } from './protocol.ts';
import { Room } from './room.ts';
import { Served, type NbdExport } from './served.ts';
import { Transmission } from './transmission.ts';

export type { NbdExport } from './served.ts';

export interface ServeOptions {
  /** At least one; a client that names none gets the first. Their devices stay open and are the caller's. */
  readonly exports: readonly NbdExport[];
  readonly listen: ListenAt;
  /** Told what goes wrong while serving: each kind of failure of an export once. */
  readonly tell?: (notice: Notice) => void;
  /** Closes the server. */
  readonly signal?: AbortSignal;
  readonly limits?: Partial<Limits>;
}

/** A server that listens. */
export interface NbdServer {
  /** Of the first export; `exportUri` makes those of the others. */
  readonly uri: string;
  /** The TCP port, or null. */
  readonly port: number | null;
  /** Clients connected now. */
  readonly connections: number;
  /** Bytes that requests in flight hold now. */
  readonly bytesInFlight: number;
  /** Takes no more requests, answers those in flight, and closes every connection. May be called again. */
  close(): Promise<void>;
}

/**
 * Serves block devices until it is closed. Requests are answered as they are done, several at a time, within
 * fixed bounds of memory; what a client sends that is no request ends its connection and nothing else.
 *
 * @throws `usage`, `file-exists` or `server-failed` where nothing can be served at the address, `interrupted`
 */
export async function serveNbd(options: ServeOptions): Promise<NbdServer> {
  options.signal?.throwIfAborted();
  checkExports(options.exports);
  const limits = { ...usualLimits, ...options.limits };
  const tell = options.tell ?? ((): void => {});
  const exports = options.exports.map((served) => new Served(served, tell));
  // A read off the grid may need one sector more than it asks for, at both ends.
  const room = new Room(Math.max(limits.room, longestRequest + 65536));
  const clients = new Set<Client>();
  const tls = tlsOptions(options.listen);

  // A client that has said its last still gets its answers; then its connection is closed.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const client = new Client(socket, { exports, room, limits, tls });
    clients.add(client);
    void client.run().finally(() => clients.delete(client));
  });
  server.maxConnections = limits.connections;
  const port = await listenAt(server, options.listen);

  const watch = setInterval(() => {
    if (room.waiting === 0) return;
    for (const client of clients) {
      if (!client.stalled()) continue;
      client.drop();
      tell({
        level: 'warning',
        code: 'served-stalled',
        message:
          'A client that neither sent nor took what it had asked for was dropped: others waited for its room.',
      });
    }
  }, limits.stall / 4).unref();
  let closing: Promise<void> | null = null;
  const shut = async (): Promise<void> => {
    options.signal?.removeEventListener('abort', onAbort);
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    await Promise.all([...clients].map((client) => client.close()));
    await closed;
    clearInterval(watch);
  };
  const close = (): Promise<void> => (closing ??= shut());
  const onAbort = (): void => void close();
  if (options.signal?.aborted === true) await close();
  options.signal?.throwIfAborted();
  options.signal?.addEventListener('abort', onAbort);
  return {
    uri: exportUri(options.listen, exports[0]!.name, port ?? undefined),
    port,
    get connections() {
      return clients.size;
    },
    get bytesInFlight() {
      return room.used;
    },
    close,
  };
}

function checkExports(exports: readonly NbdExport[]): void {
  const names = new Set(exports.map(({ name }) => name));
  const sound = exports.every(
    ({ name, description }) =>
      Buffer.byteLength(name) <= longestName && Buffer.byteLength(description) <= longestName,
  );
  if (exports.length === 0 || names.size < exports.length || !sound) {
    throw new RemetalError('internal', 'What is served has names that are missing, doubled or too long', {
      facts: { names: exports.map(({ name }) => name) },
    });
  }
}

function tlsOptions(listen: ListenAt): TlsOptions | null {
  if ('socket' in listen || listen.tls === null) return null;
  const { cert, key, ca } = listen.tls;
  const files = { cert, key, ...(ca === undefined ? {} : { ca }), minVersion: 'TLSv1.2' as const };
  const askClients = ca !== undefined;
  try {
    createSecureContext(files);
    return { ...files, requestCert: askClients, rejectUnauthorized: askClients };
  } catch (cause) {
    throw new RemetalError('usage', 'The certificate and key for TLS are not a pair of PEM files.', {
      hint: 'Name the certificate with its chain, and its key without a passphrase.',
      cause,
    });
  }
}

interface ClientOptions {
  readonly exports: readonly Served[];
  readonly room: Room;
  readonly limits: Limits;
  readonly tls: TlsOptions | null;
}

/** One connection from its first byte to its last. */
class Client {
  readonly #link: Link;
  readonly #options: ClientOptions;
  #transmission: Transmission | null = null;

  constructor(socket: Socket, options: ClientOptions) {
    this.#link = new Link(socket, options.tls);
    this.#options = options;
  }

  async run(): Promise<void> {
    const { exports, room, limits } = this.#options;
    const late = setTimeout(() => this.drop(), limits.handshake).unref();
    const agreement = await new Negotiation(this.#link, exports).run();
    clearTimeout(late);
    if (agreement !== null) {
      this.#transmission = new Transmission(this.#link, agreement, room, limits);
      await this.#transmission.run();
    }
    this.#link.end();
    await this.#link.gone;
  }

  stalled(): boolean {
    return this.#transmission?.stalled(performance.now()) === true;
  }

  drop(): void {
    this.#link.destroy();
  }

  /** Ends the connection once what is in flight is answered, or after a while. */
  async close(): Promise<void> {
    const late = setTimeout(() => this.drop(), this.#options.limits.grace).unref();
    this.#link.inbox.stop();
    await this.#link.gone;
    clearTimeout(late);
  }
}
