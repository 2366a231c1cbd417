import { hash } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { checkMap, GroupIndex, openSet, verifySet, type VolumeMap } from '../../src/archive/index.ts';
import { subtract, type Extent } from '../../src/bytes/index.ts';
import { fileMedium, memoryMedium } from '../../src/medium/index.ts';
import { temporary } from '../helpers/temporary.ts';
import {
  diskBytes,
  groupBytes,
  keptBytes,
  quiet,
  readVolume,
  testHead,
  testVolume,
  writeSet,
  type TestVolume,
} from './sets.ts';

/** Disjoint control and data extents of a small volume, on a block grid, the last block perhaps short. */
const anyVolume = fc
  .record({
    blocks: fc.array(fc.constantFrom('free', 'control', 'data', 'zero'), { minLength: 1, maxLength: 80 }),
    blockSize: fc.constantFrom(512, 1024, 4096),
    groupBlocks: fc.integer({ min: 1, max: 9 }),
    short: fc.integer({ min: 0, max: 500 }),
    seed: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ blocks, blockSize, groupBlocks, short, seed }): TestVolume => {
    const size = blocks.length * blockSize - short;
    const of = (what: string): Extent[] => {
      const own = blocks.flatMap((block, i) =>
        block === what ? [{ start: i * blockSize, length: blockSize }] : [],
      );
      return subtract([{ start: 0, length: size }], subtract([{ start: 0, length: size }], own));
    };
    const map: VolumeMap = {
      volume: 'disk1.whole',
      size,
      blockSize,
      groupSize: groupBlocks * blockSize,
      control: of('control'),
      data: of('data'),
      ...(of('zero').length === 0 ? {} : { zero: of('zero') }),
    };
    return { map, bytes: diskBytes(size, seed) };
  });

test('what a reader gives is what the writer was given, for any map', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyVolume, fc.constantFrom(0, 1), async (volume, level) => {
      checkMap(volume.map);
      const medium = memoryMedium();
      await writeSet(medium, [volume], { level });
      const reader = await openSet(medium, 'set');
      t.deepEqual(reader.maps.get('disk1.whole'), volume.map);
      await reader.close();
      const { bytes, problems } = await readVolume(medium, 'disk1.whole');
      t.true(bytes.equals(keptBytes(volume)));
      t.deepEqual(problems, []);
      const report = await verifySet(medium, 'set', quiet);
      t.deepEqual(report.problems, []);
    }),
    { numRuns: 60 },
  );
});

test('every kept byte lies in exactly the group the index names', (t) => {
  fc.assert(
    fc.property(anyVolume, ({ map }) => {
      const index = new GroupIndex(map);
      let bytes = 0;
      for (let i = 0; i < index.groupCount; i++) {
        let length = 0;
        for (const extent of index.groupExtents(i)) {
          t.is(index.groupAtOffset(extent.start), i);
          t.is(index.groupAtOffset(extent.start + extent.length - 1), i);
          length += extent.length;
        }
        t.is(length, index.groupLength(i));
        bytes += length;
      }
      t.is(bytes, index.plainBytes);
    }),
  );
});

test('a set of several volumes in a directory', async (t) => {
  const medium = fileMedium(`${temporary(t)}/new/place`);
  const one = testVolume('disk1.part1', 1);
  const two = testVolume('disk1.part2', 2, 20);
  const totals = await writeSet(medium, [one, two]);
  t.deepEqual(
    totals.volumes.map(({ volume, groups }) => ({ volume, groups })),
    [
      { volume: 'disk1.part1', groups: 7 },
      { volume: 'disk1.part2', groups: 21 },
    ],
  );
  t.deepEqual(await medium.list(), [
    { name: 'set', complete: true, parts: 1, bytes: (await medium.list())[0]!.bytes },
  ]);
  t.true((await readVolume(medium, 'disk1.part1')).bytes.equals(keptBytes(one)));
  t.true((await readVolume(medium, 'disk1.part2')).bytes.equals(keptBytes(two)));
  t.deepEqual((await verifySet(medium, 'set', quiet)).problems, []);
});

test('the table of checksums tells of every group of every volume', async (t) => {
  const medium = memoryMedium();
  const volumes = [testVolume('disk1.part1', 1), testVolume('disk1.part2', 2, 9)];
  await writeSet(medium, volumes);
  const reader = await openSet(medium, 'set');
  for (const volume of volumes) {
    const index = new GroupIndex(volume.map);
    let next = 0;
    for await (const { index: group, digest } of reader.checksums(volume.map.volume)) {
      t.is(group, next++);
      t.true(digest.equals(hash('sha256', groupBytes(volume, index, group), 'buffer').subarray(0, 16)));
    }
    t.is(next, index.groupCount);
  }
  await reader.close();
});

test('groups from the middle to the middle', async (t) => {
  const medium = memoryMedium();
  const volume = testVolume('disk1.whole', 3, 20);
  await writeSet(medium, [volume]);
  const reader = await openSet(medium, 'set');
  const seen: number[] = [];
  for await (const { index } of reader.groups('disk1.whole', { from: 5, to: 9, onDamage: 'stop' }))
    seen.push(index);
  t.deepEqual(seen, [5, 6, 7, 8]);
  t.throws(() => reader.groups('disk9', { onDamage: 'stop' }), { code: 'volume-not-found' });
  await reader.close();
});

test('a set spans parts, wherever they end', async (t) => {
  const volume = testVolume('disk1.whole', 4, 12);
  const whole = keptBytes(volume);
  for (let partSize = 200 * 1024; partSize < 420 * 1024; partSize += 31 * 512) {
    const medium = memoryMedium({ partSize });
    await writeSet(medium, [volume], { level: 0 });
    const parts = medium.bytes('set');
    t.true(parts.length > 1);
    t.true(parts.every((part) => part.length <= partSize));
    t.true((await readVolume(medium, 'disk1.whole')).bytes.equals(whole));
    t.deepEqual((await verifySet(medium, 'set', quiet)).problems, []);
  }
});

test('the same input makes the same bytes, compressed or not', async (t) => {
  const volume = testVolume();
  for (const level of [0, 1]) {
    const [a, b] = [memoryMedium(), memoryMedium()];
    await writeSet(a, [volume], { level });
    await writeSet(b, [volume], { level });
    t.true(a.bytes('set')[0]!.equals(b.bytes('set')[0]!));
  }
});

test('an encrypted set, and one whose chain does not fit its kind, are refused', async (t) => {
  const refused = async (change: object): Promise<string> => {
    const medium = memoryMedium();
    await writeSet(medium, [testVolume()], { head: { ...testHead(), ...change } });
    const error = await t.throwsAsync(openSet(medium, 'set'));
    return error !== undefined && 'code' in error ? String(error.code) : '';
  };
  t.is(await refused({ encryption: { scheme: 'age' } }), 'set-encrypted');
  t.is(await refused({ kind: 'incremental', maps: 'last' }), 'record-damaged');
});
