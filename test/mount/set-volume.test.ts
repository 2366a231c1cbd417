import { readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import {
  indexOfMap,
  openSet,
  type GroupPlace,
  type GroupsOptions,
  type SetReader,
  type VolumeIndex,
} from '../../src/archive/index.ts';
import { normalize, total, type Extent } from '../../src/bytes/index.ts';
import { memoryDisk, type BlockDevice } from '../../src/disk/index.ts';
import { isCoded, RemetalError } from '../../src/errors/index.ts';
import type { Medium } from '../../src/medium/index.ts';
import { memoryMedium } from '../../src/medium/memory.ts';
import { piecesOf } from '../../src/mount/group-lookup.ts';
import { setVolume } from '../../src/mount/index.ts';
import { diskBytes, keptBytes, testVolume, writeSet, type TestVolume } from '../archive/sets.ts';
import { backedUp, type BackedUp } from '../helpers/backed-up.ts';
import { temporary } from '../helpers/temporary.ts';
import { noise } from '../restore/sets.ts';
import { identityOfMemory } from '../restore/targets.ts';

const size = 6 * 1024 * 1024;

async function stored(): Promise<BackedUp & { readonly source: BlockDevice }> {
  const source = memoryDisk(size);
  for (const at of [0, 700_416, 2_097_152, 5_000_192]) await source.write(noise(300_032, at), at);
  return { source, ...(await backedUp([{ device: source, identity: identityOfMemory(source, 'source') }])) };
}

/** Bytes from one extent of the control set to the next. */
const pitch = 131_072;

/** A set whose control set is scattered over the volume, on a medium that notes where it is sent. */
async function controlled(
  t: ExecutionContext,
): Promise<{ volume: TestVolume; medium: Medium; seeks: number[] }> {
  const inner = memoryMedium();
  const control = Array.from({ length: 40 }, (_, i) => ({ start: i * pitch, length: 20_480 }));
  const data = control.map(({ start }) => ({ start: start + 20_480, length: 65_536 }));
  const map = { volume: 'disk1.whole', size: 40 * pitch, blockSize: 4096, groupSize: 65_536, control, data };
  const bytes = diskBytes(map.size);
  const volume = { map, bytes };
  await writeSet(inner, [volume]);
  const seeks: number[] = [];
  const medium: Medium = {
    ...inner,
    open: async (name) => {
      const source = await inner.open(name);
      t.teardown(() => source.close());
      return {
        parts: source.parts,
        missing: source.missing,
        committed: source.committed,
        bytes: source.bytes,
        get place() {
          return source.place;
        },
        next: () => source.next(),
        seek: (place) => {
          seeks.push(place.offset);
          return source.seek(place);
        },
        last: () => source.last(),
        close: () => source.close(),
      };
    },
  };
  return { volume, medium, seeks };
}

async function indexed(medium: Medium): Promise<{ index: VolumeIndex }> {
  return { index: (await openSet(medium, 'set')).index('disk1.whole') };
}

/** A reader that tells which groups are read, and holds whoever reads to one iteration at a time. */
function watched(reader: SetReader, onGroups: (volume: string, options: GroupsOptions) => void): SetReader {
  let isReading = false;
  return {
    ...reader,
    async *groups(volume, options) {
      if (isReading) throw new Error('Two iterations at a time.');
      isReading = true;
      try {
        onGroups(volume, options);
        yield* reader.groups(volume, options);
      } finally {
        isReading = false;
      }
    },
  };
}

async function same(
  t: ExecutionContext,
  device: BlockDevice,
  volume: TestVolume,
  { start, length }: Extent,
): Promise<void> {
  const found = Buffer.alloc(length, 7);
  await device.read(found, start);
  t.true(found.equals(keptBytes(volume).subarray(start, start + length)), `${start}+${length}`);
}

test('any range of a volume reads as it was, several at a time', async (t) => {
  const { source, reader } = await stored();
  const device = setVolume(reader, 'disk1.whole');
  t.is(device.size, size);
  const sector = fc.nat(size / 512 - 1);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(sector, fc.integer({ min: 1, max: 3000 })), { maxLength: 4 }),
      async (ranges) => {
        await Promise.all(
          ranges.map(async ([from, count]) => {
            const length = Math.min(count * 512, size - from * 512);
            const [wanted, found] = [Buffer.alloc(length), Buffer.alloc(length, 7)];
            await source.read(wanted, from * 512);
            await device.read(found, from * 512);
            t.true(wanted.equals(found), `${from}+${length}`);
          }),
        );
      },
    ),
    { numRuns: 60 },
  );
  await t.throwsAsync(device.read(Buffer.alloc(512), size), { code: 'disk-range' });
  await t.throwsAsync(device.write(Buffer.alloc(512), 0), { code: 'disk-write-failed' });
  t.throws(() => setVolume(reader, 'disk1.part9'), { code: 'volume-not-found' });
});

