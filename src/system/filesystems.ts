import { mkdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { RemetalError } from '../errors/index.ts';
import { run } from './run.ts';

/** A block device that holds a file system, as blkid(8) sees it. */
export interface HostFileSystem {
  /** The device node, `/dev/sdb1`. */
  readonly device: string;
  /** The whole disk it lies on, `/dev/sdb`; the device itself where it is no partition. */
  readonly disk: string;
  /** As mount(8) calls it: `ext4`, `vfat`, `iso9660`. */
  readonly type: string;
  readonly label: string | null;
  readonly uuid: string | null;
}

/* Kinds of device that never carry a medium of ours. */
const passedOver = /^(loop|ram|zram|fd|dm-|md)/;

/** Every block device with a recognised content, in the order of their names. */
export async function hostFileSystems(): Promise<HostFileSystem[]> {
  const partitions = await readFile('/proc/partitions', 'utf8').catch(() => '');
  const names = partitions
    .split('\n')
    .slice(2)
    .map((line) => line.trim().split(/\s+/)[3] ?? '')
    .filter((name) => name !== '' && !passedOver.test(name))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const found: HostFileSystem[] = [];
  for (const name of names) {
    const device = `/dev/${name.replaceAll('!', '/')}`;
    // Status 2: nothing recognised. Status 8: ambivalent, left alone as well.
    const { stdout } = await run('blkid', ['-p', '-o', 'export', device], { okStatuses: [0, 2, 4, 8] });
    const facts = parseBlkid(stdout);
    const type = facts.get('TYPE');
    if (type === undefined) continue;
    found.push({
      device,
      disk: await diskOf(name, device),
      type,
      label: facts.get('LABEL') ?? null,
      uuid: facts.get('UUID') ?? null,
    });
  }
  return found;
}

/** The `NAME=value` lines of `blkid -o export`, which puts a backslash before what a shell would read. */
export function parseBlkid(text: string): Map<string, string> {
  const facts = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) facts.set(line.slice(0, at), line.slice(at + 1).replaceAll(/\\(.)/gs, '$1'));
  }
  return facts;
}

async function diskOf(name: string, device: string): Promise<string> {
  try {
    const place = await realpath(`/sys/class/block/${name}`);
    await readFile(`${place}/partition`, 'utf8');
    return `/dev/${basename(dirname(place)).replaceAll('!', '/')}`;
  } catch {
    return device;
  }
}

/* Read-only alone still replays a journal, which writes: these options leave the device as it is. */
const untouched: Readonly<Record<string, string>> = {
  ext3: 'noload',
  ext4: 'noload',
  xfs: 'norecovery',
  btrfs: 'rescue=nologreplay',
};

const types = ['ext2', 'ext3', 'ext4', 'xfs', 'vfat', 'exfat', 'btrfs', 'iso9660', 'udf', 'ntfs'];

/** True for a type `mountFileSystem` knows how to mount. */
export function isMountable(type: string): boolean {
  return types.includes(type);
}

/**
 * Mounts a file system on `folder`, which is made. Read-only leaves every byte of the device as it is.
 * Throws `medium-failed` where the kernel refuses.
 */
export async function mountFileSystem(found: HostFileSystem, folder: string, write: boolean): Promise<void> {
  const options = [
    write ? 'rw' : 'ro',
    'nodev',
    'noexec',
    'nosuid',
    ...(!write && untouched[found.type] !== undefined ? [untouched[found.type]!] : []),
  ];
  const asTypes = found.type === 'ntfs' ? ['ntfs3', 'ntfs-3g'] : [found.type];
  await mkdir(folder, { recursive: true });
  let last: unknown;
  for (const type of asTypes) {
    try {
      await run('mount', ['-t', type, '-o', options.join(','), found.device, folder]);
      return;
    } catch (error) {
      last = error;
    }
  }
  throw new RemetalError('medium-failed', `${found.device} (${found.type}) cannot be mounted.`, {
    hint: 'See what the kernel says with dmesg.',
    facts: { device: found.device, type: found.type },
    cause: last,
  });
}

/** Makes everything written to a mounted folder durable and takes the mount away. */
export async function unmountFileSystem(folder: string): Promise<void> {
  await run('umount', [folder]);
}
