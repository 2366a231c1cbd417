import test from 'ava';
import fc from 'fast-check';
import { faulty, memoryDisk, recording, slice, type BlockDevice } from '../../../src/disk/index.ts';
import { RemetalError } from '../../../src/errors/index.ts';
import { rawClient, type RawClient } from './client.ts';
import { eventually, MiB, patterned, serving, sparseDisk } from './serving.ts';

const errno = { EPERM: 1, EIO: 5, EINVAL: 22, ENOSPC: 28 };
const [read, write, disc, flush, trim, cache, zeroes, status] = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** The error of a structured reply; null where it is none. */
async function chunkErrno(client: RawClient): Promise<number | null> {
  const { type, done, data } = await client.chunk();
  return done && type === 0x8001 ? data.readUInt32BE(0) : null;
}

test('simple replies unless structured ones were asked for', async (t) => {
  const disk = await sparseDisk();
  const { socket } = await serving(t, disk);
  const wanted = Buffer.alloc(8192);
  await disk.read(wanted, MiB - 4096);
  const [plain, structured] = [await rawClient(socket), await rawClient(socket)];
  await plain.go();
  await structured.go('disk', { structured: true });
  plain.request(read, { offset: MiB - 4096, length: 8192, cookie: 5 });
  t.deepEqual(await plain.simple(8192), { errno: 0, cookie: 5, data: wanted });
  // DF is of structured replies alone.
  plain.request(read, { offset: 0, length: 512, flags: 4 });
  t.is((await plain.simple()).errno, errno.EINVAL);
  for (const flags of [0, 4]) {
    structured.request(read, { offset: MiB - 4096, length: 8192, cookie: 6, flags });
    const chunk = await structured.chunk();
    t.like(chunk, { done: true, type: 1, cookie: 6 });
    t.is(chunk.data.readBigUInt64BE(0), BigInt(MiB - 4096));
    t.true(chunk.data.subarray(8).equals(wanted));
  }
  for (const type of [flush, read, cache]) {
    structured.request(type, { length: 0, cookie: 7 });
    t.deepEqual(await structured.chunk(), { done: true, type: 0, cookie: 7, data: Buffer.alloc(0) });
  }
  plain.destroy();
  structured.destroy();
});

test('requests that cannot be are refused one by one, and the connection goes on', async (t) => {
  const disk = recording(memoryDisk(4 * MiB, { sectorSize: 4096 }));
  const { socket, server } = await serving(t, disk, { readOnly: false });
  const client = await rawClient(socket);
  await client.go('', { structured: true });
  const [last, big] = [4 * MiB - 4096, 33 * MiB];
  const refused: [number, Parameters<RawClient['request']>[1], number][] = [
    [read, { offset: 4 * MiB, length: 1 }, errno.EINVAL],
    [read, { offset: last, length: 4097 }, errno.EINVAL],
    [read, { offset: 2n ** 64n - 1n, length: 4096 }, errno.EINVAL],
    [read, { length: big }, errno.EINVAL],
    [read, { length: 2 ** 32 - 1 }, errno.EINVAL],
    [read, { length: 512, flags: 16 }, errno.EINVAL],
    [write, { offset: 4 * MiB, length: 4096, data: Buffer.alloc(4096) }, errno.ENOSPC],
    [write, { offset: 512, length: 4096, data: Buffer.alloc(4096) }, errno.EINVAL],
    [write, { length: 512, data: Buffer.alloc(512) }, errno.EINVAL],
    [write, { length: big, data: Buffer.alloc(big) }, errno.EINVAL],
    [trim, { offset: last, length: 8192 }, errno.ENOSPC],
    [trim, { offset: 1, length: 4096 }, errno.EINVAL],
    [zeroes, { offset: 0, length: 2 ** 32 - 4096 }, errno.ENOSPC],
    [zeroes, { offset: 0, length: 4096, flags: 16 }, errno.EINVAL],
    [cache, { offset: 4 * MiB, length: 512 }, errno.EINVAL],
    [status, { length: 4096 }, errno.EINVAL],
    [8, {}, errno.EINVAL],
    [0xffff, { length: 2 ** 32 - 1 }, errno.EINVAL],
  ];
  for (const [type, fields, wanted] of refused) {
    client.request(type, fields);
    t.is(await chunkErrno(client), wanted, `${type} ${fields?.offset} ${fields?.length}`);
  }
  t.deepEqual(disk.accesses, []);
  client.request(read, { length: 4096 });
  t.like(await client.chunk(), { type: 1 });
  t.is(server.bytesInFlight, 0);
  client.destroy();
});

