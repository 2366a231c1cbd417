import test from 'ava';
import fc from 'fast-check';
import { intersect, invert, normalize, total } from '../../../src/bytes/index.ts';
import { extentTable, statesOf } from '../../../src/mount/nbd/block-status.ts';
import {
  decodeInfoRequest,
  decodeMetaContextRequest,
  decodeOptionHeader,
  encodeOptionReply,
} from '../../../src/mount/nbd/option.ts';
import { decodeRequest, encodeOffsetData } from '../../../src/mount/nbd/request.ts';
import { Room, type Loan } from '../../../src/mount/nbd/room.ts';
import { text, uint16, uint32 } from './client.ts';

test('any bytes are an option, a request and their data, or are none; nothing is thrown', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const given = Buffer.from(bytes);
      t.is(decodeOptionHeader(given), null);
      t.is(decodeRequest(given), null);
      decodeInfoRequest(given);
      decodeMetaContextRequest(given);
    }),
  );
});

test('what a client asks for is read as it was meant, and cut short or with more behind it is malformed', (t) => {
  const name = fc.string({ unit: 'binary', maxLength: 40 });
  fc.assert(
    fc.property(name, fc.array(fc.nat(65535), { maxLength: 9 }), fc.nat(), (asked, infos, cut) => {
      const data = Buffer.concat([text(asked), uint16(infos.length), ...infos.map(uint16)]);
      t.deepEqual(decodeInfoRequest(data), { name: Buffer.from(asked).toString(), infos });
      t.is(decodeInfoRequest(data.subarray(0, cut % data.length)), null);
      t.is(decodeInfoRequest(Buffer.concat([data, Buffer.alloc(1)])), null);
    }),
  );
  fc.assert(
    fc.property(name, fc.array(name, { maxLength: 9 }), fc.nat(), (asked, queries, cut) => {
      const data = Buffer.concat([text(asked), uint32(queries.length), ...queries.map(text)]);
      const wanted = queries.map((query) => Buffer.from(query).toString());
      t.deepEqual(decodeMetaContextRequest(data), { name: Buffer.from(asked).toString(), queries: wanted });
      t.is(decodeMetaContextRequest(data.subarray(0, cut % data.length)), null);
      t.is(decodeMetaContextRequest(Buffer.concat([data, Buffer.alloc(1)])), null);
    }),
  );
});

test('a count of very many that are not there is no work', (t) => {
  t.is(decodeMetaContextRequest(Buffer.concat([text(''), uint32(2 ** 32 - 1)])), null);
  t.is(decodeInfoRequest(Buffer.concat([uint32(2 ** 32 - 1), uint16(1)])), null);
});

test('the header of an option and of a request give back their fields', (t) => {
  fc.assert(
    fc.property(
      fc.nat(65535),
      fc.nat(65535),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.nat(),
      fc.nat(2 ** 31 - 1),
      (flags, type, offset, cookie, length) => {
        const bytes = Buffer.alloc(28);
        bytes.writeUInt32BE(0x25609513, 0);
        bytes.writeUInt16BE(flags, 4);
        bytes.writeUInt16BE(type, 6);
        bytes.writeUInt32BE(cookie, 8);
        bytes.writeUInt32BE(~cookie >>> 0, 12);
        bytes.writeBigUInt64BE(offset, 16);
        bytes.writeUInt32BE(length, 24);
        const request = decodeRequest(bytes);
        t.deepEqual(request, {
          flags,
          type,
          cookie: { high: cookie, low: ~cookie >>> 0 },
          offset: Number(offset),
          length,
        });
        const place = Number(offset % 2n ** 53n);
        t.is(encodeOffsetData(request!.cookie, place, length).readBigUInt64BE(20), BigInt(place));
      },
    ),
  );
  t.deepEqual(decodeOptionHeader(Buffer.concat([Buffer.from('IHAVEOPT'), uint32(7), uint32(9)])), {
    type: 7,
    length: 9,
  });
  t.is(
    encodeOptionReply(3, 0x80000001, Buffer.from('no')).toString('hex'),
    '0003e889045565a90000000380000001000000026e6f',
  );
});

test('states cover what was asked for, and say of each byte whether it lies in an extent', (t) => {
  const size = 4000;
  const extent = fc.record({ start: fc.nat(size - 1), length: fc.nat(200) });
  fc.assert(
    fc.property(
      fc.array(extent, { maxLength: 20 }),
      fc.nat(size - 1),
      fc.nat(size),
      (found, offset, wanted) => {
        const extents = intersect(normalize(found), [{ start: 0, length: size }]);
        const length = Math.max(1, Math.min(wanted, size - offset));
        const states = statesOf(extentTable(extents), offset, length, false);
        t.is(total(states.map((state) => ({ start: 0, length: state.length }))), length);
        let at = offset;
        for (const [i, state] of states.entries()) {
          t.true(state.length > 0);
          t.not(state.flags, states[i - 1]?.flags);
          const here = [{ start: at, length: state.length }];
          const other = state.flags === 0 ? invert(extents, size) : extents;
          t.deepEqual(intersect(other, here), []);
          at += state.length;
        }
        t.deepEqual(statesOf(extentTable(extents), offset, length, true), states.slice(0, 1));
      },
    ),
  );
});

test('very many states are answered in part', (t) => {
  const extents = Array.from({ length: 10_000 }, (_, i) => ({ start: i * 1024, length: 512 }));
  const states = statesOf(extentTable(extents), 0, 10_000 * 1024, false);
  t.is(states.length, 2048);
  t.is(statesOf(extentTable(extents), 5000 * 1024 + 512, 512, false)[0]?.flags, 3);
});

test('room that is lent never overlaps, is given back whole, and goes to who came first', async (t) => {
  const granule = 32 * 1024;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ granules: fc.integer({ min: 1, max: 16 }), odd: fc.boolean() }), {
        maxLength: 40,
      }),
      fc.infiniteStream(fc.nat()),
      async (asked, picks) => {
        const room = new Room(16 * granule);
        const order: number[] = [];
        const held: { number: number; loan: Loan }[] = [];
        for (const [number, { granules, odd }] of asked.entries()) {
          const length = granules * granule - (odd ? 512 : 0);
          void (async () => {
            const loan = await room.acquire(length);
            t.is(loan.bytes.length, length);
            t.is(loan.bytes.byteOffset % 4096, 0);
            order.push(number);
            loan.bytes.fill(number + 1);
            held.push({ number, loan });
          })();
        }
        while (order.length < asked.length) {
          await new Promise(setImmediate);
          if (held.length === 0) continue;
          const [pick] = picks;
          const [one] = held.splice(pick! % held.length, 1);
          t.true(one!.loan.bytes.every((byte) => byte === one!.number + 1));
          one!.loan.release();
          one!.loan.release();
        }
        for (const { loan } of held) loan.release();
        t.deepEqual(
          order,
          order.toSorted((a, b) => a - b),
        );
        t.is(room.used, 0);
        t.is(room.waiting, 0);
      },
    ),
    { numRuns: 30 },
  );
});
