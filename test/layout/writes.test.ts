import test from 'ava';
import fc from 'fast-check';
import { fitTable, readTable, tableWrites, type Table } from '../../src/layout/index.ts';
import { memoryDisk } from '../../src/disk/index.ts';
import { anyTable } from './tables.ts';

async function written(table: Table, geometry: { size: number; sectorSize: number }): Promise<Table> {
  const disk = memoryDisk(geometry.size, geometry);
  const sector = Buffer.alloc(geometry.sectorSize);
  for (const write of tableWrites(table, geometry)) {
    if (write.offset >= geometry.sectorSize) await disk.write(write.bytes, write.offset);
    else write.bytes.copy(sector, write.offset);
  }
  await disk.write(sector, 0);
  const { table: read, notices } = await readTable(disk);
  if (notices.length > 0) throw new Error(notices[0]!.message);
  return read;
}

test('what is written is read back the same', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyTable, async ({ table, geometry }) => {
      t.deepEqual(await written(table, geometry), fitTable(table, geometry));
    }),
    { numRuns: 150 },
  );
});

test('table writes never overlap, stay on the disk, and put sector 0 last', (t) => {
  fc.assert(
    fc.property(anyTable, ({ table, geometry }) => {
      const writes = tableWrites(table, geometry);
      const sorted = writes.toSorted((a, b) => a.offset - b.offset);
      for (const [index, write] of sorted.entries()) {
        const end = write.offset + write.bytes.length;
        if (write.offset < 0 || end > (sorted[index + 1]?.offset ?? geometry.size)) t.fail(write.what);
      }
      t.true(writes.at(-1)!.offset === 446);
    }),
    { numRuns: 150 },
  );
});