test('a read-only export refuses whatever writes, and reads go on', async (t) => {
  const disk = recording(await sparseDisk());
  const { socket } = await serving(t, disk);
  const client = await rawClient(socket);
  await client.go();
  client.request(write, { length: 1024, data: Buffer.alloc(1024) });
  client.request(trim, { length: 1024 });
  client.request(zeroes, { length: 1024 });
  client.request(write, { offset: 513, length: 3, data: Buffer.alloc(3) });
  for (let i = 0; i < 4; i++) t.is((await client.simple()).errno, errno.EPERM);
  client.request(flush);
  t.is((await client.simple()).errno, 0);
  client.request(read, { length: 512 });
  t.is((await client.simple(512)).errno, 0);
  t.true(disk.accesses.every(({ call }) => call === 'read' || call === 'flush'));
  client.destroy();
});

test('any bytes can be read, whatever the sectors are', async (t) => {
  for (const sectorSize of [512, 4096]) {
    const disk = memoryDisk(MiB, { sectorSize });
    const bytes = patterned(MiB);
    await disk.write(bytes, 0);
    const { socket } = await serving(t, disk);
    const client = await rawClient(socket);
    await client.go();
    await fc.assert(
      fc.asyncProperty(fc.nat(MiB - 1), fc.integer({ min: 1, max: 20_000 }), async (offset, wanted) => {
        const length = Math.min(wanted, MiB - offset);
        client.request(read, { offset, length });
        t.true((await client.simple(length)).data.equals(bytes.subarray(offset, offset + length)));
      }),
      { numRuns: 50 },
    );
    client.destroy();
  }
});

test('FUA and FLUSH reach the disk after what they are for', async (t) => {
  const disk = recording(memoryDisk(4 * MiB));
  const { socket } = await serving(t, disk, { readOnly: false });
  const client = await rawClient(socket);
  await client.go();
  for (const [type, data] of [
    [write, Buffer.alloc(512, 1)],
    [zeroes, Buffer.alloc(0)],
    [trim, Buffer.alloc(0)],
  ] as const) {
    client.request(type, { flags: 1, length: 512, data });
    t.is((await client.simple()).errno, 0);
  }
  client.request(write, { length: 512, offset: 512, data: Buffer.alloc(512, 2) });
  await client.simple();
  client.request(flush);
  await client.simple();
  t.deepEqual(
    disk.accesses.map(({ call }) => call),
    ['write', 'flush', 'writeZeroes', 'flush', 'discard', 'flush', 'write', 'flush'],
  );
  client.destroy();
});

test('where data lies is told run by run, the first alone where one is wanted, and anew after a write', async (t) => {
  const { socket } = await serving(t, await sparseDisk(), { readOnly: false });
  const client = await rawClient(socket);
  await client.go('disk', { allocation: true });
  const states = async (offset: number, length: number, flags = 0): Promise<number[][]> => {
    client.request(status, { offset, length, flags });
    const { type, done, data } = await client.chunk();
    t.deepEqual([type, done, data.readUInt32BE(0)], [5, true, 1]);
    return Array.from({ length: (data.length - 4) / 8 }, (_, i) => [
      data.readUInt32BE(4 + 8 * i),
      data.readUInt32BE(8 + 8 * i),
    ]);
  };
  t.deepEqual(await states(MiB / 2, 3 * MiB), [
    [MiB / 2, 0],
    [2 * MiB, 3],
    [MiB / 2, 0],
  ]);
  t.deepEqual(await states(MiB, 15 * MiB, 8), [[2 * MiB, 3]]);
  client.request(write, { offset: 8 * MiB, length: 65536, data: Buffer.alloc(65536, 1) });
  await client.chunk();
  t.deepEqual(await states(8 * MiB, MiB), [
    [65536, 0],
    [MiB - 65536, 3],
  ]);
  client.request(status, { offset: 0, length: 0 });
  t.is(await chunkErrno(client), errno.EINVAL);
  client.destroy();
});

