import test from 'ava';
import { mapVolume } from '../../src/backup/volume-map.ts';
import { memoryDisk } from '../../src/disk/index.ts';
import { RemetalError } from '../../src/errors/index.ts';
import type { FileSystem, UsedMap } from '../../src/filesystem/index.ts';
import type { Extent } from '../../src/bytes/index.ts';

const MiB = 1024 * 1024;
const [probedFirst, probedLast] = [256 * 1024, 128 * 1024];

function filesystem(map: UsedMap, control: Extent[] = [], type = 'ext4', blockSize = 4096): FileSystem {
  return {
    facts: { type, uuid: null, label: null, size: 8 * MiB, blockSize },
    usedMap: async () => map,
    controlSet: async () => control,
  };
}

const believed = (used: Extent[]): UsedMap => ({ used, trusted: true, reason: null });

test('a believed map leaves out what is free and puts the control set first', async (t) => {
  const device = memoryDisk(8 * MiB);
  await device.write(Buffer.alloc(8 * MiB, 1), 0);
  const used = [
    { start: 0, length: MiB },
    { start: 4 * MiB, length: MiB },
  ];
  const control = [
    { start: 4096, length: 4096 },
    { start: 5 * MiB - 4096, length: 8192 },
  ];
  const { map, leftOut, wholeBecause } = await mapVolume({
    groupSize: 512 * 1024,
    id: 'disk1.part1',
    device,
    filesystem: filesystem(believed(used), control),
    allSectors: false,
  });
  // The start is what every look for partitions and file systems reads; the end is free here.
  t.deepEqual(map().control, [
    { start: 0, length: probedFirst },
    { start: 5 * MiB - 4096, length: 4096 },
  ]);
  t.deepEqual(map().data, [
    { start: probedFirst, length: MiB - probedFirst },
    { start: 4 * MiB, length: MiB - 4096 },
  ]);
  t.is(map().blockSize, 4096);
  t.is(map().zero, undefined);
  t.is(wholeBecause, null);
  t.deepEqual(
    leftOut.map(({ bytes, reason }) => [bytes, reason]),
    [[6 * MiB, 'free']],
  );
});

test('a map that is not believed leaves nothing out, and says why; what comes first it has all the same', async (t) => {
  const device = memoryDisk(8 * MiB);
  await device.write(Buffer.alloc(8 * MiB, 1), 0);
  const doubted = { used: [{ start: 0, length: 8 * MiB }], trusted: false, reason: 'An unknown feature bit' };
  const { map, leftOut, wholeBecause } = await mapVolume({
    groupSize: 512 * 1024,
    id: 'v',
    device,
    filesystem: filesystem(doubted, [{ start: 0, length: 4096 }]),
    allSectors: false,
  });
  t.deepEqual(map().data, [{ start: probedFirst, length: 8 * MiB - probedFirst - probedLast }]);
  t.deepEqual(map().control, [
    { start: 0, length: probedFirst },
    { start: 8 * MiB - probedLast, length: probedLast },
  ]);
  t.is(wholeBecause, 'An unknown feature bit');
  t.deepEqual(leftOut, []);
});

test('all sectors on demand, whatever the map says', async (t) => {
  const device = memoryDisk(8 * MiB);
  await device.write(Buffer.alloc(8 * MiB, 1), 0);
  const { map, wholeBecause } = await mapVolume({
    groupSize: 512 * 1024,
    id: 'v',
    device,
    filesystem: filesystem(believed([{ start: 0, length: 4096 }])),
    allSectors: true,
  });
  t.deepEqual(map().data, [{ start: 0, length: 8 * MiB }]);
  t.is(wholeBecause, 'All sectors were asked for');
});

