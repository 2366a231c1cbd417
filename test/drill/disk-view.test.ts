import { execFileSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'ava';
import { identityOf, joined, openDisk, slice, type BlockDevice } from '../../src/disk/index.ts';
import { diskViews } from '../../src/drill/index.ts';
import { layoutSchema, type Volume } from '../../src/layout/index.ts';
import { setVolume } from '../../src/mount/index.ts';
import { backedUp } from '../helpers/backed-up.ts';
import { requires } from '../helpers/requires.ts';
import { serverImage } from '../helpers/server-image.ts';
import { temporary } from '../helpers/temporary.ts';
import { gpt, partitioned, setOf } from '../restore/sets.ts';

const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

function said(program: string, ...args: string[]): string {
  return execFileSync(program, args, { env: { ...process.env, PATH: path }, encoding: 'utf8' });
}

async function copyOut(device: BlockDevice, file: string): Promise<void> {
  const step = 1024 * 1024;
  const pieces = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < device.size; at += step) {
      const bytes = Buffer.alloc(Math.min(step, device.size - at));
      await device.read(bytes, at);
      yield bytes;
    }
  };
  await pipeline(Readable.from(pieces()), createWriteStream(file));
}

/** A volume read straight from the disk it came from. */
function volumeOf(source: BlockDevice, { id, segments }: Volume): BlockDevice {
  const { sectorSize } = source;
  const pieces = segments.map(({ start, length }) => slice(source, start * sectorSize, length * sectorSize));
  return joined(pieces, id);
}

requires(
  'sfdisk',
  'mke2fs',
  'blkid',
  'e2fsck',
  'debugfs',
)('a disk of a set has the table, the file systems and the used blocks of its source', async (t) => {
  const folder = temporary(t);
  const image = serverImage(folder);
  const source = await openDisk(image);
  const { reader } = await backedUp([{ device: source, identity: await identityOf(image) }]);
  const [view] = diskViews({ layout: reader.layout, volume: (id) => setVolume(reader, id) });
  const copy = join(folder, 'view.raw');
  await copyOut(view!.device, copy);
  t.is(view!.device.size, source.size);
  t.is(
    said('sfdisk', '-d', copy).replaceAll(copy, 'DISK'),
    said('sfdisk', '-d', image).replaceAll(image, 'DISK'),
  );
  for (const offset of [1048576, 34603008]) {
    const facts = (file: string): string =>
      said('blkid', '-p', '-O', String(offset), '-o', 'export', file).replace(/^DEVNAME=.*$/m, '');
    t.is(facts(copy), facts(image));
    t.notThrows(() => said('e2fsck', '-fn', `${copy}?offset=${offset}`));
  }
  const words = said('debugfs', '-R', 'cat words', `${copy}?offset=34603008`);
  t.is(words, 'here they are\n'.repeat(1000));
  // Every byte the set keeps, at its place.
  for (const { id, segments } of reader.layout.volumes) {
    const start = segments[0]!.start * 512;
    const { control, data } = reader.maps.get(id)!;
    for (const extent of segments.length === 1 ? [...control, ...data] : []) {
      const [wanted, found] = [Buffer.alloc(extent.length), Buffer.alloc(extent.length, 7)];
      await source.read(wanted, start + extent.start);
      await view!.device.read(found, start + extent.start);
      t.true(wanted.equals(found), `${id} ${extent.start}`);
    }
  }
  await source.close();
});

for (const sectorSize of [512, 4096]) {
  test(`a view is the source byte for byte where all was kept, sectors of ${sectorSize}`, async (t) => {
    const table = gpt([128, 64]);
    const source = await partitioned({ size: 4 * 1024 * 1024, sectorSize, table });
    const boot = Buffer.alloc(440, 0x90);
    const first = Buffer.alloc(sectorSize);
    await source.read(first, 0);
    boot.copy(first);
    await source.write(first, 0);
    await source.write(Buffer.alloc(64 * sectorSize, 3), 256 * sectorSize);
    const made = await setOf(source, {});
    const reader = made.reader();
    const [view] = diskViews({
      layout: reader.layout,
      volume: (id) =>
        volumeOf(
          source,
          reader.layout.volumes.find((each) => each.id === id)!,
        ),
    });
    const { device } = view!;
    const [wanted, found] = [Buffer.alloc(source.size), Buffer.alloc(source.size, 9)];
    await source.read(wanted, 0);
    await device.read(found, 0);
    t.true(wanted.equals(found));
    // A piece that begins and ends in the middle of a volume and of the table.
    for (const [at, count] of [
      [1, 3],
      [255, 70],
      [source.size / sectorSize - 20, 20],
    ] as const) {
      const some = Buffer.alloc(count * sectorSize, 9);
      await device.read(some, at * sectorSize);
      t.true(some.equals(wanted.subarray(at * sectorSize, (at + count) * sectorSize)));
    }
    const extents = (await device.dataExtents?.()) ?? [];
    t.true(extents.every(({ start, length }) => start % sectorSize === 0 && length % sectorSize === 0));
    const outside = Buffer.from(wanted);
    for (const { start, length } of extents) outside.fill(0, start, start + length);
    t.true(outside.every((byte) => byte === 0));
    await t.throwsAsync(device.write(Buffer.alloc(sectorSize), 0), { code: 'disk-write-failed' });
    await t.throwsAsync(device.read(Buffer.alloc(sectorSize), source.size), { code: 'disk-range' });
    t.throws(() => diskViews({ layout: reader.layout, disks: ['disk7'], volume: () => device }), {
      code: 'usage',
    });
  });
}

test('a set with NetWare partitions is refused with the way that works', async (t) => {
  const source = await partitioned({ size: 4 * 1024 * 1024, sectorSize: 512, table: gpt([128]) });
  const { layout } = await setOf(source, {});
  const netware = layoutSchema.parse({ ...layout, netware: { partitions: [], volumes: [] } });
  const error = t.throws(() => diskViews({ layout: netware, volume: () => source }), {
    code: 'usage',
  });
  t.regex(String(error), /NetWare/);
});