test('a damaged record fails the reads that need it and no others', async (t) => {
  const { source, medium, set, reader } = await stored();
  await reader.close();
  const [bytes] = medium.bytes(set);
  const damaged = Buffer.from(bytes!);
  const wanted = Buffer.alloc(4096);
  await source.read(wanted, 2_099_200);
  damaged[damaged.indexOf(wanted) + 9]! ^= 1;
  medium.put('damaged', [damaged]);
  const device = setVolume(await openSet(medium, 'damaged'), 'disk1.whole');
  const error = await t.throwsAsync(device.read(Buffer.alloc(4096), 2_099_200), { code: 'disk-read-failed' });
  t.true(isCoded(error?.cause, 'record-damaged'));
  const found = Buffer.alloc(4096);
  await device.read(found, 0);
  await source.read(wanted, 0);
  t.true(found.equals(wanted));
});

test('the control set comes in one pass of the medium, with the first read of it', async (t) => {
  const { volume, medium, seeks } = await controlled(t);
  const reader = await openSet(medium, 'set');
  const device = setVolume(reader, 'disk1.whole');
  seeks.length = 0;
  await same(t, device, volume, { start: 20 * pitch, length: 4096 });
  await device.loadControl();
  t.is(seeks.length, 1, 'one way to the front of the control set');
  const { controlGroups } = device.statistics();
  t.is(controlGroups, reader.index('disk1.whole').controlGroups);
  t.true(controlGroups > 10);
  for (const extent of volume.map.control) await same(t, device, volume, extent);
  t.like(device.statistics(), { controlGroups, dataGroups: 0, spilledBytes: 0 });
  t.is(seeks.length, 1);
  await device.close();
});

test('what of the control set finds no room in memory lies in a file without a name, and is read once', async (t) => {
  const { volume, medium } = await controlled(t);
  const folder = temporary(t);
  const device = setVolume(await openSet(medium, 'set'), 'disk1.whole', { memoryBytes: 300_000, folder });
  await device.loadControl();
  const before = device.statistics();
  t.true(before.spilledBytes > before.controlBytes && before.controlBytes > 0);
  t.true(before.controlBytes <= 150_000);
  for (const extent of volume.map.control.toReversed()) await same(t, device, volume, extent);
  const { memoryBytes, controlGroups } = device.statistics();
  t.is(controlGroups, before.controlGroups);
  t.true(memoryBytes <= 300_000);
  t.deepEqual(readdirSync(folder), []);
  await device.close();
});

test('where there is no file to put it, the control set is read off the medium again', async (t) => {
  const { volume, medium } = await controlled(t);
  const device = setVolume(await openSet(medium, 'set'), 'disk1.whole', {
    memoryBytes: 150_000,
    folder: '/nonexistent/folder',
  });
  for (const extent of volume.map.control.toReversed()) await same(t, device, volume, extent);
  const { controlGroups, spilledBytes } = device.statistics();
  t.is(spilledBytes, 0);
  t.true(controlGroups > volume.map.control.length / 4);
  await device.close();
});

test('reading forward runs ahead, and every record is read once', async (t) => {
  const { volume, medium, seeks } = await controlled(t);
  const device = setVolume(await openSet(medium, 'set'), 'disk1.whole');
  await device.loadControl();
  seeks.length = 0;
  for (let at = 0; at < volume.map.size; at += 16_384) {
    await same(t, device, volume, { start: at, length: Math.min(16_384, volume.map.size - at) });
  }
  t.true(seeks.length <= 1);
  const { dataGroups, aheadGroups } = device.statistics();
  const { index } = await indexed(medium);
  t.is(dataGroups, index.groupCount - index.controlGroups);
  t.true(aheadGroups > dataGroups / 2);
  await device.close();
});

test('volumes of one set are read by one scheduler: in the order of the medium, one run at a time', async (t) => {
  const medium = memoryMedium();
  const volumes = [testVolume('disk1.whole', 3, 30), testVolume('disk1.other', 4, 30)];
  await writeSet(medium, volumes);
  const runs: { volume: string; ordinal: number }[] = [];
  const reader = watched(await openSet(medium, 'set'), (volume, { from = 0 }) => {
    runs.push({ volume, ordinal: reader.index(volume).place(from).ordinal });
  });
  const devices = volumes.map((volume) => ({ volume, device: setVolume(reader, volume.map.volume) }));
  await Promise.all(
    [25, 4, 18, 9].flatMap((group) =>
      devices.map(({ volume, device }) => same(t, device, volume, { start: group * 65_536, length: 4096 })),
    ),
  );
  const ordinals = runs.map(({ ordinal }) => ordinal);
  t.deepEqual(
    ordinals,
    ordinals.toSorted((a, b) => a - b),
  );
  t.is(new Set(runs.map(({ volume }) => volume)).size, 2);
});

