import type { BlockDevice } from '../../disk/block-device.ts';
import { alignedBuffer } from '../../disk/buffers.ts';
import { checkRange } from '../../disk/range.ts';
import { isCoded, RemetalError } from '../../errors/index.ts';
import { logicalPartition, requireSectors, sectorsOfUnit } from './logical-partition.ts';
import type { DataPartition } from './partition.ts';
import { sectorSize, unitSectors, unitSize, unitsOfTable } from './places.ts';
import {
  encodeTables,
  freeSpares,
  tablesInOrder,
  type Redirection,
  type Redirections,
} from './redirections.ts';
import { physicalPieces } from './translation.ts';
import { writtenWell } from './written.ts';

/** A unit that failed and was moved to the hotfix area. Sectors of 512 bytes. */
export interface MovedUnit {
  /** Its first logical sector. */
  readonly logical: number;
  /** Sector of the partition where it lay. */
  readonly from: number;
  /** Sector of the partition where it lives now. */
  readonly to: number;
  /** Sectors of the partition that failed. */
  readonly bad: readonly number[];
  /** Logical sectors whose contents could not be read any more and that nobody has written since. */
  readonly lost: readonly number[];
}

/** A logical partition of which every write is read back. */
export interface VerifiedPartition extends BlockDevice {
  /** As they are now; the tables on the disk say the same. */
  readonly redirections: Redirections;
  /** Units that were moved since this was made, in order. */
  readonly moves: readonly MovedUnit[];
}

/** Bytes written and read back at once. */
const stretch = 1024 * 1024;

/**
 * The logical partition as a device that writes as the server does: each write is read back, and a unit
 * of 8 sectors that fails is moved to a spare unit of the hotfix area and entered in both copies of both
 * tables, whereupon everything goes on. A spare that fails is marked unusable and the next one taken.
 * Writes are done one after the other. The device below must not answer reads from a cache of what was
 * just written, or nothing is verified: open disks for direct I/O.
 *
 * `write` and `writeZeroes` throw, beside what devices throw, `hotfix-full` when no spare is left and
 * `disk-write-failed` when the tables themselves can no longer be written; what was moved until then is
 * entered. Discarded sectors are not read back.
 *
 * @param device The whole partition.
 * @throws `layout-sector-size`, `disk-range`.
 */
