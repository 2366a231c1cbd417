import type { BlockDevice } from '../disk/block-device.ts';
import { checkRange } from '../disk/range.ts';
import { slice } from '../disk/slice.ts';
import {
  layStructures,
  readDataPartition,
  verifiedPartition,
  type NetwareNotice,
  type NetwareWrite,
  type VerifiedPartition,
} from '../layout/netware/index.ts';
import type { PlanDataPartition } from './plan-netware-document.ts';

interface Area {
  readonly planned: PlanDataPartition;
  /** Bytes of the disk that are the logical partition. */
  readonly start: number;
  readonly end: number;
  readonly whole: BlockDevice;
  opened: VerifiedPartition | null;
}

/**
 * A disk with NetWare data partitions in the making. What is written behind the hotfix area of a partition
 * whose structures are laid is read back, and goes to a spare unit where the disk fails; everything else is
 * the disk itself. Offsets stay those of the disk.
 */
export class NetwareDisk implements BlockDevice {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #disk: BlockDevice;
  readonly #areas: readonly Area[];

  constructor(disk: BlockDevice, partitions: readonly PlanDataPartition[]) {
    this.name = disk.name;
    this.size = disk.size;
    this.sectorSize = disk.sectorSize;
    this.#disk = disk;
    this.#areas = partitions.map((planned) => ({
      planned,
      start: (planned.start + planned.hotfixSectors) * disk.sectorSize,
      end: (planned.start + planned.sectors) * disk.sectorSize,
      whole: slice(
        disk,
        planned.start * disk.sectorSize,
        planned.sectors * disk.sectorSize,
        `${disk.name} partition ${planned.partition}`,
      ),
      opened: null,
    }));
  }

  /** Goes by the structures on the disk from here on: after they were laid, or when a restore is taken up. */
  async open(partition: number): Promise<void> {
    const area = this.#area(partition);
    const read = await readDataPartition(area.whole);
    area.opened = verifiedPartition(area.whole, read.partition);
  }

  /** Lays a new hotfix area with its tables. Throws `disk-write-failed` where the disk cannot hold them. */
  async layArea(partition: number, writes: readonly NetwareWrite[]): Promise<NetwareNotice[]> {
    return await layStructures(this.#area(partition).whole, writes);
  }

  /** Writes the volume table of an open partition. Throws likewise. */
  async layVolumeTable(partition: number, writes: readonly NetwareWrite[]): Promise<NetwareNotice[]> {
    return await layStructures(this.logical(partition), writes);
  }

  /** The logical partition of an open one. */
  logical(partition: number): VerifiedPartition {
    return this.#area(partition).opened!;
  }

  /** The partition whose data or hotfix area byte `offset` of the disk is in, or null. */
  partitionAt(offset: number): PlanDataPartition | null {
    const sector = offset / this.sectorSize;
    const found = this.#areas.find(
      ({ planned }) => sector >= planned.start && sector < planned.start + planned.sectors,
    );
    return found?.planned ?? null;
  }

  #area(partition: number): Area {
    return this.#areas.find(({ planned }) => planned.partition === partition)!;
  }

  /** A range cut where a logical partition begins or ends, each piece with the device it belongs to. */
  *#pieces(
    offset: number,
    length: number,
  ): Generator<{ device: BlockDevice; offset: number; from: number; length: number }> {
    checkRange(this, offset, length);
    for (let from = 0; from < length;) {
      const at = offset + from;
      const inside = this.#areas.find(({ opened, start, end }) => opened !== null && at >= start && at < end);
      if (inside === undefined) {
        const next = this.#areas
          .filter(({ opened, start }) => opened !== null && start > at)
          .reduce((least, { start }) => Math.min(least, start), offset + length);
        const count = Math.min(next, offset + length) - at;
        yield { device: this.#disk, offset: at, from, length: count };
        from += count;
        continue;
      }
      const device = inside.opened!;
      const logical = at - inside.start;
      // A partition may end in sectors that make no unit of 8: they are of no use to NetWare.
      const room = logical < device.size ? device.size - logical : inside.end - at;
      const count = Math.min(offset + length - at, room);
      yield logical < device.size
        ? { device, offset: logical, from, length: count }
        : { device: this.#disk, offset: at, from, length: count };
      from += count;
    }
  }

  async read(target: Uint8Array, offset: number): Promise<void> {
    for (const piece of this.#pieces(offset, target.length)) {
      await piece.device.read(target.subarray(piece.from, piece.from + piece.length), piece.offset);
    }
  }

  async write(source: Uint8Array, offset: number): Promise<void> {
    for (const piece of this.#pieces(offset, source.length)) {
      await piece.device.write(source.subarray(piece.from, piece.from + piece.length), piece.offset);
    }
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    for (const piece of this.#pieces(offset, length)) {
      await piece.device.writeZeroes(piece.offset, piece.length);
    }
  }

  async discard(offset: number, length: number): Promise<void> {
    for (const piece of this.#pieces(offset, length)) await piece.device.discard(piece.offset, piece.length);
  }

  async flush(): Promise<void> {
    for (const { opened } of this.#areas) await opened?.flush();
    await this.#disk.flush();
  }

  async close(): Promise<void> {
    await this.#disk.close();
  }
}
