import test from 'ava';
import { alignedBuffer, bufferPool, isAligned } from '../../src/disk/index.ts';

test('aligned buffers are known as such, their odd views and other buffers are not', (t) => {
  const buffer = alignedBuffer(10_000);
  t.is(buffer.length, 10_000);
  t.true(isAligned(buffer, 4096));
  t.true(isAligned(buffer.subarray(4096), 4096));
  t.true(isAligned(buffer.subarray(512), 512));
  t.false(isAligned(buffer.subarray(512), 4096));
  t.false(isAligned(buffer.subarray(1), 512));
  t.false(isAligned(Buffer.alloc(8192), 512));
});

test('a length nobody checked is refused', (t) => {
  for (const length of [0, -1, NaN, 1.5, 2 ** 40]) {
    t.throws(() => alignedBuffer(length), { code: 'internal' });
  }
});

test('a pool lends each slab once, makes callers wait, and serves them in order', async (t) => {
  const pool = bufferPool(4096, 2);
  const [a, b] = [await pool.acquire(), await pool.acquire()];
  t.is(pool.free, 0);
  t.not(a.bytes.byteOffset, b.bytes.byteOffset);
  const order: string[] = [];
  const third = pool.acquire().then((slab) => (order.push('third'), slab));
  const fourth = pool.acquire().then((slab) => (order.push('fourth'), slab));
  a.release();
  a.release();
  const c = await third;
  t.is(c.bytes, a.bytes);
  b.release();
  await fourth;
  t.deepEqual(order, ['third', 'fourth']);
  t.is(pool.free, 0);
  c.release();
  t.is(pool.free, 1);
});
