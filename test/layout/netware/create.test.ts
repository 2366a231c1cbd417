import test from 'ava';
import fc from 'fast-check';
import { memoryDisk, slice } from '../../../src/disk/index.ts';
import { readTable, tableWrites, type MbrPartition, type MbrTable } from '../../../src/layout/index.ts';
import {
  assembleVolumes,
  dataPartitionWrites,
  defaultHotfixSectors,
  freshIds,
  layStructures,
  logicalPartition,
  mappingOf,
  netwareRecord,
  netwareSchema,
  newDataPartition,
  readDataPartition,
  readNetware,
  volumeTableWrites,
  volumeTables,
  volumesOfRecord,
} from '../../../src/layout/netware/index.ts';
import { requires } from '../../helpers/requires.ts';
import { disksOf } from './images.ts';
import { anyPartition, contentOf, fresh, laid, madeDisks, volumeOn } from './made.ts';

test('a partition is read as it was written', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyPartition, async (partition) => {
      const read = await readDataPartition(await laid(partition));
      t.deepEqual(read.partition, partition);
      const told = read.notices.filter(
        ({ code }) => code !== 'netware-redirections' && code !== 'netware-lost-sectors',
      );
      t.deepEqual(told, []);
    }),
    { numRuns: 60 },
  );
});

test('writes of a partition never overlap, stay inside, and put the headers last', (t) => {
  fc.assert(
    fc.property(anyPartition, (partition) => {
      const writes = dataPartitionWrites(partition, null);
      const sorted = writes.toSorted((a, b) => a.offset - b.offset);
      for (const [index, { offset, bytes, what }] of sorted.entries()) {
        const end = offset + bytes.length;
        if (end > (sorted[index + 1]?.offset ?? partition.sectors * 512)) t.fail(what);
        if (offset % 512 !== 0 || bytes.length % 512 !== 0) t.fail(what);
      }
      t.true(writes.slice(-4).every(({ what }) => what.startsWith('hotfix and mirror header')));
      t.is(new Set(writes.map(({ what }) => what)).size, writes.length);
    }),
  );
});

test('the hotfix area is 2 % of the partition, within what its tables can hold', (t) => {
  t.is(defaultHotfixSectors(1_000_000), 20_000);
  t.is(defaultHotfixSectors(31_248), 242 * 8);
  t.is(defaultHotfixSectors(3000), 46 * 8);
  t.is(defaultHotfixSectors(2 ** 32 - 1), 0x4000 * 8);
  t.is(fresh(1_000_000).hotfix.hotfixSectors, 20_000);
  t.is(fresh(2 ** 32 - 1).hotfix.tables.length, 16);
  t.is(fresh(40_000, { hotfixSectors: 4000 }).hotfix.hotfixSectors, 4000);
  for (const hotfixSectors of [0, 360, 4001, 0x4001 * 8, NaN]) {
    t.throws(() => fresh(10_000_000, { hotfixSectors }), { code: 'usage' });
  }
  const error = t.throws(() => fresh(400), { code: 'target-too-small' });
  t.like(error, { facts: { missingSectors: 368 + 168 - 400 } });
  t.is(newDataPartition({ sectors: 536, id: 1, group: 2, created: null }).hotfix.dataSectors, 168);
});

test('ids are fresh and no two alike', (t) => {
  const ids = freshIds(0xffff_fffd, new Set([0xffff_fffe, 2]), 3);
  t.deepEqual(ids, [
    { id: 0xffff_fffd, group: 1 },
    { id: 3, group: 4 },
    { id: 5, group: 6 },
  ]);
});

requires('zstd')('structures are written as another implementation writes them', async (t) => {
  const [disk] = await disksOf('a-basic4k');
  const found = (await readNetware([disk!])).partitions[0]!;
  const theirs = await contentOf(found.device);
  for (const { offset, bytes, what } of dataPartitionWrites(
    found.partition,
    await mbrRecords(disk!.device),
  )) {
    const own = Buffer.from(bytes);
    // Behind the two headers of a copy that implementation keeps a log of its own.
    const length = what.startsWith('hotfix and mirror header') ? 1024 : own.length;
    t.true(own.subarray(0, length).equals(theirs.subarray(offset, offset + length)), what);
  }
});

async function mbrRecords(device: Parameters<typeof contentOf>[0]): Promise<Buffer> {
  return (await contentOf(device, 0, 512)).subarray(446);
}

