import { isCoded } from '../../../src/errors/index.ts';
import {
  logicalOf,
  readDataPartition,
  readNetware,
  volumeDevice,
  volumeNamed,
} from '../../../src/layout/netware/index.ts';
import { requires } from '../../helpers/requires.ts';
import { diskOf, disksOf, imageNames, manifestOf, nssImage } from './images.ts';

for (const name of imageNames) {
  requires('zstd')(`${name}: every partition fact is as another implementation wrote it`, async (t) => {
    const manifest = manifestOf(name);
    const netware = await readNetware(await disksOf(name));
    t.deepEqual(
      netware.partitions.map(({ disk, start, length, partition }) => ({
        disk,
        start_lba: start,
        sectors: length,
        hotfix_sectors: partition.hotfix.hotfixSectors,
        data_sectors: partition.hotfix.dataSectors,
        redirections: partition.redirections.moved.map(({ logical, spare }) => ({
          logical_sector: logical,
          moved_to_partition_sector: spare * 8,
        })),
        mirror_members: partition.mirror!.members.map((id) => `0x${id.toString(16).padStart(8, '0')}`),
        vdt: partition.table.entries.map((entry) => ({
          name: entry.name,
          plus16: entry.sync,
          shift: entry.blockShift,
          segments: entry.segments,
          position: entry.position,
          flags: entry.flags,
          start: entry.start,
          sectors: entry.sectors,
          blocks: entry.blocks,
          first_block: entry.firstBlock,
          fat1: entry.firstFat,
          fat2: entry.mirrorFat,
          dir1: entry.firstDirectory,
          dir2: entry.mirrorDirectory,
        })),
      })),
      manifest.partitions,
    );
    t.deepEqual(netware.refused, []);
    t.deepEqual(netware.broken, []);
    t.deepEqual(
      netware.notices.filter(({ level }) => level === 'warning'),
      [],
    );
    t.deepEqual(
      Object.fromEntries(
        netware.volumes.map(({ definition }) => [
          definition.name,
          [definition.blocks, 512 * 2 ** definition.blockShift, definition.segments.length],
        ]),
      ),
      Object.fromEntries(
        Object.entries(manifest.volumes).map(([volume, { geometry }]) => [
          volume,
          [Number(geometry['blocks']), Number(geometry['blocksize']), Number(geometry['segments'])],
        ]),
      ),
    );
  });

  requires('zstd')(`${name}: the FAT at both places begins with the chain of itself`, async (t) => {
    const netware = await readNetware(await disksOf(name));
    for (const volume of netware.volumes) {
      const { blockShift, blocks, firstFat, mirrorFat } = volume.definition;
      const device = volumeDevice(volume, (index) => logicalOf(netware, index));
      t.is(device.size, blocks * 512 * 2 ** blockShift);
      const copies = [firstFat, mirrorFat].map(async (block) => {
        const bytes = Buffer.alloc(512 * 2 ** blockShift);
        await device.read(bytes, block * bytes.length);
        return bytes;
      });
      const [primary, mirror] = await Promise.all(copies);
      t.true(primary!.equals(mirror!));
      t.is(primary!.readUInt32LE(firstFat * 8), 0);
      t.not(primary!.readUInt32LE(firstFat * 8 + 4), 0);
      t.is(primary!.readUInt32LE(mirrorFat * 8), 0);
      t.not(primary!.readUInt32LE(mirrorFat * 8 + 4), 0);
    }
  });
}

requires('zstd')(
  'a lost first copy of everything stops nothing, and is said with the name of the partition',
  async (t) => {
    const disks = await disksOf('f-hotfix');
    const whole = await readNetware(disks);
    const { start, partition } = whole.partitions[0]!;
    const { hotfixSectors, tables } = partition.hotfix;
    const lost = [32, 33, hotfixSectors + 32, tables[0]!.redirection[0], tables[0]!.badBits[0]];
    for (const sector of lost) await disks[0]!.device.writeZeroes((start + sector) * 512, 512);
    const read = await readNetware(disks);
    t.deepEqual(read.partitions[0]!.partition, partition);
    t.deepEqual(read.volumes, whole.volumes);
    const told = read.notices.filter(({ level }) => level === 'warning').map(({ message }) => message);
    t.is(told.length, 5);
    t.is(
      told[0],
      'f-hotfix.img partition 1: The copy of the hotfix header at sector 32 was outvoted: it is no hotfix header (no HOTFIX00).',
    );
  },
);

requires('zstd')('a disk of a spanned volume that is missing is named', async (t) => {
  const [first] = await disksOf('c-segments');
  const netware = await readNetware([first!]);
  t.deepEqual(netware.broken, [{ name: 'VOL1', reasons: ['segment 1 of 3 is missing'] }]);
  t.deepEqual(
    netware.volumes.map(({ definition }) => definition.name),
    ['SYS'],
  );
  const error = t.throws(() => volumeNamed(netware, 'VOL1'));
  t.true(isCoded(error, 'layout-damaged'));
});

requires('zstd')('a disk that is there twice is named', async (t) => {
  const [disk] = await disksOf('a-basic4k');
  const netware = await readNetware([disk!, { ...disk!, id: 'copy' }]);
  t.deepEqual(netware.broken, [
    {
      name: 'SYS',
      reasons: [
        'segment 1 of 1 is there 2 times: on a-basic4k.img partition 1 at sector 160 and on copy partition 1 at sector 160',
      ],
    },
  ]);
});

requires('xz')('NSS is refused by name', async (t) => {
  const error = await t.throwsAsync(readDataPartition(await diskOf(nssImage(), 'nss.img')));
  t.true(isCoded(error, 'netware-unknown'));
  t.regex(error.message, /nss\.img holds NSS/);
});
