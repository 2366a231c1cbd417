import type { Geometry } from './fields.ts';
import type { ExactBytes, Table } from './layout.ts';

/** True when a table knows its exact bytes and `geometry` is that of the disk it was read from. */
export function isExact(
  table: Table,
  geometry: Geometry,
): table is Exclude<Table, { kind: 'none' }> & { exact: ExactBytes } {
  if (table.kind === 'none' || table.exact === undefined) return false;
  return table.exact.size === geometry.size && table.exact.sectorSize === geometry.sectorSize;
}

/** The table without its exact bytes: for another disk, or another arrangement of its partitions. */
export function withoutExact<T extends Table>(table: T): T {
  const plain = { ...table };
  if (plain.kind !== 'none') delete plain.exact;
  return plain;
}

/** The `length` bytes that stood at byte `offset` of the source disk. */
export function carriedOver(exact: ExactBytes, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (const run of exact.runs) {
    const from = Buffer.from(run.bytes, 'hex');
    const at = run.offset - offset;
    if (at < length && at + from.length > 0) from.copy(bytes, Math.max(0, at), Math.max(0, -at));
  }
  return bytes;
}