test('what is read in order comes in one pass, every byte once, holes and zeros too', async (t) => {
  const { volume, medium, seeks } = await controlled(t);
  const device = setVolume(await openSet(medium, 'set'), 'disk1.whole');
  const wanted = [
    { start: 30 * pitch + 1000, length: 300_000 },
    { start: 3 * pitch + 7, length: 90_001 },
    { start: 3 * pitch + 80_000, length: 20_000 },
    { start: volume.map.size - 40_000, length: 40_000 },
  ];
  seeks.length = 0;
  const got = Buffer.alloc(volume.map.size, 7);
  const starts: number[] = [];
  let bytes = 0;
  for await (const piece of device.readInOrder(wanted)) {
    piece.bytes.copy(got, piece.start);
    bytes += piece.bytes.length;
    starts.push(piece.start);
  }
  const extents = normalize(wanted);
  t.is(bytes, total(extents));
  const kept = keptBytes(volume);
  for (const { start, length } of extents) {
    t.true(got.subarray(start, start + length).equals(kept.subarray(start, start + length)), `${start}`);
  }
  t.true(seeks.length > 0);
  t.deepEqual(
    seeks,
    seeks.toSorted((a, b) => a - b),
    'only forward',
  );
  const { controlGroups, dataGroups } = device.statistics();
  const { index } = await indexed(medium);
  const needed = new Set(extents.flatMap((extent) => [...piecesOf(index, extent)].map(({ group }) => group)));
  needed.delete(null);
  t.is(controlGroups + dataGroups, needed.size);
  const outside = device.readInOrder([{ start: volume.map.size, length: 1 }]);
  await t.throwsAsync(outside.next(), { code: 'disk-range' });
});

test('a damaged record of a pass in order is told, or thrown, and the rest still comes', async (t) => {
  const { source, medium, set, reader } = await stored();
  await reader.close();
  const damaged = Buffer.from(medium.bytes(set)[0]!);
  const mark = Buffer.alloc(4096);
  await source.read(mark, 2_099_200);
  damaged[damaged.indexOf(mark) + 9]! ^= 1;
  medium.put('damaged', [damaged]);
  const device = setVolume(await openSet(medium, 'damaged'), 'disk1.whole');
  const wanted = [{ start: 0, length: size }];
  const lost: Extent[] = [];
  const got = Buffer.alloc(size);
  let bytes = 0;
  const onDamage = (extent: Extent, error: RemetalError): void => {
    lost.push(extent);
    t.is(error.code, 'disk-read-failed');
    t.true(isCoded(error.cause, 'record-damaged'));
  };
  for await (const piece of device.readInOrder(wanted, { onDamage })) {
    piece.bytes.copy(got, piece.start);
    bytes += piece.bytes.length;
  }
  t.true(lost.some(({ start, length }) => start <= 2_099_200 && start + length > 2_099_200));
  t.is(bytes + total(lost), size);
  const expected = Buffer.alloc(size);
  await source.read(expected, 0);
  for (const { start, length } of lost) expected.fill(0, start, start + length);
  t.true(got.equals(expected));
  const pass = async (): Promise<void> => {
    for await (const piece of device.readInOrder(wanted)) t.truthy(piece);
  };
  await t.throwsAsync(pass(), { code: 'disk-read-failed' });
});

test('a signal and closing end what is under way, and the set stays open', async (t) => {
  const { reader, source } = await stored();
  const stopped = new Error('stopped');
  const controller = new AbortController();
  const device = setVolume(reader, 'disk1.whole', { signal: controller.signal });
  const reading = device.read(Buffer.alloc(4096), 2_097_152);
  controller.abort(stopped);
  t.is(await t.throwsAsync(reading), stopped);
  t.is(await t.throwsAsync(device.read(Buffer.alloc(512), 0)), stopped);
  const other = setVolume(reader, 'disk1.whole');
  const pass = new AbortController();
  const pieces = other.readInOrder([{ start: 0, length: size }], { signal: pass.signal });
  await pieces.next();
  pass.abort(stopped);
  const drained = async (): Promise<void> => {
    for await (const piece of pieces) t.truthy(piece);
  };
  t.is(await t.throwsAsync(drained()), stopped);
  await other.close();
  await t.throwsAsync(other.read(Buffer.alloc(512), 0), { code: 'disk-read-failed' });
  const [wanted, found] = [Buffer.alloc(4096), Buffer.alloc(4096)];
  await source.read(wanted, 2_097_152);
  await setVolume(reader, 'disk1.whole').read(found, 2_097_152);
  t.true(found.equals(wanted));
});

