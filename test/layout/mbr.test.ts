import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { RemetalError } from '../../src/errors/index.ts';
import { readTable, tableWrites, volumesOf, type MbrTable, type Table } from '../../src/layout/index.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { diskOf, lay, partitioned, partitioned4096, sfdiskJson, withLoop } from './fixtures.ts';

const MiB = 1024 * 1024;
const script = `label: dos
label-id: 0x89abcdef
size=4M, bootable
size=2M, type=c
size=20M, type=5
size=4M
size=2M, type=82
size=3M
`;
/* Logical partitions whose chain is not in the order of the disk. */
const disordered = `label: dos
label-id: 0x1
start=2048, size=2048, type=83
start=4096, size=40960, type=f
start=36864, size=2048, type=83
start=10240, size=2048, type=83
start=20480, size=4096, type=82
`;

function asMbr(table: Table): MbrTable {
  if (table.kind !== 'mbr') throw new Error(`a ${table.kind} table`);
  return table;
}

function agrees(t: ExecutionContext, table: MbrTable, path: string): void {
  const told = sfdiskJson(path);
  t.deepEqual(
    table.partitions.map(({ number, start, length, type, active }) => ({
      number,
      start,
      length,
      type,
      active,
    })),
    told.partitions.map((part) => ({
      number: part.number,
      start: part.start,
      length: part.size,
      type: parseInt(part.type, 16),
      active: part.bootable ?? false,
    })),
  );
  t.deepEqual(table.diskSignature, Number(told.id));
}

for (const [title, text] of [
  ['primary and logical partitions', script],
  ['a chain out of order', disordered],
] as const) {
  requires('sfdisk')(
    `reads ${title} as sfdisk does and writes a table it reads the same`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const path = join(folder, 'disk.raw');
      const image = partitioned(path, 64 * MiB, text);
      const disk = await diskOf(image);
      const { table, notices } = await readTable(disk);
      t.deepEqual(notices, []);
      agrees(t, asMbr(table), path);
      const written = lay(Buffer.alloc(image.length), tableWrites(table, disk));
      t.deepEqual((await readTable(await diskOf(written))).table, table);
      const again = join(folder, 'again.raw');
      writeFileSync(again, written);
      agrees(t, asMbr(table), again);
    },
  );
}

requires('sfdisk')('a table of sfdisk comes back byte for byte', async (t: ExecutionContext) => {
  const image = partitioned(join(temporary(t), 'disk.raw'), 64 * MiB, script);
  const disk = await diskOf(image);
  const { table } = await readTable(disk);
  t.true(lay(Buffer.alloc(image.length), tableWrites(table, disk)).equals(image));
});

requiresRoot('sfdisk', 'losetup')('reads and writes sectors of 4096 bytes', async (t: ExecutionContext) => {
  const path = join(temporary(t), 'disk.raw');
  const image = partitioned4096(path, 64 * MiB, script);
  const disk = await diskOf(image, 4096);
  const { table } = await readTable(disk);
  withLoop(path, 4096, (node) => agrees(t, asMbr(table), node));
  t.true(lay(Buffer.alloc(image.length), tableWrites(table, disk)).equals(image));
});

requires('sfdisk')(
  'keeps the code of boot records and the first of a chain whose partition is gone',
  async (t: ExecutionContext) => {
    const path = join(temporary(t), 'disk.raw');
    partitioned(path, 64 * MiB, script);
    execFileSync('sfdisk', ['--quiet', '--no-reread', '--delete', path, '5'], { stdio: 'ignore' });
    const image = readFileSync(path);
    const disk = await diskOf(image);
    const first = asMbr((await readTable(disk)).table);
    const ebr = first.partitions.find((entry) => entry.number === 5)!.ebr!;
    image.write('code', ebr * 512 + 10);
    const { table } = await readTable(await diskOf(image));
    const logical = asMbr(table).partitions.find((entry) => entry.number === 5)!;
    t.is(Buffer.from(logical.ebrCode!, 'hex').toString('latin1', 10, 14), 'code');
    const written = lay(Buffer.alloc(image.length), tableWrites(table, disk));
    t.deepEqual((await readTable(await diskOf(written))).table, table);
  },
);

requires('sfdisk')('volumes and the boot gap', async (t: ExecutionContext) => {
  const image = partitioned(join(temporary(t), 'disk.raw'), 64 * MiB, script);
  const disk = await diskOf(image);
  const volumes = volumesOf((await readTable(disk)).table, 'disk1', disk);
  t.deepEqual(
    volumes.map((volume) => [volume.id, volume.kind, volume.partition]),
    [
      ['disk1.boot', 'boot', null],
      ['disk1.part1', 'partition', 1],
      ['disk1.part2', 'partition', 2],
      ['disk1.part5', 'partition', 5],
      ['disk1.part6', 'partition', 6],
      ['disk1.part4', 'partition', 4],
    ].toSorted((a, b) => order(a[0]) - order(b[0])),
  );
  t.deepEqual(volumes[0]!.segments, [{ disk: 'disk1', start: 0, length: 2048 }]);

  function order(id: unknown): number {
    return volumes.findIndex((volume) => volume.id === id);
  }
});

