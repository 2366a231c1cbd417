import type { Extent } from '../bytes/index.ts';
import { alignOutward, intersect, normalize } from '../bytes/index.ts';
import { checkRange, slice, type BlockDevice } from '../disk/index.ts';
import { RemetalError } from '../errors/index.ts';
import { tableWrites, type Layout, type TableWrite, type Volume } from '../layout/index.ts';

/** A disk of a set, as the machine that was imaged saw it. */
export interface DiskView {
  /** `disk1`, … of the layout. */
  readonly id: string;
  /** Read-only; of the size and sector size of the source disk. */
  readonly device: BlockDevice;
}

export interface DiskViewOptions {
  readonly layout: Layout;
  /** Which disks, by id; all when absent. */
  readonly disks?: readonly string[];
  /** A volume of the set as a device with sectors of this size. */
  readonly volume: (id: string, sectorSize: number) => BlockDevice;
}

/** A run of a volume and where it lies on the disk, bytes. */
interface Piece {
  readonly start: number;
  readonly device: BlockDevice;
}

/**
 * The disks of a set, put together from its volumes: the partition table is written anew as a restore writes it,
 * every volume lies at its segments, everything else reads as zeros. Closing a view leaves the volumes open.
 *
 * @throws `usage` for a disk the set does not have and for sets with NetWare partitions, whose
 *   own structures only a restore makes, `layout-damaged` for a table that contradicts itself.
 */
export function diskViews({ layout, disks, volume }: DiskViewOptions): DiskView[] {
  const unknown = (disks ?? []).find((id) => !layout.disks.some((disk) => disk.id === id));
  if (unknown !== undefined) {
    throw new RemetalError('usage', `The set holds no disk ${unknown}`, {
      hint: `It holds ${layout.disks.map(({ id }) => id).join(', ')}.`,
      facts: { disk: unknown },
    });
  }
  if (layout.netware !== undefined) {
    throw new RemetalError('usage', 'The structures of NetWare partitions are made by a restore alone', {
      hint: 'Drill the set with --restore.',
    });
  }
  const opened = new Map<string, BlockDevice>();
  const open = (id: string, sectorSize: number): BlockDevice => {
    const device = opened.get(id) ?? volume(id, sectorSize);
    opened.set(id, device);
    return device;
  };
  return layout.disks
    .filter(({ id }) => disks === undefined || disks.includes(id))
    .map(({ id, identity, table }) => {
      const { size, sectorSize } = identity;
      const geometry = { size: size - (size % sectorSize), sectorSize };
      return {
        id,
        device: view({
          name: id,
          ...geometry,
          pieces: layout.volumes.flatMap((each) => piecesOf(each, id, sectorSize, open)),
          patches: tableWrites(table, geometry),
        }),
      };
    });
}

/** The runs of a volume that lie on a disk. */
function piecesOf(
  { id, segments }: Volume,
  disk: string,
  sectorSize: number,
  open: (id: string, sectorSize: number) => BlockDevice,
): Piece[] {
  const pieces: Piece[] = [];
  let inside = 0;
  for (const segment of segments) {
    const length = segment.length * sectorSize;
    if (segment.disk === disk && length > 0) {
      const device = slice(open(id, sectorSize), inside, length);
      pieces.push({ start: segment.start * sectorSize, device });
    }
    inside += length;
  }
  return pieces;
}

interface ViewOptions {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly pieces: readonly Piece[];
  /** Bytes that lie above everything else: those of the table, in sector 0 among those of the boot code. */
  readonly patches: readonly TableWrite[];
}

function view({ name, size, sectorSize, pieces: unsorted, patches }: ViewOptions): BlockDevice {
  const pieces = unsorted.toSorted((a, b) => a.start - b.start);
  const shape = { name, size, sectorSize };
  const refused = (): Promise<never> =>
    Promise.reject(
      new RemetalError('disk-write-failed', `${name} is a disk of a backup set and is not written to`),
    );
  return {
    ...shape,
    async read(target, offset) {
      checkRange(shape, offset, target.length);
      const end = offset + target.length;
      target.fill(0);
      // All at once, so that the reader can sort them by their place on the medium.
      await Promise.all(
        pieces.map(async ({ start, device }) => {
          const from = Math.max(offset, start);
          const to = Math.min(end, start + device.size);
          if (from < to) await device.read(target.subarray(from - offset, to - offset), from - start);
        }),
      );
      for (const patch of patches) {
        const from = Math.max(offset, patch.offset);
        const to = Math.min(end, patch.offset + patch.bytes.length);
        if (from >= to) continue;
        target.set(patch.bytes.subarray(from - patch.offset, to - patch.offset), from - offset);
      }
    },
    write: refused,
    writeZeroes: refused,
    discard: refused,
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
    async dataExtents() {
      const found = await Promise.all(
        pieces.map(async ({ start, device }): Promise<Extent[]> => {
          const whole = [{ start: 0, length: device.size }];
          const held = intersect((await device.dataExtents?.()) ?? whole, whole);
          return held.map((extent) => ({ start: start + extent.start, length: extent.length }));
        }),
      );
      const written = patches.map(({ offset, bytes }) => ({ start: offset, length: bytes.length }));
      return alignOutward(normalize([...found.flat(), ...written]), sectorSize, size);
    },
  };
}
