import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { memoryDisk } from '../../../src/disk/index.ts';
import { serveNbd, type NbdServer } from '../../../src/mount/nbd/index.ts';
import { temporary } from '../../helpers/temporary.ts';
import { rawClient, RawClient, text, uint16, uint32 } from './client.ts';
import { eventually, MiB, serving, sparseDisk } from './serving.ts';

/** That the server serves as before, and holds nothing of anybody else. */
async function sound(t: ExecutionContext<any>, server: NbdServer, to: string): Promise<void> {
  await eventually(t, 'nobody is connected', () => server.connections === 0);
  await eventually(t, 'nothing is in flight', () => server.bytesInFlight === 0);
  const client = await rawClient(to);
  await client.go('disk', { structured: true });
  client.request(0, { length: 4096 });
  t.like(await client.chunk(), { type: 1, done: true });
  client.destroy();
  await eventually(t, 'nobody is connected', () => server.connections === 0);
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

test.serial('garbage at every stage ends its connection and nothing else', async (t) => {
  const { socket, server, notices } = await serving(t, await sparseDisk(), { readOnly: false });
  const stages: ((client: RawClient) => Promise<void>)[] = [
    async () => {},
    async (client) => {
      await client.take(18);
    },
    async (client) => {
      await client.greet();
    },
    async (client) => {
      await client.greet();
      client.option(8);
      await client.optionReplies();
    },
    (client) => client.go(),
    (client) => client.go('disk', { allocation: true }),
    async (client) => {
      await client.go();
      client.request(0, { length: 8 * MiB });
    },
    async (client) => {
      await client.go();
      client.request(1, { length: MiB, data: Buffer.alloc(1000) });
    },
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...stages),
      fc.uint8Array({ minLength: 1, maxLength: 400 }),
      async (stage, garbage) => {
        const client = await rawClient(socket);
        await stage(client);
        client.send(Buffer.from(garbage));
        client.stream.end();
        t.true(await client.closed());
        client.destroy();
      },
    ),
    { numRuns: 150 },
  );
  await sound(t, server, socket);
  t.deepEqual(notices, []);
});

test.serial('connections cut at any byte of a whole conversation leave nothing behind', async (t) => {
  const { socket, server } = await serving(t, await sparseDisk(), { readOnly: false });
  const place = Buffer.alloc(8);
  const request = (type: number, length: number): Buffer =>
    Buffer.concat([uint32(0x25609513), uint16(0), uint16(type), place, place, uint32(length)]);
  const said = Buffer.concat([
    uint32(3),
    Buffer.from('IHAVEOPT'),
    uint32(8),
    uint32(0),
    Buffer.from('IHAVEOPT'),
    uint32(7),
    uint32(10),
    text('disk'),
    uint16(0),
    request(0, 65536),
    request(1, 512),
    Buffer.alloc(512),
    request(3, 0),
    request(7, 4096),
  ]);
  for (let cut = 0; cut <= said.length; cut += cut < 200 ? 1 : 37) {
    const client = await rawClient(socket);
    client.send(said.subarray(0, cut));
    if (cut % 2 === 0) client.destroy();
    else client.stream.end();
    if (cut % 2 !== 0) t.true(await client.closed());
  }
  await sound(t, server, socket);
});

test.serial('lengths beyond all measure are answered or end the connection, and cost no room', async (t) => {
  const { socket, server } = await serving(t, await sparseDisk(), { readOnly: false });
  const client = await rawClient(socket);
  await client.go();
  for (const type of [0, 4, 5, 6]) {
    client.request(type, { length: 2 ** 32 - 1 });
    t.true((await client.simple()).errno > 0);
  }
  t.is(server.bytesInFlight, 0);
  client.request(1, { length: 2 ** 32 - 1, data: Buffer.alloc(4096) });
  t.true(await client.closed());
  await sound(t, server, socket);
});

test.serial('a side that is closed closes the other, at every stage', async (t) => {
  const { socket, server } = await serving(t, await sparseDisk());
  for (const stage of [0, 1, 2]) {
    const client = await rawClient(socket);
    if (stage === 1) await client.greet();
    if (stage === 2) await client.go();
    if (stage === 2) client.request(0, { length: 65536 });
    client.stream.end();
    if (stage === 2) t.is((await client.simple(65536)).data.length, 65536);
    t.true(await client.closed());
  }
  await sound(t, server, socket);
});

test.serial('who does not choose an export in time is shown out', async (t) => {
  const { socket, server } = await serving(t, await sparseDisk(), { limits: { handshake: 100 } });
  const [silent, greeted, chosen] = [
    await rawClient(socket),
    await rawClient(socket),
    await rawClient(socket),
  ];
  await greeted.greet();
  await chosen.go();
  t.true(await silent.closed());
  t.true(await greeted.closed());
  await delay(120);
  chosen.request(0, { length: 512 });
  t.is((await chosen.simple(512)).errno, 0);
  chosen.destroy();
  await eventually(t, 'nobody is connected', () => server.connections === 0);
});

