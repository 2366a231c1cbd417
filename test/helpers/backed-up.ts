import { openSet, type SetReader, type SetTotals } from '../../src/archive/index.ts';
import { backup } from '../../src/backup/index.ts';
import type { BlockDevice, DiskIdentity } from '../../src/disk/index.ts';
import { memoryMedium, type MemoryMedium } from '../../src/medium/memory.ts';
import { silent } from '../../src/progress/index.ts';

/** A set in memory, opened. */
export interface BackedUp {
  readonly medium: MemoryMedium;
  readonly set: string;
  readonly totals: SetTotals;
  readonly reader: SetReader;
}

/** Backs one disk up into memory. `more` is what the test is about. */
export async function backedUp(
  disk: { readonly device: BlockDevice; readonly identity: DiskIdentity },
  more: Partial<Parameters<typeof backup>[0]> = {},
): Promise<BackedUp> {
  const medium = memoryMedium();
  const { set, totals } = await backup({
    disks: [disk],
    medium,
    machine: { hostname: 'x', firmware: null, vendor: null, product: null, serial: null },
    name: 'x',
    note: '',
    allSectors: false,
    onReadError: 'stop',
    level: 1,
    now: new Date('2031-02-03T04:05:06Z'),
    reporter: silent,
    ...more,
  });
  return { medium, set, totals, reader: await openSet(medium, set) };
}
