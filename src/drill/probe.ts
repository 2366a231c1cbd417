import { connect, createServer } from 'node:net';
import { RemetalError } from '../errors/index.ts';

/** A service of the guest that has to answer. */
export interface Probe {
  /** `tcp` waits for the greeting of the service; `http` asks for the front page and waits for the answer. */
  readonly kind: 'tcp' | 'http';
  /** The address the guest has of itself; null where it asks for one. */
  readonly address: string | null;
  readonly port: number;
}

const probePattern = /^(tcp|http):(?:(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{1,5})$/;

/** Reads `tcp:22`, `http:80` or `tcp:192.0.2.10:22`. Throws `usage`. */
export function parseProbe(text: string): Probe {
  const [, kind, address, port] = probePattern.exec(text) ?? [];
  const number = Number(port);
  const inRange = address === undefined || address.split('.').every((part) => Number(part) < 256);
  if (kind === undefined || !inRange || number < 1 || number > 65_535) {
    throw new RemetalError('usage', `"${text}" is no probe.`, {
      hint: 'Write tcp:22, http:80, or tcp:192.0.2.10:22 where the guest has a fixed address.',
    });
  }
  return { kind: kind === 'http' ? 'http' : 'tcp', address: address ?? null, port: number };
}

/** A port of this host that nobody uses. */
export async function freePort(): Promise<number> {
  const server = createServer();
  return await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/**
 * Asks once, through the port of this host that leads to the guest, and gives back the first line it answered with; null
 * where nothing came within `milliseconds`. A connection alone is no answer: QEMU takes it in the guest's place.
 */
export async function ask(probe: Probe, hostPort: number, milliseconds: number): Promise<string | null> {
  return await new Promise((resolve) => {
    const socket = connect(hostPort, '127.0.0.1', () => {
      if (probe.kind === 'http') socket.write('GET / HTTP/1.0\r\nHost: drill\r\n\r\n');
    });
    const done = (answer: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => done(null), milliseconds);
    socket.once('data', (bytes: Buffer) => done(bytes.toString('latin1').split(/[\r\n]/)[0] ?? ''));
    socket.once('error', () => done(null));
    socket.once('close', () => done(null));
  });
}
