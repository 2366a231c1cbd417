import test from 'ava';
import fc from 'fast-check';
import { faulty, memoryDisk, recording, type BlockDevice } from '../../../src/disk/index.ts';
import {
  formatLinearTable,
  linearTable,
  logicalOf,
  logicalPartition,
  mappingOf,
  readNetware,
  verifiedPartition,
  volumeDevice,
  volumeNamed,
  type DataPartition,
  type NetwareDisk,
} from '../../../src/layout/netware/index.ts';
import { mirrored } from '../../../src/layout/netware/mirrored.ts';
import { blockDeviceContract } from '../../contract/block-device.ts';
import { requires } from '../../helpers/requires.ts';
import { disksOf } from './images.ts';
import { contentOf, fresh, madeDisks, patterned, volumeOn, withMoved } from './made.ts';

const moved: DataPartition = withMoved(
  fresh(40_000),
  [0, 1, 2, 9, 10, 200, 511, 512, 515, 4700].map((unit) => ({ unit })),
);
const threePieces = volumeOn('VOL1', 3, [
  [0, 160, 700],
  [1, 1000, 900],
  [0, 8000, 2000],
]);

async function spanned(): Promise<NetwareDisk[]> {
  return await madeDisks([moved, fresh(40_000, { id: 7, group: 8 })], [threePieces]);
}

blockDeviceContract({
  name: 'logical partition with redirections',
  make: async () => logicalPartition(memoryDisk(40_000 * 512), mappingOf(moved)),
});
blockDeviceContract({
  name: 'volume in three segments',
  make: async () => {
    const netware = await readNetware(await spanned());
    return volumeDevice(netware.volumes[0]!, (index) => logicalOf(netware, index));
  },
});
blockDeviceContract({
  name: 'mirrored',
  make: async () => mirrored([memoryDisk(8 * 1024 * 1024), memoryDisk(8 * 1024 * 1024)], 'mirror'),
});
blockDeviceContract({
  name: 'verified partition with redirections',
  make: async () => verifiedPartition(memoryDisk(40_000 * 512), moved),
});

test('what is written to a logical partition lies where the redirections say', async (t) => {
  const device = memoryDisk(40_000 * 512);
  const logical = logicalPartition(device, mappingOf(moved));
  const content = patterned(logical.size, 1);
  await logical.write(content, 0);
  const raw = await contentOf(device);
  const { hotfixSectors } = moved.hotfix;
  const spares = new Map(moved.redirections.moved.map(({ logical: sector, spare }) => [sector, spare]));
  for (let sector = 0; sector < moved.hotfix.dataSectors; sector++) {
    const spare = spares.get(sector - (sector % 8));
    const physical = spare === undefined ? hotfixSectors + sector : spare * 8 + (sector % 8);
    if (
      !raw
        .subarray(physical * 512, physical * 512 + 512)
        .equals(content.subarray(sector * 512, sector * 512 + 512))
    ) {
      t.fail(`sector ${sector}`);
    }
  }
  const replaced = [...spares.keys()].map((sector) => hotfixSectors + sector);
  t.true(
    replaced.every((sector) => raw.subarray(sector * 512, sector * 512 + 4096).every((byte) => byte === 0)),
  );
});

/** Reads a volume the way the kernel's linear target does. */
function byTable(
  table: ReturnType<typeof linearTable>,
  disks: ReadonlyMap<string, BlockDevice>,
): Promise<Buffer[]> {
  return Promise.all(
    table.map(({ device, offset, length }) => contentOf(disks.get(device)!, offset * 512, length * 512)),
  );
}

async function checkTable(disks: NetwareDisk[], name: string): Promise<{ same: boolean; lines: string }> {
  const netware = await readNetware(disks);
  const volume = volumeNamed(netware, name);
  const table = linearTable(
    volume,
    netware.partitions.map(({ disk, start, partition }) => ({
      partition,
      node: { device: `/dev/${disk}`, start },
    })),
  );
  const devices = new Map(disks.map(({ id, device }) => [`/dev/${id}`, device]));
  const device = volumeDevice(volume, (index) => logicalOf(netware, index));
  let at = 0;
  for (const { start, length } of table) {
    if (start !== at) throw new Error(`a gap at ${at}`);
    at += length;
  }
  const pieces = Buffer.concat(await byTable(table, devices));
  return { same: pieces.equals(await contentOf(device)), lines: formatLinearTable(table) };
}