test('where a disk cannot tell, all of it is data, and that is told', async (t) => {
  const plain = memoryDisk(4 * MiB);
  const silent = slice(plain, 0, plain.size);
  delete silent.dataExtents;
  const failing = { ...plain, dataExtents: () => Promise.reject(new Error('no map')) };
  for (const [device, told] of [
    [silent, 0],
    [failing, 1],
  ] as const) {
    const { socket, notices } = await serving(t, device);
    const client = await rawClient(socket);
    await client.go('', { allocation: true });
    client.request(status, { offset: 0, length: 4 * MiB });
    t.is(
      (await client.chunk()).data.toString('hex'),
      `00000001${(4 * MiB).toString(16).padStart(8, '0')}00000000`,
    );
    t.is(notices.length, told);
    client.destroy();
  }
});

/** A disk whose reads end when they are told to. */
function slow(disk: BlockDevice): {
  device: BlockDevice;
  finish: (offset: number) => void;
  pending: () => number;
} {
  const waiting = new Map<number, () => void>();
  return {
    device: {
      ...disk,
      async read(target, offset) {
        await new Promise<void>((resolve) => {
          waiting.set(offset, resolve);
        });
        await disk.read(target, offset);
      },
    },
    finish: (offset) => {
      waiting.get(offset)?.();
      waiting.delete(offset);
    },
    pending: () => waiting.size,
  };
}

test('requests are answered as they are done, not as they came', async (t) => {
  const { device, finish, pending } = slow(await sparseDisk());
  const { socket } = await serving(t, device);
  const client = await rawClient(socket);
  await client.go();
  for (let i = 0; i < 4; i++) client.request(read, { offset: i * 512, length: 512, cookie: i });
  client.request(flush, { cookie: 9 });
  t.is((await client.simple()).cookie, 9);
  await eventually(t, 'all reads have begun', () => pending() === 4);
  for (const i of [3, 1, 0, 2]) {
    finish(i * 512);
    t.like(await client.simple(512), { cookie: i, data: patterned(MiB).subarray(i * 512, i * 512 + 512) });
  }
  client.destroy();
});

test('no more requests are read than may be in flight, nor more bytes than there is room for', async (t) => {
  const { device, finish, pending } = slow(memoryDisk(256 * MiB));
  const { socket, server } = await serving(t, device, { limits: { requests: 8, room: 40 * MiB } });
  const client = await rawClient(socket);
  await client.go();
  for (let i = 0; i < 20; i++) client.request(read, { offset: i * 512, length: 512, cookie: i });
  await eventually(t, 'eight reads have begun', () => pending() === 8);
  for (let i = 0; i < 20; i++) {
    await eventually(t, 'the next has begun', () => pending() > 0);
    t.true(pending() <= 8);
    finish(i * 512);
    t.is((await client.simple(512)).cookie, i);
  }
  for (let i = 0; i < 4; i++) client.request(read, { offset: i * 32 * MiB, length: 32 * MiB, cookie: i });
  for (let i = 0; i < 4; i++) {
    await eventually(t, 'one has begun', () => pending() === 1);
    t.true(server.bytesInFlight <= 40 * MiB);
    finish(i * 32 * MiB);
    t.is((await client.simple(32 * MiB)).cookie, i);
  }
  await eventually(t, 'all room is back', () => server.bytesInFlight === 0);
  client.destroy();
});

