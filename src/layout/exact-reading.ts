import type { BlockDevice } from '../disk/block-device.ts';
import { withoutExact } from './exact.ts';
import { readSectors } from './fields.ts';
import type { ExactBytes, Table } from './layout.ts';
import { tableWrites, type TableWrite } from './writes.ts';

/** Longer runs are cut: each is one string of the layout record. */
const longestRun = 4096;
/** Zeros in a run cost less than a run of its own. */
const worthJoining = 16;

/**
 * The table of a disk with the exact bytes of its structures, unused and damaged ones included. As it was
 * where one of them cannot be read or the table does not fit the disk it stands on.
 */
export async function exactTable(table: Table, device: BlockDevice): Promise<Table> {
  if (table.kind === 'none') return table;
  let writes: TableWrite[];
  try {
    writes = tableWrites(withoutExact(table), device);
  } catch {
    return table;
  }
  const runs: ExactBytes['runs'] = [];
  for (const { offset, bytes } of writes.toSorted((a, b) => a.offset - b.offset)) {
    const first = Math.floor(offset / device.sectorSize);
    const end = Math.ceil((offset + bytes.length) / device.sectorSize);
    const sectors = await readSectors(device, first, end - first);
    if (sectors === null) return table;
    const from = offset - first * device.sectorSize;
    for (const run of nonZeroRuns(sectors.subarray(from, from + bytes.length))) {
      runs.push({ offset: offset + run.start, bytes: run.bytes.toString('hex') });
    }
  }
  return { ...table, exact: { size: device.size, sectorSize: device.sectorSize, runs } };
}

function* nonZeroRuns(bytes: Buffer): Generator<{ start: number; bytes: Buffer }> {
  let start = -1;
  let end = -1;
  for (const [at, byte] of bytes.entries()) {
    if (byte === 0) continue;
    if (start >= 0 && (at - end >= worthJoining || at - start >= longestRun)) {
      yield { start, bytes: bytes.subarray(start, end) };
      start = -1;
    }
    if (start < 0) start = at;
    end = at + 1;
  }
  if (start >= 0) yield { start, bytes: bytes.subarray(start, end) };
}
