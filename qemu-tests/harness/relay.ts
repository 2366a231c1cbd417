import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setImmediate as afterPolling } from 'node:timers/promises';

export interface Relay {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Passes connections on to a port of this host, bytes as they are. Before an answer goes back, `settled` is
 * awaited: what the other side said on its other pipes before it answered has been heard by then.
 */
export async function startRelay(port: number, settled: () => Promise<void>): Promise<Relay> {
  const sockets = new Set<Socket>();
  async function* held(answers: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const answer of answers) {
      // All that was readable together with the answer is read in the same turn of the event loop.
      await afterPolling();
      await settled();
      yield answer;
    }
  }
  const server = createServer((guest) => {
    const target = connect(port, '127.0.0.1');
    for (const socket of [guest, target]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    }
    // A side that goes away takes the other one with it.
    pipeline(guest, target).catch(() => guest.destroy());
    pipeline(target, held, guest).catch(() => target.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The relay has no port.');
  return {
    port: address.port,
    async close(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
