import { writeFileSync, mkdirSync, statSync, existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { memoryDisk } from '../../../src/disk/index.ts';
import { exportUri, serveNbd } from '../../../src/mount/nbd/index.ts';
import { temporary } from '../../helpers/temporary.ts';
import { rawClient, text, uint16, uint32 } from './client.ts';
import { MiB, serving } from './serving.ts';

const disk = (): ReturnType<typeof memoryDisk> => memoryDisk(4 * MiB);
const codes = {
  ack: 1,
  unsupported: 0x80000001,
  policy: 0x80000002,
  invalid: 0x80000003,
  unknown: 0x80000006,
};
const tooBig = 0x80000009;

test('the greeting is that of fixed newstyle', async (t) => {
  const { socket } = await serving(t, disk());
  const client = await rawClient(socket);
  t.is((await client.greet()).toString('latin1'), 'NBDMAGICIHAVEOPT\0\u0003');
  client.destroy();
});

test('an unknown option is told to be one, and the next is answered', async (t) => {
  const { socket } = await serving(t, disk());
  const client = await rawClient(socket);
  await client.greet();
  // EXTENDED_HEADERS, one that was never given out, and PEEK_EXPORT with data.
  for (const [type, data] of [
    [11, ''],
    [4711, ''],
    [4, 'abc'],
  ] as const) {
    client.option(type, Buffer.from(data));
    t.like(await client.optionReply(), { option: type, type: codes.unsupported });
  }
  client.option(5);
  t.like(await client.optionReply(), { type: codes.policy }, 'there is no TLS on a unix socket');
  client.option(2);
  t.like(await client.optionReply(), { option: 2, type: codes.ack });
  t.true(await client.closed());
});

test('data of an option that is malformed, or should not be there, is told to be so', async (t) => {
  const { socket } = await serving(t, disk());
  const client = await rawClient(socket);
  await client.greet();
  client.option(8);
  t.like(await client.optionReply(), { type: codes.ack });
  const malformed: [number, Buffer][] = [
    [3, Buffer.from('x')],
    [5, Buffer.from('x')],
    [8, Buffer.from('x')],
    [6, Buffer.alloc(0)],
    [7, Buffer.alloc(3)],
    [7, Buffer.concat([uint32(9), Buffer.from('disk'), uint16(0)])],
    [7, Buffer.concat([text('disk'), uint16(2), uint16(0)])],
    [9, Buffer.concat([text('disk'), uint32(1)])],
    [10, Buffer.concat([text('disk'), uint32(2 ** 32 - 1)])],
    [10, Buffer.concat([text('n'.repeat(5000)), uint32(0)])],
  ];
  for (const [type, data] of malformed) {
    client.option(type, data);
    t.like(
      await client.optionReply(),
      { option: type, type: codes.invalid },
      `${type} ${data.toString('hex')}`,
    );
  }
  for (const type of [6, 7, 9, 10]) {
    const rest = type < 9 ? uint16(0) : uint32(0);
    client.option(type, Buffer.concat([text('other'), rest]));
    t.like(await client.optionReply(), { option: type, type: codes.unknown });
  }
  client.destroy();
});

test('an option longer than any is passed over, one without end is no client', async (t) => {
  const { socket, server } = await serving(t, disk());
  const client = await rawClient(socket);
  await client.greet();
  client.option(10, Buffer.alloc(200_000));
  t.like(await client.optionReply(), { option: 10, type: tooBig });
  client.option(3);
  t.deepEqual(
    (await client.optionReplies()).map(({ type }) => type),
    [2, codes.ack],
  );
  client.option(10, Buffer.alloc(0), 2 ** 32 - 1);
  t.true(await client.closed());
  t.is(server.connections, 0);
});

test('what GO tells: size, flags, block sizes, and the name and description where they are asked for', async (t) => {
  const { socket } = await serving(t, memoryDisk(8 * MiB, { sectorSize: 4096 }));
  const client = await rawClient(socket);
  await client.greet();
  client.option(6, Buffer.concat([text(''), uint16(2), uint16(1), uint16(2)]));
  const replies = await client.optionReplies();
  t.deepEqual(
    replies.map(({ type, data }) => [type, data.toString('hex')]),
    [
      [3, `00000000000000800000${(1 | 2 | 256 | 1024).toString(16).padStart(4, '0')}`],
      [3, '0003000010000000100002000000'],
      [3, `0001${Buffer.from('disk').toString('hex')}`],
      [3, `0002${Buffer.from('A disk').toString('hex')}`],
      [1, ''],
    ],
  );
  client.destroy();
});

test('EXPORT_NAME is answered too, with and without the zeros, and closes where there is no such export', async (t) => {
  const { socket } = await serving(t, disk(), { readOnly: false });
  for (const [flags, zeros] of [
    [3, 0],
    [1, 124],
    [0, 124],
  ] as const) {
    const client = await rawClient(socket);
    await client.greet(flags);
    client.option(1, Buffer.from('disk'));
    const answer = await client.take(10 + zeros);
    t.is(answer.readBigUInt64BE(0), BigInt(4 * MiB));
    t.is(answer.readUInt16BE(8), 1 | 4 | 8 | 32 | 64 | 256 | 1024);
    t.true(answer.subarray(10).every((byte) => byte === 0));
    client.request(0, { length: 512 });
    t.like(await client.simple(512), { errno: 0, cookie: 1 });
    client.destroy();
  }
  for (const name of ['other', 'n'.repeat(5000)]) {
    const client = await rawClient(socket);
    await client.greet();
    client.option(1, Buffer.from(name));
    t.true(await client.closed());
  }
});

function asked(...queries: string[]): Buffer {
  return Buffer.concat([text('disk'), uint32(queries.length), ...queries.map(text)]);
}

test('contexts are listed and set, after structured replies were asked for only', async (t) => {
  const { socket } = await serving(t, disk());
  const client = await rawClient(socket);
  await client.greet();
  client.option(10, asked('base:allocation'));
  t.like(await client.optionReply(), { type: codes.invalid });
  client.option(8);
  await client.optionReply();
  const answered = async (type: number, ...queries: string[]): Promise<string[]> => {
    client.option(type, asked(...queries));
    return (await client.optionReplies()).map(({ data }) => data.toString('latin1'));
  };
  t.deepEqual(await answered(9), ['\0\0\0\0base:allocation', '']);
  t.deepEqual(await answered(9, 'base:'), ['\0\0\0\0base:allocation', '']);
  t.deepEqual(await answered(9, 'qemu:dirty-bitmap:x'), ['']);
  t.deepEqual(await answered(10), ['']);
  t.deepEqual(await answered(10, 'base:'), [''], 'a name space is none of its contexts');
  t.deepEqual(await answered(10, 'other:x', 'base:allocation'), ['\0\0\0\u0001base:allocation', '']);
  client.destroy();
});

test('a context that was set for one export is not set for another', async (t) => {
  const folder = temporary(t);
  const server = await serveNbd({
    listen: { socket: join(folder, 's') },
    exports: ['one', 'two'].map((name) => ({ name, description: '', device: disk(), readOnly: true })),
  });
  t.teardown(() => server.close());
  const client = await rawClient(join(folder, 's'));
  await client.greet();
  client.option(8);
  await client.optionReply();
  client.option(10, Buffer.concat([text('one'), uint32(1), text('base:allocation')]));
  await client.optionReplies();
  client.option(7, Buffer.concat([text('two'), uint16(0)]));
  await client.optionReplies();
  client.request(7, { length: 4096 });
  t.like(await client.chunk(), { done: true, type: 0x8001 });
  client.destroy();
});

test('the socket is of the user alone, in a folder of the user alone, and gone afterwards', async (t) => {
  const socket = join(temporary(t), 'deep', 'er', 's');
  const server = await serveNbd({
    listen: { socket },
    exports: [{ name: 'x', description: '', device: disk(), readOnly: true }],
  });
  t.is(statSync(socket).mode & 0o777, 0o600);
  t.is(statSync(join(socket, '..')).mode & 0o777, 0o700);
  await server.close();
  await server.close();
  t.false(existsSync(socket));
});

test('a socket left behind is taken; one that is served, or something else, is left alone', async (t) => {
  const folder = temporary(t);
  const exports = [{ name: 'x', description: '', device: disk(), readOnly: true }];
  const socket = join(folder, 's');
  const first = await serveNbd({ listen: { socket }, exports });
  await t.throwsAsync(() => serveNbd({ listen: { socket }, exports }), { code: 'file-exists' });
  t.true((await rawClient(socket)).stream.writable);
  await first.close();

  // A socket without anybody behind it: made by one that moves it aside before it closes.
  const { promise, resolve } = Promise.withResolvers<void>();
  const left = createServer().listen(socket, resolve);
  await promise;
  const aside = join(folder, 'aside');
  const { renameSync } = await import('node:fs');
  renameSync(socket, aside);
  left.close();
  renameSync(aside, socket);
  const second = await serveNbd({ listen: { socket }, exports });
  (await rawClient(socket)).destroy();
  await second.close();

  writeFileSync(socket, 'a file');
  await t.throwsAsync(() => serveNbd({ listen: { socket }, exports }), { code: 'file-exists' });
  const long = join(folder, 'n'.repeat(120));
  await t.throwsAsync(() => serveNbd({ listen: { socket: long }, exports }), { code: 'usage' });
  mkdirSync(join(folder, 'd'));
  await t.throwsAsync(() => serveNbd({ listen: { socket: join(folder, 'd') }, exports }), {
    code: 'file-exists',
  });
});

test('URIs name what they are of', (t) => {
  t.is(exportUri({ socket: '/a b/s?' }, 'é/1'), 'nbd+unix:///%C3%A9%2F1?socket=/a%20b/s%3F');
  t.is(exportUri({ host: '::1', port: 1, tls: null }, ''), 'nbd://[::1]:1/');
  t.is(exportUri({ host: 'h', port: 0, tls: { cert: '', key: '' } }, 'x', 7), 'nbds://h:7/x');
});

test('a port that is taken is told of', async (t) => {
  const exports = [{ name: 'x', description: '', device: disk(), readOnly: true }];
  const listen = { host: '127.0.0.1', port: 0, tls: null };
  const server = await serveNbd({ listen, exports });
  t.teardown(() => server.close());
  t.is(server.uri, `nbd://127.0.0.1:${server.port}/x`);
  await t.throwsAsync(() => serveNbd({ listen: { ...listen, port: server.port! }, exports }), {
    code: 'server-failed',
    message: /another program listens there/,
  });
  const client = await rawClient(server.port!);
  await client.go();
  client.destroy();
});
