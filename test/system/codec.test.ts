import { hash, randomBytes } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { nativeCodec, type NativeCodec } from '../../src/system/index.ts';

function codec(): NativeCodec {
  const found = nativeCodec();
  if (found === null) throw new Error('the pinned Node offers its libraries');
  return found;
}

test('sums and frames are those of node:crypto and node:zlib', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 5000 }),
      fc.integer({ min: 1, max: 9 }),
      async (plain, level) => {
        t.true((await codec().sum(plain)).equals(hash('sha256', plain, 'buffer')));
        const packed = await codec().compress(plain, level);
        t.deepEqual(zstdDecompressSync(packed.bytes), Buffer.from(plain));
        t.deepEqual((await codec().decompress(packed.bytes, plain.length))?.bytes, Buffer.from(plain));
        packed.release();
        t.deepEqual(
          (await codec().decompress(zstdCompressSync(plain), plain.length))?.bytes,
          Buffer.from(plain),
        );
      },
    ),
  );
});

test("many at a time do not get in each other's way", async (t) => {
  const plains = Array.from({ length: 40 }, (_, i) =>
    Buffer.concat([randomBytes(1000 + i), Buffer.alloc(300_000, i)]),
  );
  await Promise.all(
    plains.map(async (plain) => {
      const packed = await codec().compress(plain, 1);
      const copy = Buffer.from(packed.bytes);
      packed.release();
      packed.release();
      const back = await codec().decompress(copy, plain.length);
      t.true(back?.bytes.equals(plain));
      back?.release();
    }),
  );
});

test('what is damaged, cut short or longer than it says is null, never more bytes than asked for', async (t) => {
  const plain = Buffer.alloc(100_000, 'text');
  const frame = zstdCompressSync(plain, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  t.is(await codec().decompress(frame, plain.length - 1), null);
  t.is(await codec().decompress(frame.subarray(0, frame.length - 1), plain.length), null);
  t.is(await codec().decompress(Buffer.alloc(0), 0), null);
  const flipped = Buffer.from(frame);
  flipped[flipped.length >> 1]! ^= 1;
  t.is(await codec().decompress(flipped, plain.length), null);
  const claims = Buffer.from(frame);
  claims.fill(0xff, 5, 9);
  t.is(await codec().decompress(claims, plain.length), null);
  t.is((await codec().decompress(frame, plain.length + 10))?.bytes.length, plain.length);
});
