import test from 'ava';
import fc from 'fast-check';
import { RecordRing } from '../../src/medium/ring.ts';

const longest = 64 * 1024;

test('records come out as they went in, whatever their lengths and however slow either side is', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ length: fc.integer({ min: 1, max: longest }), pause: fc.boolean() }), {
        maxLength: 80,
      }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.infiniteStream(fc.boolean()),
      async (records, start, slow) => {
        const taken: { tag: number; same: boolean }[] = [];
        const ring = new RecordRing<number>({ bytes: 4 * longest, start }, longest, async (record, tag) => {
          if (slow.next().value) await new Promise((resolve) => setImmediate(resolve));
          const { length } = records[tag]!;
          taken.push({ tag, same: record.length === length && record.every((byte) => byte === tag % 251) });
        });
        for (const [tag, { length, pause }] of records.entries()) {
          const half = Math.floor(length / 2);
          await ring.put([Buffer.alloc(half, tag % 251), Buffer.alloc(length - half, tag % 251)], tag);
          if (pause) await new Promise((resolve) => setImmediate(resolve));
        }
        await ring.flush();
        t.deepEqual(
          taken,
          records.map((_, tag) => ({ tag, same: true })),
        );
        t.is(ring.report.fill, 0);
      },
    ),
    { numRuns: 60 },
  );
});

test('taking waits for the mark, goes on until nothing is left, and then waits again', async (t) => {
  const taken: number[] = [];
  const ring = new RecordRing<number>({ bytes: 16 * longest, start: 0.5 }, longest, async (_, tag) => {
    taken.push(tag);
  });
  const record = Buffer.alloc(longest);
  for (let i = 0; i < 7; i++) await ring.put([record], i);
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(taken, []);
  await ring.put([record], 7);
  await new Promise((resolve) => setImmediate(resolve));
  t.is(taken.length, 8);
  t.is(ring.report.underruns, 1);
  await ring.put([record], 8);
  await new Promise((resolve) => setImmediate(resolve));
  t.is(taken.length, 8);
  await ring.flush();
  t.is(taken.length, 9);
  t.is(ring.report.underruns, 1);
});

test('a failure of the drive comes out of the next call and of every one after it', async (t) => {
  const ring = new RecordRing<number>({ bytes: 4 * longest, start: 0 }, longest, async (_, tag) => {
    if (tag === 1) throw new Error('no more');
  });
  await ring.put([Buffer.alloc(10)], 0);
  await ring.put([Buffer.alloc(10)], 1);
  await t.throwsAsync(ring.flush(), { message: 'no more' });
  await t.throwsAsync(ring.put([Buffer.alloc(10)], 2), { message: 'no more' });
  await ring.stop();
});
