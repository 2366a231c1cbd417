import test from 'ava';
import fc from 'fast-check';
import { backup } from '../../src/backup/index.ts';
import { openSet, type SetReader } from '../../src/archive/index.ts';
import { memoryDisk, type BlockDevice } from '../../src/disk/index.ts';
import { isCoded } from '../../src/errors/index.ts';
import { memoryMedium, type MemoryMedium } from '../../src/medium/memory.ts';
import { setVolume } from '../../src/mount/index.ts';
import { silent } from '../../src/progress/index.ts';
import { noise } from '../restore/sets.ts';
import { identityOfMemory } from '../restore/targets.ts';

const size = 6 * 1024 * 1024;

async function stored(): Promise<{
  source: BlockDevice;
  medium: MemoryMedium;
  set: string;
  reader: SetReader;
}> {
  const source = memoryDisk(size);
  for (const at of [0, 700_416, 2_097_152, 5_000_192]) await source.write(noise(300_032, at), at);
  const medium = memoryMedium();
  const { set } = await backup({
    disks: [{ device: source, identity: identityOfMemory(source, 'source') }],
    medium,
    machine: { hostname: 'x', firmware: null, vendor: null, product: null, serial: null },
    name: 'x',
    note: '',
    allSectors: false,
    onReadError: 'stop',
    level: 1,
    now: new Date('2031-02-03T04:05:06Z'),
    reporter: silent,
  });
  return { source, medium, set, reader: await openSet(medium, set) };
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