test.serial(
  'a thousand connections at once: as many as may be are served, the others refused, none kept',
  async (t) => {
    const { socket, server } = await serving(t, await sparseDisk(), { limits: { connections: 20 } });
    const before = openFiles();
    const outcomes = await Promise.all(
      Array.from({ length: 1000 }, async () => {
        try {
          const client = await rawClient(socket);
          if ((await client.take(18)).length < 18) return 'refused';
          t.true(server.connections <= 20);
          client.send(uint32(3));
          client.option(7, Buffer.concat([text('disk'), uint16(0)]));
          await client.optionReplies();
          client.request(0, { length: 4096 });
          const { data } = await client.simple(4096);
          client.destroy();
          return data.length === 4096 ? 'served' : 'wrong';
        } catch {
          // The queue of the socket itself is full.
          return 'refused';
        }
      }),
    );
    t.false(outcomes.includes('wrong'));
    t.true(outcomes.filter((outcome) => outcome === 'served').length >= 20);
    await sound(t, server, socket);
    await eventually(t, 'no file is left open', () => openFiles() <= before);
  },
);

test.serial(
  'who takes no replies is given no more than its share, and dropped when others wait for it',
  async (t) => {
    const { socket, server, notices } = await serving(t, memoryDisk(256 * MiB), {
      limits: { room: 33 * MiB, stall: 200 },
    });
    const greedy = connect({ path: socket });
    const client = new RawClient(greedy);
    await client.go();
    greedy.pause();
    for (let i = 0; i < 64; i++) client.request(0, { length: 16 * MiB, offset: i * MiB });
    await eventually(t, 'it has all the room', () => server.bytesInFlight >= 32 * MiB);
    const other = await rawClient(socket);
    await other.go();
    other.request(0, { length: 8 * MiB });
    t.is((await other.simple(8 * MiB)).errno, 0);
    t.deepEqual(
      notices.map(({ code }) => code),
      ['served-stalled'],
    );
    other.destroy();
    greedy.destroy();
    await sound(t, server, socket);
  },
);

test.serial('who announces a payload and never sends it holds nobody up for long', async (t) => {
  const { socket, server, notices } = await serving(t, memoryDisk(64 * MiB), {
    readOnly: false,
    limits: { room: 33 * MiB, stall: 200 },
  });
  const slow = await rawClient(socket);
  await slow.go();
  slow.request(1, { length: 32 * MiB, data: Buffer.alloc(100) });
  await eventually(t, 'it has the room', () => server.bytesInFlight >= 32 * MiB);
  const other = await rawClient(socket);
  await other.go();
  other.request(0, { length: 8 * MiB });
  t.is((await other.simple(8 * MiB)).errno, 0);
  t.is(notices.length, 1);
  t.true(await slow.closed());
  other.destroy();
  await sound(t, server, socket);
});

test.serial('replies that nobody takes are bounded: no more requests are read', async (t) => {
  const { socket, server } = await serving(t, await sparseDisk(), { limits: { requests: 4 } });
  const client = new RawClient(connect({ path: socket }));
  await client.go('disk', { allocation: true });
  for (let i = 0; i < 30_000; i++) client.request(7, { length: 16 * MiB });
  const { stream } = client;
  await delay(50);
  t.true(stream.writableLength > 0, 'the server has stopped reading');
  client.destroy();
  await sound(t, server, socket);
});

test.serial('a server that closes answers what is in flight and leaves nobody hanging', async (t) => {
  const folder = temporary(t);
  const { promise: reads, resolve: finish } = Promise.withResolvers<void>();
  const disk = memoryDisk(MiB);
  const server = await serveNbd({
    listen: { socket: join(folder, 's') },
    exports: [{ name: 'x', description: '', device: { ...disk, read: () => reads }, readOnly: true }],
  });
  const [busy, idle, early] = [
    await rawClient(join(folder, 's')),
    await rawClient(join(folder, 's')),
    await rawClient(join(folder, 's')),
  ];
  await busy.go();
  await idle.go();
  busy.request(0, { length: 512 });
  await eventually(t, 'the read has begun', () => server.bytesInFlight > 0);
  const closed = server.close();
  t.true(await idle.closed());
  t.true(await early.closed());
  finish();
  t.is((await busy.simple(512)).data.length, 512);
  t.true(await busy.closed());
  await closed;
  t.is(server.connections, 0);
  await t.throwsAsync(() => rawClient(join(folder, 's')));
});

test.serial('a signal closes the server; a client that takes nothing cannot keep it', async (t) => {
  const folder = temporary(t);
  const abort = new AbortController();
  const options = {
    listen: { socket: join(folder, 's') },
    exports: [{ name: 'x', description: '', device: memoryDisk(64 * MiB), readOnly: true }],
    limits: { grace: 100 },
    signal: abort.signal,
  };
  const server = await serveNbd(options);
  const stuck = connect({ path: join(folder, 's') });
  const client = new RawClient(stuck);
  await client.go();
  stuck.pause();
  client.request(0, { length: 32 * MiB });
  await eventually(t, 'the reply is on its way', () => server.bytesInFlight > 0);
  abort.abort(new Error('enough'));
  await eventually(t, 'all is closed', () => server.connections === 0 && server.bytesInFlight === 0);
  await server.close();
  stuck.destroy();
  await t.throwsAsync(() => serveNbd(options), { message: 'enough' });
});