test('what a disk cannot read is an input/output error, told once, and the connection stays', async (t) => {
  const disk = faulty(await sparseDisk(), {
    unreadable: [{ start: 8192, length: 512 }],
    unwritable: [{ start: 4096, length: 512 }],
  });
  const { socket, notices, server } = await serving(t, disk, { readOnly: false });
  const client = await rawClient(socket);
  await client.go();
  for (let i = 0; i < 3; i++) {
    client.request(read, { offset: 8192, length: 1024 });
    t.is((await client.simple(1024)).errno, errno.EIO);
    client.request(write, { offset: 4096, length: 512, data: Buffer.alloc(512) });
    t.is((await client.simple()).errno, errno.EIO);
    client.request(cache, { offset: 8192, length: 1024 });
    t.is((await client.simple()).errno, errno.EIO);
  }
  client.request(read, { offset: 0, length: 4096 });
  t.is((await client.simple(4096)).errno, 0);
  t.deepEqual(
    notices.map(({ code, level }) => [code, level]),
    [
      ['served-read-failed', 'warning'],
      ['served-write-failed', 'warning'],
    ],
  );
  t.regex(notices[0]!.message, /^A read of disk failed .* could not read 1024 bytes at 8192\. /);
  t.is(server.bytesInFlight, 0);
  client.destroy();
});

function full(): Promise<never> {
  return Promise.reject(new RemetalError('overlay-full', 'The overlay is full.'));
}

test('a full overlay is a full disk to the client', async (t) => {
  const device = { ...memoryDisk(MiB), write: full, writeZeroes: full };
  const { socket, notices } = await serving(t, device, { readOnly: false });
  const client = await rawClient(socket);
  await client.go();
  client.request(write, { length: 512, data: Buffer.alloc(512) });
  client.request(zeroes, { length: 512 });
  t.is((await client.simple()).errno, errno.ENOSPC);
  t.is((await client.simple()).errno, errno.ENOSPC);
  t.deepEqual(
    notices.map(({ code }) => code),
    ['served-full'],
  );
  client.destroy();
});

test('after DISC what is in flight is answered and the connection closed', async (t) => {
  const { device, finish, pending } = slow(await sparseDisk());
  const { socket, server } = await serving(t, device);
  const client = await rawClient(socket);
  await client.go();
  client.request(read, { length: 512, cookie: 3 });
  client.request(disc);
  await eventually(t, 'the read has begun', () => pending() === 1);
  finish(0);
  t.like(await client.simple(512), { errno: 0, cookie: 3 });
  t.true(await client.closed());
  await eventually(t, 'the connection is gone', () => server.connections === 0);
});

test('a client that has said its last gets the answers it waits for', async (t) => {
  const { device, finish, pending } = slow(await sparseDisk());
  const { socket, server } = await serving(t, device);
  const client = await rawClient(socket);
  await client.go();
  client.request(read, { length: 512, cookie: 3 });
  client.stream.end();
  await eventually(t, 'the read has begun', () => pending() === 1);
  await new Promise(setImmediate);
  finish(0);
  t.like(await client.simple(512), { errno: 0, cookie: 3 });
  t.true(await client.closed());
  await eventually(t, 'the connection is gone', () => server.connections === 0);
});

test('who asks for very much keeps nobody out', async (t) => {
  const { device, finish, pending } = slow(memoryDisk(256 * MiB));
  const { socket } = await serving(t, device, { limits: { room: 33 * MiB } });
  const [greedy, other] = [await rawClient(socket), await rawClient(socket)];
  await greedy.go();
  await other.go();
  for (let i = 0; i < 8; i++) greedy.request(read, { offset: i * 32 * MiB, length: 32 * MiB, cookie: i });
  await eventually(t, 'one has all the room', () => pending() === 1);
  // The second of the greedy one waits by now, and after it the other's.
  await new Promise((resolve) => setTimeout(resolve, 20));
  other.request(read, { offset: 512, length: 4 * MiB });
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const turn of [0, 1]) {
    finish(turn * 32 * MiB);
    t.is((await greedy.simple(32 * MiB)).cookie, turn);
    await eventually(t, 'the next has begun', () => pending() === 1);
  }
  finish(512);
  t.is((await other.simple(4 * MiB)).errno, 0);
  greedy.destroy();
  other.destroy();
  for (let i = 2; i < 8; i++) {
    finish(i * 32 * MiB);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});
