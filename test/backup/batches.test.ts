import test from 'ava';
import fc from 'fast-check';
import { GroupIndex } from '../../src/archive/index.ts';
import { batchesOf } from '../../src/backup/batches.ts';
import { readBatch } from '../../src/backup/reading.ts';
import { normalize, total, type Extent } from '../../src/bytes/index.ts';
import { bufferPool, faulty, memoryDisk, recording, type BlockDevice } from '../../src/disk/index.ts';

const block = 1024;
const groupSize = 16 * block;
const slabSize = 8 * groupSize;
const blocks = 2000;

async function filledDisk(): Promise<BlockDevice> {
  const disk = memoryDisk(blocks * block);
  const bytes = Buffer.alloc(disk.size);
  for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(i + 1, i);
  await disk.write(bytes, 0);
  return disk;
}

const someBlocks = fc
  .array(fc.tuple(fc.nat(blocks - 1), fc.integer({ min: 1, max: 120 })), { maxLength: 60 })
  .map((runs) =>
    normalize(
      runs.map(([start, length]) => ({
        start: start * block,
        length: Math.min(length, blocks - start) * block,
      })),
    ),
  );

function mapOf(data: readonly Extent[]): GroupIndex {
  const map = { volume: 'disk1.part1', size: blocks * block, blockSize: block, groupSize, control: [], data };
  return new GroupIndex(map);
}

test('batches carry every group, in order, with the bytes of its extents', async (t) => {
  const disk = await filledDisk();
  const pool = bufferPool(slabSize, 1);
  await fc.assert(
    fc.asyncProperty(someBlocks, async (data) => {
      const index = mapOf(data);
      let group = 0;
      for (const batch of batchesOf(index, slabSize)) {
        const slab = await pool.acquire();
        for (const run of batch.runs) t.true(run.at + run.length <= slabSize);
        const { groups, unreadable } = await readBatch(disk, batch, slab, 'stop');
        t.deepEqual(unreadable, []);
        for (const bytes of groups) {
          const pieces: Buffer[] = [];
          for (const { start, length } of index.groupExtents(group)) {
            const piece = Buffer.alloc(length);
            await disk.read(piece, start);
            pieces.push(piece);
          }
          t.true(bytes.equals(Buffer.concat(pieces)), `group ${group}`);
          group++;
        }
        slab.release();
      }
      t.is(group, index.groupCount);
    }),
    { numRuns: 60 },
  );
});

test('short gaps are read over, long ones are not', async (t) => {
  const index = mapOf([
    { start: 0, length: 8 * block },
    { start: 16 * block, length: 8 * block },
    { start: 1000 * block, length: 8 * block },
  ]);
  const disk = recording(await filledDisk());
  const slab = await bufferPool(slabSize, 1).acquire();
  const [batch] = [...batchesOf(index, slabSize)];
  await readBatch(disk, batch!, slab, 'stop');
  t.deepEqual(disk.accesses, [
    { call: 'read', offset: 0, length: 24 * block },
    { call: 'read', offset: 1000 * block, length: 8 * block },
  ]);
});

test('exactly the unreadable sectors that are in use become zeros and are listed', async (t) => {
  const sector = fc.nat((blocks * block) / 512 - 1).map((number) => ({ start: number * 512, length: 512 }));
  const whole = await filledDisk();
  const pool = bufferPool(slabSize, 1);
  await fc.assert(
    fc.asyncProperty(someBlocks, fc.array(sector, { maxLength: 12 }), async (data, bad) => {
      const index = mapOf(data);
      const broken = faulty(whole, { unreadable: normalize(bad) });
      const lost: Extent[] = [];
      for (const batch of batchesOf(index, slabSize)) {
        const slab = await pool.acquire();
        const { groups, unreadable } = await readBatch(broken, batch, slab, 'skip');
        lost.push(...unreadable);
        for (const [i, group] of batch.groups.entries()) {
          let at = 0;
          for (const { start, length } of group.pieces) {
            for (let offset = 0; offset < length; offset += 512, at += 512) {
              const isBad = bad.some((extent) => extent.start === start + offset);
              t.is(groups[i]!.readUInt32LE(at), isBad ? 0 : start + offset + 1);
            }
          }
        }
        slab.release();
      }
      const inUse = normalize(bad).flatMap(({ start, length }) =>
        Array.from({ length: length / 512 }, (_, i) => start + i * 512).filter((at) =>
          data.some((extent) => extent.start <= at && at < extent.start + extent.length),
        ),
      );
      t.is(total(normalize(lost)), inUse.length * 512);
    }),
    { numRuns: 40 },
  );
});

test('without leave to skip, the first unreadable sector ends the read', async (t) => {
  const disk = faulty(await filledDisk(), { unreadable: [{ start: 5 * block, length: 512 }] });
  const slab = await bufferPool(slabSize, 1).acquire();
  const [batch] = [...batchesOf(mapOf([{ start: 0, length: 64 * block }]), slabSize)];
  await t.throwsAsync(() => readBatch(disk, batch!, slab, 'stop'), { code: 'disk-read-failed' });
});

test('a disk that is gone is never taken for unreadable sectors', async (t) => {
  const disk = faulty(await filledDisk(), { vanishAfterBytes: 4 * block });
  const slab = await bufferPool(slabSize, 1).acquire();
  const [batch] = [...batchesOf(mapOf([{ start: 0, length: 64 * block }]), slabSize)];
  await t.throwsAsync(() => readBatch(disk, batch!, slab, 'skip'), { code: 'disk-gone' });
});
