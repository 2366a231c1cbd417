import test from 'ava';
import { openSet } from '../../src/archive/index.ts';
import type { Medium } from '../../src/medium/index.ts';
import { setVolume } from '../../src/mount/index.ts';
import { testVolume, writeSet } from '../archive/sets.ts';
import { temporary } from '../helpers/temporary.ts';
import { MiB, shelf } from '../medium/tape-shelf.ts';
import { noise } from '../restore/sets.ts';

const groupSize = 65_536;

/** A medium that notes the ordinals of the records it is asked for. */
function noting(inner: Medium, ordinals: number[]): Medium {
  return {
    ...inner,
    open: async (name) => {
      const source = await inner.open(name);
      const record = source.record!.bind(source);
      source.record = (ordinal) => {
        ordinals.push(ordinal);
        return record(ordinal);
      };
      return source;
    },
  };
}

test('a control set far into a tape costs one jump, and files all over the volume one pass forward', async (t) => {
  const made = await shelf(temporary(t), { cartridges: { T1L8: { size: 64 * MiB } } });
  const before = testVolume('disk1.before', 3, 60);
  const map = {
    volume: 'disk1.whole',
    size: 300 * groupSize,
    blockSize: 4096,
    groupSize,
    control: Array.from({ length: 30 }, (_, i) => ({ start: i * 10 * groupSize, length: 20_480 })),
    data: Array.from({ length: 30 }, (_, i) => ({
      start: i * 10 * groupSize + 20_480,
      length: 8 * groupSize,
    })),
  };
  const bytes = noise(map.size, 5);
  const writing = made.medium();
  await writeSet(writing, [
    { ...before, bytes: noise(before.map.size, 6) },
    { map, bytes },
  ]);
  await writing.close();

  const ordinals: number[] = [];
  const inner = made.medium();
  const medium = noting(inner, ordinals);
  const reader = await openSet(medium, 'set');
  t.is(inner.movements!().repositionings, 0);
  const device = setVolume(reader, 'disk1.whole');
  const found = Buffer.alloc(4096);
  await device.read(found, map.control[20]!.start);
  t.true(found.equals(bytes.subarray(map.control[20]!.start, map.control[20]!.start + 4096)));
  await device.loadControl();
  t.is(inner.movements!().repositionings, 1);
  for (const { start } of map.control.toReversed()) await device.read(found, start);
  t.is(inner.movements!().repositionings, 1);
  t.like(device.statistics(), { controlGroups: reader.index('disk1.whole').controlGroups, dataGroups: 0 });

  // As a person names files: in no order, some of them beside each other, some far apart.
  const files = [29, 3, 2, 17, 4, 28, 16].map((i) => ({ start: map.data[i]!.start + 5000, length: 9000 }));
  ordinals.length = 0;
  const got = new Map<number, Buffer>();
  for await (const piece of device.readInOrder(files)) got.set(piece.start, Buffer.from(piece.bytes));
  t.deepEqual(
    ordinals,
    ordinals.toSorted((a, b) => a - b),
  );
  t.is(new Set(ordinals).size, ordinals.length);
  for (const { start, length } of files) {
    const pieces = [...got]
      .filter(([at]) => at >= start && at < start + length)
      .toSorted(([a], [b]) => a - b);
    t.true(Buffer.concat(pieces.map(([, piece]) => piece)).equals(bytes.subarray(start, start + length)));
  }
  // Forward, to each of three places that lie apart.
  t.is(inner.movements!().repositionings, 1 + 2);
  await device.close();
  await reader.close();
  await inner.close();
});
