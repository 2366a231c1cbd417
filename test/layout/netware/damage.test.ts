import test from 'ava';
import fc from 'fast-check';
import { faulty, type BlockDevice } from '../../../src/disk/index.ts';
import { isCoded } from '../../../src/errors/index.ts';
import {
  dataPartitionWrites,
  readDataPartition,
  readNetware,
  type DataPartition,
} from '../../../src/layout/netware/index.ts';
import { contentOf, fresh, laid, madeDisks, patterned, volumeOn } from './made.ts';

/** A partition with a volume and units in the hotfix area, one of them with a copy of the volume table. */
function sample(): DataPartition {
  const bare = fresh(40_000, { hotfixSectors: 1100 * 8 });
  const [entry] = [volumeOn('SYS', 3, [[0, 160, 500]])].map(({ definition, segments }) => ({
    ...definition,
    segments: 1,
    position: 0,
    start: segments[0]!.start,
    sectors: segments[0]!.sectors,
    firstBlock: 0,
  }));
  const table = { entries: [entry!], faults: [null] };
  const moved = [
    { spare: 22, logical: 64, lost: 0 },
    { spare: 200, logical: 240, lost: 5 },
    { spare: 1060, logical: 248, lost: 0 },
    { spare: 1070, logical: 4000, lost: 128 },
  ];
  return { ...bare, redirections: { ...bare.redirections, moved }, table };
}

interface Place {
  readonly what: string;
  readonly offset: number;
  readonly length: number;
}

/** Where every structure lies of which there are copies. */
function places(partition: DataPartition): Place[] {
  return dataPartitionWrites(partition, null)
    .filter(({ copyOf }) => copyOf !== undefined)
    .map(({ what, offset, bytes }) => ({ what, offset, length: Math.min(bytes.length, 4096) }));
}

/** Gives the spares that are in use contents, as they have on a disk that was used. */
async function fillSpares(device: BlockDevice, partition: DataPartition): Promise<void> {
  for (const { spare, logical } of partition.redirections.moved) {
    if (logical >= 160) await device.write(patterned(4096, spare), spare * 4096);
  }
}

const damages: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  zeroed: (bytes) => Buffer.alloc(bytes.length),
  'filled with BD': (bytes) => Buffer.alloc(bytes.length, 0xbd),
  'filled with FF': (bytes) => Buffer.alloc(bytes.length, 0xff),
  random: (bytes) => patterned(bytes.length, 77),
  'cut in half': (bytes) =>
    Buffer.concat([bytes.subarray(0, bytes.length / 2), Buffer.alloc(bytes.length / 2)]),
};

for (const [name, damage] of Object.entries(damages)) {
  test(`any one copy of any structure may be ${name}`, async (t) => {
    const partition = sample();
    for (const { what, offset, length } of places(partition)) {
      const device = await laid(partition);
      await fillSpares(device, partition);
      const before = await contentOf(device, offset, length);
      const after = damage(before);
      await device.write(after, offset);
      const read = await readDataPartition(device);
      t.deepEqual(read.partition, partition, what);
      const silent = after.equals(before) || (name === 'cut in half' && !/table [12], copy/.test(what));
      if (!silent)
        t.true(
          read.notices.some(({ level }) => level === 'warning'),
          what,
        );
    }
  });
}

test('any one copy of any structure may be unreadable, and it is said', async (t) => {
  const partition = sample();
  const device = await laid(partition);
  await fillSpares(device, partition);
  for (const { what, offset, length } of places(partition)) {
    const read = await readDataPartition(faulty(device, { unreadable: [{ start: offset, length }] }));
    t.deepEqual(read.partition, partition, what);
    t.true(
      read.notices.some(({ code }) => code === 'netware-copy-damaged'),
      what,
    );
  }
});

test('any one sector of any copy of a table may be lost', async (t) => {
  const partition = sample();
  const device = await laid(partition);
  await fillSpares(device, partition);
  for (const { what, offset, length } of places(partition).filter(({ what: name }) =>
    /table [12],/.test(name),
  )) {
    for (let at = 0; at < length; at += 512) {
      const before = await contentOf(device, offset + at, 512);
      for (const [name, damage] of Object.entries(damages)) {
        await device.write(damage(before), offset + at);
        const { partition: read } = await readDataPartition(device);
        t.deepEqual(read, partition, `${what}, byte ${at} ${name}`);
      }
      await device.write(before, offset + at);
    }
  }
});