test('holes of an image are known zeros: in no group, yet not free', async (t) => {
  const device = memoryDisk(8 * MiB);
  await device.write(Buffer.alloc(65536, 1), 4 * MiB);
  const { map, leftOut, wholeBecause } = await mapVolume({
    groupSize: 512 * 1024,
    id: 'v',
    device,
    filesystem: null,
    allSectors: false,
  });
  t.deepEqual(map().data, [{ start: 4 * MiB, length: 65536 }]);
  t.deepEqual(map().zero, [
    { start: 0, length: 4 * MiB },
    { start: 4 * MiB + 65536, length: 4 * MiB - 65536 },
  ]);
  t.is(wholeBecause, null);
  t.deepEqual(
    leftOut.map(({ bytes, reason }) => [bytes, reason]),
    [[8 * MiB - 65536, 'holes']],
  );
});

test('the contents of a swap area are left out as such', async (t) => {
  const device = memoryDisk(8 * MiB);
  await device.write(Buffer.alloc(4096, 1), 0);
  const swap = filesystem(believed([{ start: 0, length: 4096 }]), [], 'swap');
  const { map, leftOut } = await mapVolume({
    groupSize: 512 * 1024,
    id: 'v',
    device,
    filesystem: swap,
    allSectors: false,
  });
  t.deepEqual(map().data, [{ start: 0, length: 4096 }]);
  t.deepEqual(
    leftOut.map(({ bytes, reason }) => [bytes, reason]),
    [[8 * MiB - 4096, 'swap-contents']],
  );
});

test('a used map off its own grid is put on a finer one that sectors fit', async (t) => {
  const device = memoryDisk(8 * MiB);
  await device.write(Buffer.alloc(8 * MiB, 1), 0);
  const used = [{ start: 1536, length: 4096 }];
  const fat = filesystem(believed(used), [], 'fat16', 4096);
  const { map } = await mapVolume({
    groupSize: 512 * 1024,
    id: 'v',
    device,
    filesystem: fat,
    allSectors: false,
  });
  t.is(map().blockSize, 512);
  t.deepEqual(map().data, used);
});

test('a used map that reaches past the volume is cut', async (t) => {
  const device = memoryDisk(8 * MiB);
  await device.write(Buffer.alloc(8 * MiB, 1), 0);
  const used = [{ start: 8 * MiB - 4096, length: 10 * MiB }];
  const { map } = await mapVolume({
    groupSize: 512 * 1024,
    id: 'v',
    device,
    filesystem: filesystem(believed(used)),
    allSectors: false,
  });
  t.deepEqual(map().data, [{ start: 8 * MiB - 4096, length: 4096 }]);
});

test('what the format does not tell is observed; where that fails, it is said and goes on without', async (t) => {
  const device = memoryDisk(8 * MiB);
  await device.write(Buffer.alloc(8 * MiB, 1), 0);
  const request = {
    groupSize: 512 * 1024,
    id: 'v',
    device,
    filesystem: filesystem(believed([{ start: 0, length: MiB }]), [], 'xfs'),
    allSectors: false,
  };
  const seen = await mapVolume({
    ...request,
    observe: (volume, type) => {
      t.is(volume, device);
      t.is(type, 'xfs');
      return Promise.resolve([{ start: MiB - 4096, length: 8192 }]);
    },
  });
  t.deepEqual(seen.map().control, [{ start: MiB - 4096, length: 4096 }]);
  t.deepEqual(seen.control, { by: 'observation', bytes: 4096 });

  const told: string[] = [];
  const failed = await mapVolume({
    ...request,
    observe: () => Promise.reject(new RemetalError('mount-failed', 'The kernel does not want to.')),
    tell: ({ code }) => void told.push(code),
  });
  t.deepEqual(failed.control, { by: 'none', bytes: 0 });
  t.deepEqual(told, ['not-observed']);
  await t.throwsAsync(
    mapVolume({ ...request, observe: () => Promise.reject(new RemetalError('interrupted', 'Enough.')) }),
    { code: 'interrupted' },
  );
  const known = await mapVolume({
    ...request,
    filesystem: filesystem(believed([{ start: 0, length: MiB }]), [{ start: 0, length: 4096 }]),
    observe: () => Promise.reject(new Error('it was asked all the same')),
  });
  t.is(known.control.by, 'format');
});
