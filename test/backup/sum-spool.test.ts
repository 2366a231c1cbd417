import test from 'ava';
import { sumSpool } from '../../src/backup/index.ts';

for (const memory of [0, 100, 1_000_000]) {
  test(`a spool gives back what was written, with ${memory} bytes of memory`, async (t) => {
    const spool = sumSpool(memory);
    const bytes = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7) & 0xff));
    for (let at = 0; at < bytes.length; at += 77) await spool.append(bytes.subarray(at, at + 77));
    t.is(spool.length, bytes.length);
    for (const [at, length] of [
      [0, 5000],
      [76, 2],
      [4999, 1],
    ] as const) {
      t.true((await spool.read(at, length)).equals(bytes.subarray(at, at + length)));
    }
    await spool.close();
    await spool.close();
  });
}