test('one flipped bit in any copy changes nothing that is read', async (t) => {
  const partition = sample();
  const device = await laid(partition);
  await fillSpares(device, partition);
  const all = places(partition);
  await fc.assert(
    fc.asyncProperty(fc.nat(all.length - 1), fc.nat(4095), fc.nat(7), async (which, byte, bit) => {
      const { offset, length, what } = all[which]!;
      const before = await contentOf(device, offset, length);
      const after = Buffer.from(before);
      after[byte % length]! ^= 1 << bit;
      await device.write(after, offset);
      const { partition: read } = await readDataPartition(failing(device, partition)).finally(() =>
        device.write(before, offset),
      );
      t.deepEqual(
        { ...read.redirections, moved: placesOf(read) },
        { ...partition.redirections, moved: placesOf(partition) },
        what,
      );
      t.deepEqual(
        [read.hotfix, read.mirror, read.table],
        [partition.hotfix, partition.mirror, partition.table],
      );
      // A flipped bad bit is believed: it only says that something may have been lost.
      const lost = read.redirections.moved.map(
        (moved, index) => moved.lost & partition.redirections.moved[index]!.lost,
      );
      t.deepEqual(
        lost,
        partition.redirections.moved.map((moved) => moved.lost),
      );
    }),
    // The unit of the first mirror header: a field the header's value does not hold.
    { numRuns: 400, examples: [[all.findIndex(({ what }) => what.startsWith('hotfix and mirror')), 528, 0]] },
  );
});

/** The partition on a disk that cannot read the units that were moved where they were, which is why they were. */
function failing(device: BlockDevice, { hotfix, redirections }: DataPartition): BlockDevice {
  const unreadable = redirections.moved.map(({ logical }) => ({
    start: (hotfix.hotfixSectors + logical) * 512,
    length: 512,
  }));
  return faulty(device, { unreadable });
}

test('any flipped bit of a redirection in use, in either copy, is survived', async (t) => {
  const partition = sample();
  const device = await laid(partition);
  await fillSpares(device, partition);
  for (const { spare } of partition.redirections.moved) {
    for (const copy of partition.hotfix.tables[Math.floor(spare / 1024)]!.redirection) {
      const at = (spare % 1024) * 4;
      const sector = (copy + Math.floor(at / 512)) * 512;
      const before = await contentOf(device, sector, 512);
      for (let bit = 0; bit < 32; bit++) {
        const after = Buffer.from(before);
        after[(at % 512) + (bit >> 3)]! ^= 1 << (bit & 7);
        await device.write(after, sector);
        const { partition: read } = await readDataPartition(failing(device, partition));
        t.deepEqual(read, partition, `spare ${spare}, copy at ${copy}, bit ${bit}`);
      }
      await device.write(before, sector);
    }
  }
});

function placesOf({ redirections }: DataPartition): [number, number][] {
  return redirections.moved.map(({ logical, spare }) => [logical, spare]);
}

test('the majority of the copies is believed, not the first', async (t) => {
  const partition = sample();
  const device = await laid(partition);
  const other = fresh(40_000, { id: 99, hotfixSectors: 1100 * 8 });
  const otherWrites = dataPartitionWrites(other, null);
  for (const { what, offset, bytes } of otherWrites) {
    if (what.endsWith('copy 1 of 4')) await device.write(bytes, offset);
  }
  const read = await readDataPartition(device);
  t.deepEqual(read.partition, partition);
  t.deepEqual(
    read.notices
      .filter(({ code }) => code === 'netware-copy-damaged')
      .map(({ facts }) => [facts!['what'], facts!['sector']]),
    [
      ['the hotfix header', 32],
      ['the mirror header', 33],
      ['the volume table', 32],
    ],
  );
});

test('a tie of copies is told', async (t) => {
  const partition = sample();
  const device = await laid(partition);
  const emptied = dataPartitionWrites({ ...partition, table: { entries: [], faults: [] } }, null);
  for (const { what, offset, bytes } of emptied) {
    if (/volume table, copy [34]/.test(what)) await device.write(bytes, offset);
  }
  const read = await readDataPartition(device);
  t.deepEqual(read.partition, partition);
  t.true(read.notices.some(({ code }) => code === 'netware-copies-tied'));
});

test('a redirection that one copy of the table knows is followed when the data bears it out', async (t) => {
  const partition = sample();
  const moved = partition.redirections.moved.filter(({ logical }) => logical !== 240);
  const older = { ...partition, redirections: { ...partition.redirections, moved } };
  const device = await laid(partition);
  await fillSpares(device, partition);
  for (const { what, offset, bytes } of dataPartitionWrites(older, null)) {
    if (what === 'redirection table 1, copy 2 of 2') await device.write(bytes, offset);
  }
  const read = await readDataPartition(device);
  t.deepEqual(read.partition, partition);
  t.true(read.notices.some(({ code }) => code === 'netware-copies-tied'));
  const spare = partition.redirections.moved.find(({ logical }) => logical === 240)!.spare;
  await device.writeZeroes(spare * 4096, 4096);
  const unborne = await readDataPartition(device);
  t.deepEqual(unborne.partition, older);
  const broken = faulty(device, {
    unreadable: [{ start: (partition.hotfix.hotfixSectors + 240) * 512, length: 512 }],
  });
  t.deepEqual((await readDataPartition(broken)).partition, partition);
});

