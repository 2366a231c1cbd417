import type { Notice } from '../progress/index.ts';
import type { run } from '../system/index.ts';
import { bootEntryChange, fallbackCopies, loaderOf, parseBootEntries } from './bootloader-decisions.ts';

/** The EFI system partition of a restored disk. */
export interface SystemPartition {
  /** Device node or image file of the disk. */
  readonly path: string;
  /** False for an image file, which the firmware of this machine cannot start from. */
  readonly bootable: boolean;
  /** Bytes from the start of the disk. */
  readonly offset: number;
  /** Number in the partition table. */
  readonly number: number;
  /** Its GUID in a GPT, else null. */
  readonly guid: string | null;
}

export interface BootLoaderRequest {
  readonly partitions: readonly SystemPartition[];
  /** GUIDs of every partition that was restored; the kernel may not know them yet. */
  readonly restored: readonly string[];
  /** True when this machine was started by EFI and a boot entry is wished for. */
  readonly bootEntry: boolean;
  /** The time the tools of FAT shall think it is, so that doing it twice gives the same bytes. */
  readonly time: Date;
  readonly run: typeof run;
  readonly notice: (notice: Notice) => void;
}

/**
 * Makes restored disks start: the path the firmware falls back on is there on every EFI system
 * partition, and the firmware has an entry for the loader, first in its order. What cannot be done is
 * a notice, for the data is already back. Returns the entries made or kept.
 */
export async function restoreBootLoaders(request: BootLoaderRequest): Promise<{ entries: string[] }> {
  const entries: string[] = [];
  for (const partition of request.partitions) {
    try {
      const files = await ensureFallback(partition, request);
      const loader = loaderOf(files);
      if (loader === null) {
        request.notice({
          level: 'warning',
          code: 'no-efi-loader',
          message: `${describe(partition)} holds no EFI boot loader that is known`,
        });
      } else if (request.bootEntry && partition.bootable && partition.guid !== null) {
        entries.push(await ensureEntry({ partition, guid: partition.guid, loader, request }));
      }
    } catch (error) {
      request.notice({
        level: 'warning',
        code: 'boot-loader-failed',
        message: `${describe(partition)} could not be made ready to start: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
  }
  return { entries };
}

function describe(partition: SystemPartition): string {
  return `The EFI system partition ${partition.number} of ${partition.path}`;
}

/** Copies what is missing; the paths of the files under /EFI afterwards. */
async function ensureFallback(
  partition: SystemPartition,
  { run, notice, time }: BootLoaderRequest,
): Promise<readonly string[]> {
  // mtools works inside an image at an offset and needs no driver in the kernel.
  const image = ['-i', `${partition.path}@@${partition.offset}`];
  const seconds = String(Math.floor(time.getTime() / 1000));
  const options = { env: { MTOOLS_SKIP_CHECK: '1', SOURCE_DATE_EPOCH: seconds, TZ: 'UTC' } };
  const files = (
    await run('mdir', [...image, '-/', '-b', '::/EFI'], { ...options, okStatuses: [0, 1] })
  ).stdout
    .split('\n')
    .map((line) => line.replace(/^::/, '').trim())
    .filter((path) => path.startsWith('/') && !path.endsWith('/'));
  const copies = fallbackCopies(files);
  if (copies.length > 0 && !files.some((path) => path.toLowerCase().startsWith('/efi/boot/'))) {
    // Status 1: the folder is there and empty.
    await run('mmd', [...image, '-D', 's', '::/EFI/BOOT'], { ...options, okStatuses: [0, 1] });
  }
  for (const { from, to } of copies) {
    try {
      await run('mcopy', [...image, '-m', '-o', `::${from}`, `::${to}`], options);
    } catch (error) {
      // Half a loader is worse than none: firmware would start it.
      await run('mdel', [...image, `::${to}`], options).catch(() => undefined);
      throw error;
    }
  }
  if (copies.length > 0) {
    notice({
      level: 'info',
      code: 'fallback-loader',
      message: `${describe(partition)} got ${copies.map((copy) => copy.to).join(' and ')} from ${copies[0]!.from}`,
    });
  }
  return [...files, ...copies.map((copy) => copy.to)];
}

async function ensureEntry(wanted: {
  readonly partition: SystemPartition;
  readonly guid: string;
  readonly loader: { readonly loader: string; readonly label: string };
  readonly request: BootLoaderRequest;
}): Promise<string> {
  const { partition, guid, request } = wanted;
  const { loader, label } = wanted.loader;
  const runner = request.run;
  const before = parseBootEntries((await runner('efibootmgr', ['-v'])).stdout);
  // Status 2: no partition of the machine has such a GUID.
  const present = await runner('blkid', ['-c', '/dev/null', '-s', 'PARTUUID', '-o', 'value'], {
    okStatuses: [0, 2],
  });
  const guids = present.stdout.split(/\s+/).filter((word) => word !== '');
  const change = bootEntryChange(before, { label, loader, guid, present: [...guids, ...request.restored] });
  for (const number of change.remove)
    await runner('efibootmgr', ['--quiet', '--delete-bootnum', '--bootnum', number]);
  if (change.create) {
    await runner('efibootmgr', [
      '--quiet',
      '--create',
      '--disk',
      partition.path,
      '--part',
      String(partition.number),
      '--loader',
      loader,
      '--label',
      label,
    ]);
    return label;
  }
  if (change.order !== null) await runner('efibootmgr', ['--quiet', '--bootorder', change.order.join(',')]);
  return label;
}