export function verifiedPartition(
  device: BlockDevice,
  partition: Pick<DataPartition, 'hotfix' | 'redirections'>,
  name = `${device.name}, logical, verified`,
): VerifiedPartition {
  requireSectors(device);
  const { hotfix } = partition;
  let redirections = partition.redirections;
  const mapping = { ...hotfix, moved: redirections.moved };
  const logical = logicalPartition(device, mapping, name);
  const moves: MovedUnit[] = [];
  const scratch = alignedBuffer(stretch);
  const put = (bytes: Buffer, sector: number): Promise<boolean> =>
    writtenWell(device, bytes, sector * sectorSize, scratch);

  const locate = (sector: number): number => physicalPieces(mapping, sector, 1)[0]!.physical;

  const enter = async (next: Redirections, units: readonly number[]): Promise<void> => {
    await device.flush();
    for (const group of new Set(units.map((unit) => Math.floor(unit / unitsOfTable)))) {
      const bytes = encodeTables(next, group);
      let held = false;
      for (const { sector, kind } of tablesInOrder(hotfix.tables[group]!)) {
        const good = await put(bytes[kind], sector);
        if (good && kind === 'redirection') held = true;
      }
      if (!held) throw tablesFailed(device, group);
    }
    await device.flush();
    redirections = next;
    mapping.moved = next.moved;
  };

  /** Reads what a unit holds, sector by sector; bit r of `lost` for what cannot be read. */
  const salvage = async (first: number): Promise<{ content: Buffer; lost: number }> => {
    const content = Buffer.alloc(unitSize);
    let lost = 0;
    for (let r = 0; r < sectorsOfUnit(first, hotfix.dataSectors); r++) {
      const sector = content.subarray(r * sectorSize, (r + 1) * sectorSize);
      try {
        await device.read(sector, locate(first + r) * sectorSize);
      } catch (error) {
        if (!isCoded(error, 'disk-read-failed')) throw error;
        sector.fill(0);
        lost |= 1 << r;
      }
    }
    return { content, lost };
  };

  const badSectors = async (source: Buffer, start: number): Promise<number[]> => {
    const bad: number[] = [];
    for (let at = 0; at < source.length; at += sectorSize) {
      const physical = locate(start + at / sectorSize);
      const good = await put(source.subarray(at, at + sectorSize), physical);
      if (!good) bad.push(physical);
    }
    return bad;
  };

  /** Moves the unit that holds logical sectors from `start` on, of which `source` is the new content. */
  const move = async (source: Buffer, start: number): Promise<void> => {
    const first = Math.floor(start / unitSectors) * unitSectors;
    const from = locate(first);
    const earlier = redirections.moved.find((redirection) => redirection.logical === first);
    const { content, lost: unread } = await salvage(first);
    const bad = await badSectors(source, start);
    // A run that fails as a whole and in none of its sectors is told by its first one.
    if (bad.length === 0) bad.push(locate(start));
    source.copy(content, (start - first) * sectorSize);
    let lost = unread | (earlier?.lost ?? 0);
    for (let r = start - first; r < start - first + source.length / sectorSize; r++) lost &= ~(1 << r);
    const unusable = new Set(redirections.unusable);
    if (earlier !== undefined) unusable.add(earlier.spare);
    const spare = await takeSpare(content, unusable);
    if (spare === null) throw hotfixFull(device, first, bad, redirections);
    const moved: Redirection[] = [
      ...redirections.moved.filter((redirection) => redirection !== earlier),
      { spare, logical: first, lost },
    ].toSorted((a, b) => a.logical - b.logical);
    const touched = [spare, ...[...unusable].filter((unit) => !redirections.unusable.includes(unit))];
    await enter(
      { units: redirections.units, moved, unusable: [...unusable].toSorted((a, b) => a - b) },
      touched,
    );
    moves.push({ logical: first, from, to: spare * unitSectors, bad, lost: sectorsOf(first, lost) });
  };

  const takeSpare = async (content: Buffer, unusable: Set<number>): Promise<number | null> => {
    for (const spare of freeSpares(redirections, hotfix)) {
      if (unusable.has(spare)) continue;
      if (await put(content, spare * unitSectors)) return spare;
      unusable.add(spare);
    }
    return null;
  };

  /** Unit by unit, after a stretch of them failed. */
  const writeUnits = async (source: Buffer, start: number): Promise<void> => {
    for (let at = 0; at < source.length;) {
      const sector = start + at / sectorSize;
      const count = Math.min(source.length - at, (unitSectors - (sector % unitSectors)) * sectorSize);
      const part = source.subarray(at, at + count);
      if (!(await put(part, locate(sector)))) await move(part, sector);
      at += count;
    }
  };

  const writeAll = async (source: Buffer, offset: number): Promise<void> => {
    for (let at = 0; at < source.length; at += stretch) {
      const part = source.subarray(at, at + stretch);
      const start = (offset + at) / sectorSize;
      for (const piece of physicalPieces(mapping, start, part.length / sectorSize)) {
        const from = (piece.logical - start) * sectorSize;
        const bytes = part.subarray(from, from + piece.sectors * sectorSize);
        if (!(await put(bytes, piece.physical))) {
          await writeUnits(bytes, piece.logical);
        }
      }
    }
  };

  let queue: Promise<void> = Promise.resolve();
  /* One after the other: a unit that moves must not be written to where it was. */
  const inTurn = async (work: () => Promise<void>): Promise<void> => {
    const run = queue.then(work);
    queue = run.catch(() => {});
    await run;
  };

  return {
    ...logical,
    get redirections() {
      return redirections;
    },
    moves,
    async write(source, offset) {
      checkRange(logical, offset, source.length);
      const bytes = Buffer.from(source.buffer, source.byteOffset, source.length);
      await inTurn(() => writeAll(bytes, offset));
    },
    async writeZeroes(offset, length) {
      checkRange(logical, offset, length);
      const zeros = Buffer.alloc(Math.min(length, stretch));
      await inTurn(async () => {
        for (let at = 0; at < length; at += stretch) {
          await writeAll(zeros.subarray(0, Math.min(stretch, length - at)), offset + at);
        }
      });
    },
    async discard(offset, length) {
      checkRange(logical, offset, length);
      await inTurn(() => logical.discard(offset, length));
    },
    async flush() {
      await inTurn(() => device.flush());
    },
  };
}

function sectorsOf(first: number, bits: number): number[] {
  return Array.from({ length: unitSectors }, (_, r) => r)
    .filter((r) => (bits & (1 << r)) !== 0)
    .map((r) => first + r);
}

function hotfixFull(
  device: BlockDevice,
  logical: number,
  bad: readonly number[],
  redirections: Redirections,
): RemetalError {
  return new RemetalError(
    'hotfix-full',
    `${device.name} fails at sector ${bad[0]} and its hotfix area has no spare unit left`,
    {
      hint: 'Replace the disk, or restore with a larger hotfix area.',
      facts: { name: device.name, logical, bad: [...bad], inUse: redirections.moved.length },
    },
  );
}

function tablesFailed(device: BlockDevice, group: number): RemetalError {
  return new RemetalError(
    'disk-write-failed',
    `${device.name} can no longer write its redirection table ${group + 1}; neither copy could be changed`,
    { hint: 'Replace the disk.', facts: { name: device.name, group } },
  );
}
