import { chmod, lstat, mkdir, rm } from 'node:fs/promises';
import { connect, type AddressInfo, type Server } from 'node:net';
import { dirname } from 'node:path';
import { RemetalError, systemCode } from '../../errors/index.ts';

/** Certificate and key of the server and, to ask clients for theirs, that of the authority; all PEM. */
export interface TlsFiles {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca?: string | Buffer;
}

/** Where a server listens: a unix socket of the user alone, or a TCP port (0 for any), encrypted or not. */
export type ListenAt =
  | { readonly socket: string }
  | { readonly host: string; readonly port: number; readonly tls: TlsFiles | null };

/** The address of a unix socket ends here, bytes (`sun_path` without the last zero). */
const longestPath = 107;

/**
 * The URI of an export, as libnbd and qemu take it (the NBD URI specification).
 *
 * @param port The one that was given, where 0 was asked for.
 */
export function exportUri(at: ListenAt, name: string, port?: number): string {
  const path = encodeURIComponent(name);
  if ('socket' in at) {
    return `nbd+unix:///${path}?socket=${at.socket.split('/').map(encodeURIComponent).join('/')}`;
  }
  const host = at.host.includes(':') ? `[${at.host}]` : at.host;
  return `${at.tls === null ? 'nbd' : 'nbds'}://${host}:${port ?? at.port}/${path}`;
}

/**
 * Lets a server listen, and gives the TCP port or null. A socket that a server left behind that is no more
 * is removed; the folder of a socket is made where it is missing, for the user alone.
 *
 * @throws `usage` (a path that is too long), `file-exists` (something that is no socket stands there, or
 *   somebody serves there), `server-failed`
 */
export async function listenAt(server: Server, at: ListenAt): Promise<number | null> {
  if ('socket' in at) await clearSocket(at.socket);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  if ('socket' in at) {
    const mask = process.umask(0o177);
    // The socket is made before this returns.
    server.listen(at.socket, resolve);
    process.umask(mask);
  } else {
    server.listen({ host: at.host, port: at.port }, resolve);
  }
  try {
    await promise;
    if ('socket' in at) await chmod(at.socket, 0o600);
  } catch (cause) {
    const where = 'socket' in at ? at.socket : `${at.host}:${at.port}`;
    throw new RemetalError('server-failed', `Nothing can be served at ${where}: ${listenFailure(cause)}`, {
      facts: { where, errno: systemCode(cause) },
      cause,
    });
  } finally {
    server.off('error', reject);
  }
  const address: string | AddressInfo | null = server.address();
  return typeof address === 'object' && address !== null ? address.port : null;
}

function listenFailure(cause: unknown): string {
  switch (systemCode(cause)) {
    case 'EADDRINUSE':
      return 'another program listens there.';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not.';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'this machine has no such address.';
    default:
      return cause instanceof Error ? cause.message : String(cause);
  }
}

async function clearSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > longestPath) {
    throw new RemetalError(
      'usage',
      `The path of a socket has at most ${longestPath} bytes, and ${path} is longer.`,
      {
        hint: 'Name a shorter one.',
        facts: { path },
      },
    );
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const there = await lstat(path).catch(() => null);
  if (there === null) return;
  if (!there.isSocket() || (await answers(path))) {
    throw new RemetalError(
      'file-exists',
      there.isSocket() ? `Another program serves at ${path}.` : `${path} is there already and is no socket.`,
      { hint: 'Name another socket.', facts: { path } },
    );
  }
  await rm(path, { force: true });
}

/** True when somebody listens on a socket. */
async function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path, () => resolve(true));
  socket.on('error', (error) =>
    resolve(systemCode(error) !== 'ECONNREFUSED' && systemCode(error) !== 'ENOENT'),
  );
  const found = await promise;
  socket.destroy();
  return found;
}
