import { isCoded, RemetalError } from '../errors/index.ts';
import { mounts } from './mounts.ts';
import { run } from './run.ts';

/**
 * What the mounting may do to the device: `untouched` writes nothing, not even the replay of a journal;
 * `replayed` lets the kernel replay it, into a device that can be written, and shows the result read-only;
 * `writable` shows it for writing.
 */
export type MountFace = 'untouched' | 'replayed' | 'writable';

interface Kind {
  /** For mount(8), the best first. */
  readonly types: readonly string[];
  /** Options of every mount of the kind, and those that keep the journal from being replayed. */
  readonly always?: readonly string[];
  readonly untouched?: readonly string[];
  /** Reads its own structures past the cache of the device, into one of its own. */
  readonly cachesItself?: boolean;
}

const fat: Kind = { types: ['vfat'] };
/* Two file systems of one UUID, the image and its origin, are mounted side by side on the machine that was imaged. */
const kinds: Readonly<Record<string, Kind>> = {
  ext2: { types: ['ext2'] },
  ext3: { types: ['ext3'], untouched: ['noload'] },
  ext4: { types: ['ext4'], untouched: ['noload'] },
  xfs: { types: ['xfs'], cachesItself: true, always: ['nouuid'], untouched: ['norecovery'] },
  btrfs: { types: ['btrfs'], cachesItself: true, untouched: ['rescue=nologreplay'] },
  fat12: fat,
  fat16: fat,
  fat32: fat,
  exfat: { types: ['exfat'] },
  ntfs: { types: ['ntfs-3g', 'ntfs3'] },
  hfsplus: { types: ['hfsplus'] },
  f2fs: { types: ['f2fs'], cachesItself: true },
  iso9660: { types: ['iso9660'] },
  udf: { types: ['udf'] },
  jfs: { types: ['jfs'], cachesItself: true },
  squashfs: { types: ['squashfs'] },
  erofs: { types: ['erofs'] },
};

/** True for a file system, named as in a layout record, that this program knows how to have mounted. */
export function isVolumeMountable(filesystem: string): boolean {
  return kinds[filesystem] !== undefined;
}

/** True where what the kernel's cache of the device holds spares the file system a read of its own structures. */
export function readsThroughDeviceCache(filesystem: string): boolean {
  return kinds[filesystem] !== undefined && kinds[filesystem].cachesItself !== true;
}

/** Mounts the volume on a device. Throws `mount-failed` with what the kernel said. */
export async function mountVolume(
  device: string,
  folder: string,
  { filesystem, face }: { readonly filesystem: string; readonly face: MountFace },
): Promise<void> {
  const kind = kinds[filesystem];
  if (kind === undefined) {
    throw new RemetalError('mount-failed', `A volume of the type ${filesystem} cannot be mounted.`, {
      facts: { filesystem },
    });
  }
  const options = [
    face === 'writable' ? 'rw' : 'ro',
    'nodev',
    'nosuid',
    'noatime',
    ...(kind.always ?? []),
    ...(face === 'untouched' ? (kind.untouched ?? []) : []),
  ].join(',');
  let last: unknown;
  for (const type of kind.types) {
    try {
      await run('mount', ['-t', type, '-o', options, device, folder]);
      return;
    } catch (error) {
      if (!isCoded(error, 'program-failed')) throw error;
      last = error;
    }
  }
  const said = isCoded(last) ? String(last.facts['stderr']) : '';
  throw new RemetalError('mount-failed', `The ${filesystem} volume cannot be mounted on ${folder}.`, {
    hint: said === '' ? 'See what the kernel says with dmesg.' : `It was said: ${said}`,
    facts: { device, folder, filesystem, face },
    cause: last,
  });
}

/** True where something is mounted on exactly that folder; does not look into it. */
export async function isMounted(folder: string): Promise<boolean> {
  return (await mounts()).some(({ mountPoint }) => mountPoint === folder);
}

/**
 * Takes a mount away. With `lazy` its name goes at once, though somebody still uses it. Throws `mount-failed`
 * where it is in use.
 */
export async function unmountVolume(
  folder: string,
  options: { readonly lazy?: boolean } = {},
): Promise<void> {
  try {
    await run('umount', [...(options.lazy === true ? ['--lazy'] : []), folder]);
  } catch (error) {
    if (!isCoded(error, 'program-failed')) throw error;
    if (!(await isMounted(folder))) return;
    throw new RemetalError('mount-failed', `${folder} is in use and cannot be unmounted.`, {
      hint: `See who uses it with: fuser -vm ${folder}`,
      facts: { folder, said: error.facts['stderr'] },
      cause: error,
    });
  }
}