requires('mkfs.fat')(
  'a FAT volume without a table is no MBR, with or without a made-up table',
  async (t: ExecutionContext) => {
    for (const options of [[], ['--mbr=y']]) {
      const path = join(temporary(t), 'fat.raw');
      writeFileSync(path, '');
      truncateSync(path, 40 * MiB);
      execFileSync('mkfs.fat', [...options, '-F', '32', path], { stdio: 'ignore' });
      const disk = await diskOf(readFileSync(path));
      const { table, notices } = await readTable(disk);
      t.deepEqual({ table, notices }, { table: { kind: 'none' }, notices: [] });
      t.deepEqual(volumesOf(table, 'disk1', disk)[0]!.segments, [{ disk: 'disk1', start: 0, length: 81920 }]);
    }
  },
);

test('a disk of zeros, a tiny one and one with boot code but no table have none', async (t) => {
  for (const size of [0, 512, MiB]) {
    t.deepEqual(await readTable(await diskOf(Buffer.alloc(size))), { table: { kind: 'none' }, notices: [] });
  }
  const coded = Buffer.alloc(MiB);
  coded.fill(0x90, 0, 440);
  coded.set([0x55, 0xaa], 510);
  const { table, notices } = await readTable(await diskOf(coded));
  t.is(table.kind, 'none');
  t.deepEqual(
    notices.map((notice) => notice.code),
    ['no-table'],
  );
});

function record(image: Buffer, at: number, slot: number, fields: [number, number, number]): void {
  const place = at * 512 + 446 + slot * 16;
  image[place + 4] = fields[0];
  image.writeUInt32LE(fields[1], place + 8);
  image.writeUInt32LE(fields[2], place + 12);
  image.set([0x55, 0xaa], at * 512 + 510);
}

for (const [title, words, make] of [
  ['loops', /loops at sector 100/, (image) => record(image, 100, 1, [5, 0, 10])],
  [
    'leaves its container',
    /leaves its extended partition at sector 1700/,
    (image) => record(image, 100, 1, [5, 1600, 10]),
  ],
  [
    'has no boot record',
    /no extended boot record at sector 300/,
    (image) => record(image, 100, 1, [5, 200, 10]),
  ],
  [
    'names two partitions',
    /names 2 partitions/,
    (image) => {
      record(image, 100, 0, [0x83, 10, 10]);
      record(image, 100, 1, [0x83, 30, 10]);
    },
  ],
  ['holds a partition that ends outside', /outside/, (image) => record(image, 100, 0, [0x83, 10, 5000])],
  [
    'holds a partition outside its container',
    /outside every extended/,
    (image) => record(image, 100, 0, [0x83, 1000, 300]),
  ],
  [
    'has overlapping partitions',
    /overlap at sector 150/,
    (image) => {
      record(image, 100, 0, [0x83, 10, 100]);
      record(image, 100, 1, [5, 50, 10]);
      record(image, 150, 0, [0x83, 200, 10]);
    },
  ],
] as const satisfies readonly (readonly [string, RegExp, (image: Buffer) => void])[]) {
  test(`refuses a chain that ${title}`, async (t) => {
    const image = Buffer.alloc(MiB);
    record(image, 0, 0, [0x0f, 100, 1000]);
    image.set([0x55, 0xaa], 100 * 512 + 510);
    make(image);
    const error = await t.throwsAsync<RemetalError>(readTable(await diskOf(image)));
    t.is(error.code, 'layout-damaged');
    t.regex(error.message, words);
  });
}

test('refuses an endless chain and primaries that overlap or end outside', async (t) => {
  const image = Buffer.alloc(MiB);
  record(image, 0, 0, [0x0f, 1, 2000]);
  for (let at = 1; at < 1999; at++) record(image, at, 1, [5, at, 1]);
  t.regex((await t.throwsAsync<RemetalError>(readTable(await diskOf(image)))).message, /more than 252/);
  const crossed = Buffer.alloc(MiB);
  record(crossed, 0, 0, [0x83, 10, 100]);
  record(crossed, 0, 1, [0x83, 50, 100]);
  t.regex(
    (await t.throwsAsync<RemetalError>(readTable(await diskOf(crossed)))).message,
    /overlap at sector 50/,
  );
  const cut = Buffer.alloc(MiB);
  record(cut, 0, 0, [0x83, 10, 1_000_000]);
  t.is((await t.throwsAsync<RemetalError>(readTable(await diskOf(cut)))).code, 'layout-damaged');
});