test('volumes are put together as they were laid out, and as the record has them', async (t) => {
  const volumes = [
    volumeOn('SYS', 3, [[0, 160, 500]]),
    volumeOn('VOL1', 4, [
      [1, 160, 800],
      [0, 20_000, 300],
      [0, 6000, 100],
    ]),
  ];
  const partitions = [fresh(40_000), fresh(40_000, { id: 11, group: 12 })];
  const netware = await readNetware(await madeDisks(partitions, volumes));
  t.deepEqual(netware.volumes, volumes);
  t.deepEqual(netware.notices, []);
  const record = netwareSchema.parse(JSON.parse(JSON.stringify(netwareRecord(netware))));
  t.deepEqual(volumesOfRecord(record), volumes);
  const tables = volumeTables(
    volumes,
    partitions.map(({ hotfix }, index) => ({
      name: String(index),
      dataSectors: hotfix.dataSectors,
      kept: [],
    })),
  );
  const again = assembleVolumes(
    tables.map((entries, index) => ({ name: String(index), entries, faults: entries.map(() => null) })),
  );
  t.deepEqual(again, { volumes, broken: [], notices: [] });
});

function netwareAt(number: number, place: { start: number; length: number }): MbrPartition {
  return { number, ...place, type: 0x65, active: false };
}

test('several partitions on a disk, a logical one among them, are all read', async (t) => {
  const size = 64 * 1024 * 1024;
  const lengths = [20_000, 30_000, 25_000];
  const places = [1008, 32_016, 70_000].map((start, index) => ({ start, length: lengths[index]! }));
  const table: MbrTable = {
    kind: 'mbr',
    diskSignature: 5,
    partitions: [
      netwareAt(1, places[0]!),
      { number: 2, start: 32_000, length: 99_000 - 32_000, type: 0x05, active: false },
      { ...netwareAt(5, places[1]!), ebr: 32_000 },
      { ...netwareAt(6, places[2]!), ebr: 69_000 },
    ],
  };
  const device = memoryDisk(size, { name: 'disk' });
  const sector0 = Buffer.alloc(512);
  for (const { offset, bytes } of tableWrites(table, device)) {
    if (offset < 512) bytes.copy(sector0, offset);
    else await device.write(bytes, offset);
  }
  await device.write(sector0, 0);
  const partitions = lengths.map((sectors, index) => fresh(sectors, { id: 10 + index, group: 20 + index }));
  const volumes = [
    volumeOn('SYS', 3, [
      [2, 160, 500],
      [0, 160, 400],
      [1, 160, 300],
    ]),
  ];
  const tables = volumeTables(
    volumes,
    partitions.map(({ hotfix }, index) => ({
      name: String(index),
      dataSectors: hotfix.dataSectors,
      kept: [],
    })),
  );
  for (const [index, { start, length }] of places.entries()) {
    const own = slice(device, start * 512, length * 512);
    await laid(partitions[index]!, own);
    await layStructures(
      logicalPartition(own, mappingOf(partitions[index]!)),
      volumeTableWrites(tables[index]!),
    );
  }
  const netware = await readNetware([{ id: 'disk1', device, table: (await readTable(device)).table }]);
  t.deepEqual(
    netware.partitions.map(({ number, start, length, name }) => [number, start, length, name]),
    [
      [1, 1008, 20_000, 'disk1 partition 1'],
      [5, 32_016, 30_000, 'disk1 partition 5'],
      [6, 70_000, 25_000, 'disk1 partition 6'],
    ],
  );
  t.deepEqual(netware.volumes, volumes);
  t.deepEqual(netware.notices, []);
});

test('a record that contradicts itself is refused', async (t) => {
  const netware = await readNetware(await madeDisks([fresh(40_000)], [volumeOn('SYS', 3, [[0, 160, 500]])]));
  const record = netwareRecord(netware);
  const [volume] = record.volumes;
  const segment = volume!.segments[0]!;
  for (const wrong of [
    { ...volume!, blocks: 501 },
    { ...volume!, segments: [{ ...segment, partition: 1 }] },
    { ...volume!, segments: Array.from({ length: 9 }, () => segment), blocks: 4500 },
  ]) {
    t.throws(() => volumesOfRecord({ ...record, volumes: [wrong] }), { code: 'layout-unknown' });
  }
});

test('volume tables that would contradict themselves are not written', (t) => {
  const on = [{ name: 'disk1 partition 1', dataSectors: 10_000, kept: [] }];
  for (const volumes of [
    [volumeOn('A', 3, [[0, 160, 100]]), volumeOn('B', 3, [[0, 952, 100]])],
    [volumeOn('A', 3, [[0, 100, 100]])],
    [volumeOn('A', 3, [[0, 9600, 100]])],
    [volumeOn('A', 3, [[1, 160, 100]])],
    [volumeOn('A B', 3, [[0, 160, 100]])],
    [volumeOn('ABCDEFGHIJKLMNOP', 3, [[0, 160, 100]])],
    Array.from({ length: 9 }, (_, index) => volumeOn(`V${index}`, 3, [[0, 160 + index * 80, 10]])),
  ]) {
    t.throws(() => volumeTables(volumes, on), { code: 'layout-damaged' });
  }
});

test('a disk with sectors of 4096 bytes is refused in plain words', async (t) => {
  const error = await t.throwsAsync(readDataPartition(memoryDisk(8 * 1024 * 1024, { sectorSize: 4096 })));
  t.like(error, { code: 'layout-sector-size' });
  t.regex(error.message, /only knows sectors of 512/);
});