test('a volume is closed when the medium does nothing for it any more', async (t) => {
  const { volume, medium } = await controlled(t);
  const inner = await openSet(medium, 'set');
  const begun = Promise.withResolvers<void>();
  let isReading = false;
  const reader: SetReader = {
    ...inner,
    async *groups(id, options) {
      isReading = true;
      begun.resolve();
      for (let i = 0; i < 20; i++) await setImmediate();
      yield* inner.groups(id, options);
      isReading = false;
    },
  };
  const device = setVolume(reader, 'disk1.whole');
  const failing = t.throwsAsync(device.read(Buffer.alloc(65_536), volume.map.data[4]!.start), {
    code: 'disk-read-failed',
  });
  await begun.promise;
  await device.close();
  t.false(isReading);
  await failing;
});

test('what the medium throws fails the reads that wait, and the next may succeed', async (t) => {
  const { volume, medium } = await controlled(t);
  let failing = true;
  const reader = watched(await openSet(medium, 'set'), () => {
    if (failing) throw new RemetalError('medium-failed', 'The cartridge is not there.');
  });
  const device = setVolume(reader, 'disk1.whole');
  const [control] = volume.map.control;
  const error = await t.throwsAsync(device.read(Buffer.alloc(4096), control!.start), {
    code: 'disk-read-failed',
  });
  t.true(isCoded(error?.cause, 'medium-failed'));
  await t.throwsAsync(device.loadControl(), { code: 'medium-failed' });
  failing = false;
  await same(t, device, volume, control!);
});

test('a volume of 4 TiB that is nearly empty, and one of a million extents, cost what they hold', async (t) => {
  const made = testVolume('disk1.whole', 3, 12);
  const huge = { ...made.map, size: 2 ** 42, control: made.map.control };
  const { reader } = await stored();
  const extents = Array.from({ length: 1_000_000 }, (_, i) => ({ start: 2 ** 30 + i * 8192, length: 4096 }));
  for (const data of [made.map.data, extents]) {
    const map = { ...huge, data };
    const sparse = { ...reader, maps: new Map([['disk1.whole', map]]), index: () => indexOfMap(map, 9) };
    const device = setVolume(sparse, 'disk1.whole', { sectorSize: 4096 });
    t.is(device.size, 2 ** 42);
    const found = Buffer.alloc(8192, 7);
    await device.read(found, 2 ** 41);
    t.true(found.every((byte) => byte === 0));
    const held = await device.dataExtents();
    const expected = normalize([...huge.control, ...data]);
    t.is(held.length, expected.length);
    t.true(
      held.every(({ start, length }, i) => start === expected[i]!.start && length === expected[i]!.length),
    );
    t.is(await device.dataExtents(), held);
  }
});

test('what lies in earlier sets of a chain is found by the index, and read in the order of the links', async (t) => {
  const volume = testVolume('disk1.whole', 3, 12);
  const medium = memoryMedium();
  await writeSet(medium, [volume]);
  const whole = await openSet(medium, 'set');
  const index = whole.index('disk1.whole');
  // As in a chain: the map has the control set alone, and the data is elsewhere, the last of it first.
  const place = (group: number): GroupPlace =>
    index.isControl(group) ? index.place(group) : { link: 1, ordinal: 1000 - group };
  const map = { ...volume.map, data: [] };
  const order: number[] = [];
  const reader: SetReader = {
    ...watched(whole, (_, { from = 0 }) => void order.push(from)),
    maps: new Map([['disk1.whole', map]]),
    index: () => ({ ...index, place }),
  };
  const device = setVolume(reader, 'disk1.whole');
  t.deepEqual(await device.dataExtents(), normalize([...volume.map.control, ...volume.map.data]));
  const got = Buffer.alloc(volume.map.size);
  for await (const piece of device.readInOrder([{ start: 0, length: volume.map.size }])) {
    piece.bytes.copy(got, piece.start);
  }
  t.true(got.equals(keptBytes(volume)));
  const data = order.filter((group) => !index.isControl(group));
  t.deepEqual(
    data,
    data.toSorted((a, b) => b - a),
  );
  t.true(data.length > 5);
});