test('tables that do not mark the units of headers are followed, also when one copy is lost', async (t) => {
  const partition = sample();
  const bare = { ...partition, redirections: { ...partition.redirections, unusable: [] } };
  const device = await laid(bare);
  t.deepEqual((await readDataPartition(device)).partition, bare);
  for (const sector of partition.hotfix.tables[0]!.redirection) {
    const lost = faulty(device, { unreadable: [{ start: sector * 512, length: 4096 }] });
    t.deepEqual((await readDataPartition(lost)).partition, bare);
  }
});

test('a unit that went on from a bad spare to another is found while one copy does not know', async (t) => {
  const partition = sample();
  const { moved, unusable } = partition.redirections;
  const onward = moved.map((entry) => (entry.logical === 240 ? { ...entry, spare: 210 } : entry));
  const after = {
    ...partition,
    redirections: {
      ...partition.redirections,
      moved: onward,
      unusable: [...unusable, 200].toSorted((a, b) => a - b),
    },
  };
  for (const copy of [1, 2]) {
    const device = await laid(after);
    await fillSpares(device, partition);
    await fillSpares(device, after);
    for (const { what, offset, bytes } of dataPartitionWrites(partition, null)) {
      if (what === `redirection table 1, copy ${copy} of 2`) await device.write(bytes, offset);
    }
    t.deepEqual(placesOf((await readDataPartition(device)).partition), placesOf(after));
  }
});

test('two lost copies of a redirection table are told, and what was agreed on is followed', async (t) => {
  const partition = sample();
  const device = await laid(partition);
  const lost = faulty(device, {
    unreadable: partition.hotfix.tables[0]!.redirection.map((sector) => ({
      start: sector * 512,
      length: 4096,
    })),
  });
  const read = await readDataPartition(lost);
  t.deepEqual(
    read.partition.redirections.moved.map(({ spare }) => spare),
    [1060, 1070],
  );
  t.true(read.notices.some(({ message }) => message.startsWith('No copy of redirection table 1 is sound')));
});

test('a volume table at the place of EP 0767431 A1 is read where the real place holds none', async (t) => {
  const partition = { ...sample(), tablePlace: 160 };
  const [entry] = partition.table.entries;
  const moved = { ...partition, table: { entries: [{ ...entry!, start: 288 }], faults: [null] } };
  const read = await readDataPartition(await laid(moved));
  t.deepEqual(read.partition, moved);
  t.true(read.notices.some(({ code }) => code === 'netware-table-place'));
});

test('a partition of zeros, one of garbage and one without a volume table are refused by name', async (t) => {
  const zeros = await laid(sample());
  await zeros.writeZeroes(0, zeros.size);
  t.like(await t.throwsAsync(readDataPartition(zeros)), { code: 'netware-unknown' });
  await zeros.write(patterned(zeros.size, 3), 0);
  t.like(await t.throwsAsync(readDataPartition(zeros)), { code: 'netware-unknown' });
  const partition = sample();
  const headless = await laid(partition);
  await headless.writeZeroes(partition.hotfix.hotfixSectors * 512, 160 * 512);
  const spare = partition.redirections.moved.find(({ logical }) => logical === 64)!.spare;
  await headless.writeZeroes(spare * 4096, 4096);
  t.like(await t.throwsAsync(readDataPartition(headless)), { code: 'layout-damaged' });
  const [disk] = await madeDisks([fresh(40_000)], []);
  await disk!.device.write(patterned(40_000 * 512, 5), 1008 * 512);
  const netware = await readNetware([disk!]);
  t.deepEqual(netware.partitions, []);
  t.is(netware.refused[0]!.error.code, 'netware-unknown');
  t.is(netware.notices[0]!.code, 'netware-not-netware');
});

test('random bytes over structures give a partition or a coded error, and segments stay inside', async (t) => {
  const partition = sample();
  const whole = await contentOf(await laid(partition));
  const hits = fc.array(
    fc.record({
      at: fc.nat(200 * 512),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 600 }),
      data: fc.boolean(),
    }),
    { minLength: 1, maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(hits, async (list) => {
      const bytes = Buffer.from(whole);
      for (const { at, bytes: noise, data } of list) {
        bytes.set(noise, at + (data ? partition.hotfix.hotfixSectors * 512 : 0));
      }
      const [disk] = await madeDisks([fresh(40_000)], []);
      await disk!.device.write(bytes, 1008 * 512);
      const netware = await readNetware([disk!]);
      for (const { segments } of netware.volumes) {
        const { dataSectors } = netware.partitions[0]!.partition.hotfix;
        t.true(segments.every(({ start, sectors }) => start + sectors <= dataSectors));
      }
      t.true(netware.refused.every(({ error }) => isCoded(error, 'netware-unknown', 'layout-damaged')));
    }),
    { numRuns: 40 },
  );
});