requires('zstd')('a device-mapper table gives the bytes of the volume, redirections honoured', async (t) => {
  const { same, lines } = await checkTable(await disksOf('f-hotfix'), 'SYS');
  t.true(same);
  // Directory block 7, mirror FAT block 65 and two data units live in spare units 22, 21, 23 and 24.
  t.is(
    lines,
    [
      '0 56 linear /dev/f-hotfix.img 3632',
      '56 8 linear /dev/f-hotfix.img 1184',
      '64 456 linear /dev/f-hotfix.img 3696',
      '520 8 linear /dev/f-hotfix.img 1176',
      '528 3648 linear /dev/f-hotfix.img 4160',
      '4176 16 linear /dev/f-hotfix.img 1192',
      '4192 24432 linear /dev/f-hotfix.img 7824',
      '',
    ].join('\n'),
  );
  const spannedImage = await checkTable(await disksOf('c-segments'), 'VOL1');
  t.true(spannedImage.same);
  t.is(spannedImage.lines.trim().split('\n').length, 3);
});

test('a device-mapper table of segments over two disks', async (t) => {
  const disks = await spanned();
  const netware = await readNetware(disks);
  const volume = volumeDevice(netware.volumes[0]!, (index) => logicalOf(netware, index));
  await volume.write(patterned(volume.size, 4), 0);
  t.true((await checkTable(disks, 'VOL1')).same);
  t.true((await contentOf(volume)).equals(patterned(volume.size, 4)));
});

test('a mirrored device reads from the next member where one fails, and writes to all', async (t) => {
  const [first, second] = [memoryDisk(65_536), memoryDisk(65_536)];
  const device = mirrored([faulty(first, { unreadable: [{ start: 4096, length: 512 }] }), second], 'mirror');
  await device.write(patterned(65_536, 2), 0);
  t.true((await contentOf(first)).equals(await contentOf(second)));
  t.true((await contentOf(device)).equals(patterned(65_536, 2)));
  t.throws(() => mirrored([first, memoryDisk(4096)], 'mirror'), { code: 'disk-range' });
});

/** Two partitions of one mirrored group; `behind` are the bits of members out of sync, as each header has them. */
async function mirrorPair(
  behind: readonly [number, number],
  sync: readonly [number, number],
): Promise<NetwareDisk[]> {
  const members = [101, 102];
  const volume = volumeOn('SYS', 3, [[0, 160, 500]]);
  const disks = await Promise.all(
    members.map(async (id, index) => {
      const partition = fresh(40_000, { id, group: 55 });
      const mirror = { ...partition.mirror!, members, deviceBad: behind[index]!, sync: sync[index]! };
      const [disk] = await madeDisks([{ ...partition, mirror }], [volume]);
      return { ...disk!, id: `disk${index + 1}` };
    }),
  );
  return disks;
}

test('a mirrored group counts once and is read from a member in sync', async (t) => {
  const both = await readNetware(await mirrorPair([0, 0], [5, 5]));
  t.deepEqual(both.broken, []);
  t.is(both.volumes.length, 1);
  t.deepEqual(both.groups, [
    {
      group: 55,
      members: [
        { id: 101, partition: 0, inSync: true },
        { id: 102, partition: 1, inSync: true },
      ],
      used: [0, 1],
    },
  ]);
  const behind = await readNetware(await mirrorPair([0, 1], [5, 6]));
  t.deepEqual(behind.groups[0]!.used, [1]);
  t.is(behind.volumes[0]!.segments[0]!.partition, 1);
  t.true(behind.notices.some(({ level, code }) => level === 'warning' && code === 'netware-mirror'));
  const torn = await readNetware(await mirrorPair([2, 1], [5, 6]));
  t.deepEqual(torn.groups[0]!.used, [1]);
  const alone = await readNetware((await mirrorPair([0, 0], [5, 5])).slice(1));
  t.deepEqual(alone.groups[0]!.members[0], { id: 101, partition: null, inSync: true });
  t.is(alone.volumes.length, 1);
});

test('both members of a mirror are written', async (t) => {
  const disks = await mirrorPair([0, 0], [5, 5]);
  const watched = disks.map((disk) => ({ ...disk, device: recording(disk.device) }));
  const netware = await readNetware(watched);
  const volume = volumeDevice(netware.volumes[0]!, (index) => logicalOf(netware, index));
  await volume.write(patterned(4096, 1), 8192);
  t.deepEqual(
    watched.map(({ device }) => device.accesses.filter(({ call }) => call === 'write').length),
    [1, 1],
  );
});

test('a write to a volume is a write to its segments, wherever it goes', async (t) => {
  const disks = await spanned();
  const netware = await readNetware(disks);
  const volume = volumeDevice(netware.volumes[0]!, (index) => logicalOf(netware, index));
  const model = memoryDisk(volume.size);
  const writes = fc.array(
    fc.record({
      at: fc.nat(volume.size / 512 - 1),
      sectors: fc.integer({ min: 1, max: 900 }),
      seed: fc.nat(),
    }),
    { minLength: 1, maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(writes, async (list) => {
      for (const { at, sectors, seed } of list) {
        const length = Math.min(sectors * 512, volume.size - at * 512);
        await volume.write(patterned(length, seed), at * 512);
        await model.write(patterned(length, seed), at * 512);
      }
      t.true((await contentOf(volume)).equals(await contentOf(model)));
    }),
    { numRuns: 10 },
  );
});
