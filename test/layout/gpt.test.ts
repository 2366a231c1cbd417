import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { RemetalError } from '../../src/errors/index.ts';
import { readTable, tableWrites, volumesOf, type GptTable, type Table } from '../../src/layout/index.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { diskOf, lay, partitioned, partitioned4096, sfdiskJson, withLoop } from './fixtures.ts';

const MiB = 1024 * 1024;
const script = `label: gpt
label-id: 3B6C9F1E-7B55-4C41-9E5D-6A2B8B0C1D2E
first-lba: 34
start=2048, size=1M, type=21686148-6449-6E6F-744E-656564454649
size=4M, type=U, name="EFI system"
size=8M, name="Wurzel äöü 𝄞", attrs="RequiredPartition,GUID:63"
size=3M, type=S
`;

function asGpt(table: Table): GptTable {
  if (table.kind !== 'gpt') throw new Error(`a ${table.kind} table`);
  return table;
}

function agrees(t: ExecutionContext, table: GptTable, path: string): void {
  const told = sfdiskJson(path);
  t.deepEqual(
    table.partitions.map(({ number, start, length, type, guid, name }) => ({
      number,
      start,
      size: length,
      type: type.toUpperCase(),
      uuid: guid.toUpperCase(),
      name,
    })),
    told.partitions.map((part) => ({
      number: part.number,
      start: part.start,
      size: part.size,
      type: part.type,
      uuid: part.uuid!,
      name: part.name ?? '',
    })),
  );
  t.deepEqual(
    [table.diskGuid.toUpperCase(), table.firstUsable, table.lastUsable],
    [told.id, told.firstlba!, told.lastlba!],
  );
}

requires('sfdisk')('reads what sfdisk made and writes the same bytes', async (t: ExecutionContext) => {
  const path = join(temporary(t), 'disk.raw');
  const image = partitioned(path, 64 * MiB, script);
  const disk = await diskOf(image);
  const { table, notices } = await readTable(disk);
  t.deepEqual(notices, []);
  agrees(t, asGpt(table), path);
  t.is(asGpt(table).partitions[2]!.attributes, '8000000000000001');
  const blank = Buffer.alloc(image.length);
  image.copy(blank, 0, 0, 446);
  t.true(lay(blank, tableWrites(table, disk)).equals(image));
});

requiresRoot('sfdisk', 'losetup')('reads and writes sectors of 4096 bytes', async (t: ExecutionContext) => {
  const path = join(temporary(t), 'disk.raw');
  const image = partitioned4096(path, 64 * MiB, script.replace('first-lba: 34\nstart=2048', 'start=256'));
  const disk = await diskOf(image, 4096);
  const { table, notices } = await readTable(disk);
  t.deepEqual(notices, []);
  withLoop(path, 4096, (node) => agrees(t, asGpt(table), node));
  const blank = Buffer.alloc(image.length);
  image.copy(blank, 0, 0, 446);
  t.true(lay(blank, tableWrites(table, disk)).equals(image));
  const narrow = await t.throwsAsync<RemetalError>(readTable(await diskOf(image, 512)));
  t.is(narrow.code, 'layout-sector-size');
  t.deepEqual(narrow.facts, { sectorSize: 512, written: 4096 });
});

requires('sfdisk', 'sgdisk')(
  'a table moved to a larger disk is whole for sgdisk',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const { table } = await readTable(await diskOf(partitioned(join(folder, 'a.raw'), 64 * MiB, script)));
    const path = join(folder, 'b.raw');
    const size = 96 * MiB + 512;
    writeFileSync(path, lay(Buffer.alloc(size), tableWrites(table, { size, sectorSize: 512 })));
    const said = execFileSync('sgdisk', ['-v', path], { encoding: 'utf8' });
    t.regex(said, /No problems found/);
    const again = asGpt((await readTable(await diskOf(readFileSync(path)))).table);
    t.deepEqual(again.partitions, asGpt(table).partitions);
    t.is(again.lastUsable, size / 512 - 34);
    agrees(t, again, path);
  },
);

requires('sfdisk')('a damaged first copy is taken from the second, and said', async (t: ExecutionContext) => {
  const image = partitioned(join(temporary(t), 'disk.raw'), 32 * MiB, script);
  const whole = (await readTable(await diskOf(image))).table;
  for (const [at, what] of [
    [512, 'no signature'],
    [512 + 40, 'header checksum'],
    [1024 + 5, 'entries checksum'],
  ] as const) {
    const hurt = Buffer.from(image);
    hurt[at]! ^= 0xff;
    const { table, notices } = await readTable(await diskOf(hurt));
    t.deepEqual(table, whole);
    t.deepEqual(
      notices.map((notice) => [notice.code, notice.facts]),
      [['gpt-repaired', { primary: what, backup: 'sound' }]],
    );
  }
});

requires('sfdisk')('a damaged second copy and disagreement are said', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const image = partitioned(join(folder, 'a.raw'), 32 * MiB, script);
  const hurt = Buffer.from(image);
  hurt[image.length - 512 + 60]! ^= 1;
  t.deepEqual(
    (await readTable(await diskOf(hurt))).notices.map((notice) => notice.code),
    ['gpt-backup-damaged'],
  );
  const other = partitioned(join(folder, 'b.raw'), 32 * MiB, script.replace('size=3M', 'size=2M'));
  other.copy(image, image.length - 33 * 512, image.length - 33 * 512);
  const { table, notices } = await readTable(await diskOf(image));
  t.deepEqual(
    notices.map((notice) => notice.code),
    ['gpt-copies-differ'],
  );
  t.is(asGpt(table).partitions[3]!.length, 3 * 2048);
});

