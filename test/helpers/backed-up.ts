import { openSet, type SetReader, type SetTotals } from '../../src/archive/index.ts';
import { backup } from '../../src/backup/index.ts';
import type { BackupRequest } from '../../src/backup/request.ts';
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

/** Backs disks up into memory. `more` is what the test is about. */
export async function backedUp(
  disks: readonly { readonly device: BlockDevice; readonly identity: DiskIdentity }[],
  more: Partial<BackupRequest> = {},
): Promise<BackedUp> {
  const medium = memoryMedium();
  const { set, totals } = await backup({
    disks,
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