requires('sfdisk')(
  'a second copy left behind when the disk grew is found, an empty boot record made good',
  async (t: ExecutionContext) => {
    const image = partitioned(join(temporary(t), 'disk.raw'), 32 * MiB, script);
    const larger = Buffer.concat([image, Buffer.alloc(MiB)]);
    t.deepEqual(
      (await readTable(await diskOf(larger))).notices.map((notice) => [notice.code, notice.facts]),
      [['gpt-backup-moved', { sector: 65535 }]],
    );
    const { protectiveMbr } = asGpt((await readTable(await diskOf(image))).table);
    image.fill(0, 0, 512);
    const { table, notices } = await readTable(await diskOf(image));
    t.is(asGpt(table).protectiveMbr, protectiveMbr);
    t.deepEqual(
      notices.map((notice) => notice.code),
      ['gpt-repaired'],
    );
  },
);

requires('sfdisk')(
  'refuses when neither copy is sound, and a disk that was cut off',
  async (t: ExecutionContext) => {
    const image = partitioned(join(temporary(t), 'disk.raw'), 32 * MiB, script);
    const short = await t.throwsAsync<RemetalError>(readTable(await diskOf(image.subarray(0, 8 * MiB))));
    t.is(short.code, 'layout-damaged');
    image[512 + 57]! ^= 1;
    image[image.length - 512]! ^= 1;
    const error = await t.throwsAsync<RemetalError>(readTable(await diskOf(image)));
    t.is(error.code, 'layout-damaged');
    t.deepEqual(error.facts, { primary: 'header checksum', backup: 'no signature' });
  },
);

requires('sfdisk', 'sgdisk')('a hybrid boot record is kept', async (t: ExecutionContext) => {
  const path = join(temporary(t), 'disk.raw');
  partitioned(path, 32 * MiB, script);
  execFileSync('sgdisk', ['--hybrid', '2:3', path], { stdio: 'ignore' });
  const image = readFileSync(path);
  const disk = await diskOf(image);
  const { table, notices } = await readTable(disk);
  t.deepEqual(
    notices.map((notice) => notice.code),
    ['hybrid-mbr'],
  );
  t.is(asGpt(table).protectiveMbr, image.subarray(446, 512).toString('hex'));
  t.true(lay(Buffer.from(image), tableWrites(table, disk)).equals(image));
});

requires('sgdisk')('other entry counts and entries elsewhere are kept', async (t: ExecutionContext) => {
  const path = join(temporary(t), 'disk.raw');
  writeFileSync(path, Buffer.alloc(32 * MiB));
  execFileSync(
    'sgdisk',
    ['--clear', '--resize-table=256', '--move-main-table=100', '--new=200:4096:8191', path],
    {
      stdio: 'ignore',
    },
  );
  const image = readFileSync(path);
  const disk = await diskOf(image);
  const { table, notices } = await readTable(disk);
  t.deepEqual(notices, []);
  t.is(asGpt(table).entryCount, 256);
  t.is(asGpt(table).entriesStart, 100);
  t.is(asGpt(table).partitions[0]!.number, 200);
  t.true(lay(Buffer.from(image), tableWrites(table, disk)).equals(image));
  t.deepEqual(volumesOf(table, 'disk1', disk)[0]!.segments, [
    { disk: 'disk1', start: 0, length: 1 },
    { disk: 'disk1', start: 2, length: 98 },
    { disk: 'disk1', start: 164, length: 4096 - 164 },
  ]);
});

test('hostile headers allocate nothing and name what is wrong', async (t) => {
  const { crc32 } = await import('node:zlib');
  const image = Buffer.alloc(MiB);
  image.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 7, 0, 0], 446);
  image.set([0x55, 0xaa], 510);
  const header = (fields: { count?: number; size?: number; entries?: bigint; length?: number }): void => {
    const at = image.subarray(512, 1024).fill(0);
    at.write('EFI PART', 'latin1');
    at.writeUInt32LE(fields.length ?? 92, 12);
    at.writeBigUInt64LE(1n, 24);
    at.writeBigUInt64LE(fields.entries ?? 2n, 72);
    at.writeUInt32LE(fields.count ?? 128, 80);
    at.writeUInt32LE(fields.size ?? 128, 84);
    at.writeUInt32LE(crc32(at.subarray(0, Math.min(512, fields.length ?? 92))), 16);
  };
  for (const [fields, reason] of [
    [{ count: 0xffff_ffff, size: 0xffff_fff8 }, /entries of/],
    [{ count: 8193 }, /entries of/],
    [{ size: 64 }, /entries of/],
    [{ size: 0 }, /entries of/],
    [{ entries: 2n ** 63n }, /beyond any disk/],
    [{ entries: 2040n }, /entries at sector 2040/],
    [{ entries: 0n }, /entries at sector 0/],
    [{ length: 4000 }, /header size/],
    [{ length: 12 }, /header size/],
  ] as const) {
    header(fields);
    const error = await t.throwsAsync<RemetalError>(readTable(await diskOf(image)));
    t.is(error.code, 'layout-damaged');
    t.regex(String(error.facts['primary']), reason);
  }
});
