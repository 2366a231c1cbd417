import { existsSync, statSync } from 'node:fs';
import type { SetReader } from '../archive/index.ts';
import { openDisk, type BlockDevice } from '../disk/index.ts';
import { RemetalError } from '../errors/index.ts';
import { openNetwareVolume, type NetwareFileSystem } from '../filesystem/netware/index.ts';
import { readTable } from '../layout/index.ts';
import {
  logicalOf,
  readNetware,
  volumeDevice,
  volumeNamed,
  type Netware,
  type NetwareVolume,
} from '../layout/netware/index.ts';
import { setVolume } from '../mount/index.ts';
import { netwareVolumes, type KnownVolume } from '../restore/plan-netware.ts';
import { usage, type Context } from './context.ts';
import { withSet } from './sets.ts';

/** Disks and the NetWare volume on them that a person means; null for the only one. */
export interface VolumeAddress {
  /** Disks, image files, or the one folder a backup set is in. */
  readonly disks: readonly string[];
  readonly volume: string | null;
}

/** The words on addresses in the help of the verbs that take one. */
export const addressHelp = `
A volume is named DISK:VOLUME, where DISK is a disk or an image file; a volume that lies on several is named
with all of them, DISK,DISK:VOLUME. A volume of a backup set is named FOLDER:VOLUME, FOLDER being the place of the
set. Paths that hold a colon or a comma go into --disk, and the volume alone is named then. The name may be left out
where there is one volume only.`;

const tapePattern = /^tape(\+file)?:/;

/**
 * True where the words address a NetWare volume by its disks or the folder of its set, `DISK:VOLUME`; false for a set and
 * a volume of it.
 */
export function isDiskAddress(
  words: readonly string[],
  { disk, set }: { readonly disk?: readonly string[]; readonly set?: string },
): boolean {
  if (disk !== undefined || set !== undefined) return true;
  const [first = ''] = words;
  const scheme = tapePattern.exec(first)?.[0];
  const path = first.slice(scheme?.length ?? 0);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined)
    return path.includes(':') || (path !== '' && path.split(',').every((each) => existsSync(each)));
  return scheme === undefined && !found.isDirectory() && !path.endsWith('.tar');
}

/** True where the only word is the place of sets. */
export function isPlaceAlone(words: readonly string[]): boolean {
  const [first = '', second] = words;
  return second === undefined && (isMedium(first) || (first.endsWith('.tar') && existsSync(first)));
}

/** Takes apart `DISK[,DISK…][:VOLUME]`, or with disks named apart, `VOLUME`. Throws `usage`. */
export function volumeAddress(text: string, disks: readonly string[] | undefined): VolumeAddress {
  if (disks !== undefined) return { disks, volume: text.replace(/:$/, '') };
  // The scheme of a tape is no disk with the rest as its volume.
  const scheme = tapePattern.exec(text)?.[0] ?? '';
  const last = text.lastIndexOf(':');
  const colon = existsSync(text) || last < scheme.length ? -1 : last;
  const volume = colon < 0 ? null : text.slice(colon + 1);
  const before = colon < 0 ? text : text.slice(0, colon);
  const named = existsSync(before) || scheme !== '' ? [before] : before.split(',');
  if (named.includes('') || volume === '') {
    usage(`"${text}" names no disk and volume.`, 'Write DISK:VOLUME, for example server.raw:SYS.');
  }
  return { disks: named, volume };
}

/** Opens disks for reading, finds what of NetWare is on them, and closes them once `work` is done. */
export async function withNetware<T>(
  paths: readonly string[],
  work: (netware: Netware) => Promise<T>,
): Promise<T> {
  const devices: BlockDevice[] = [];
  try {
    const disks = [];
    for (const path of paths) {
      const device = await openDisk(path);
      devices.push(device);
      disks.push({ id: path, device, table: (await readTable(device)).table });
    }
    return await work(await readNetware(disks));
  } finally {
    await Promise.all(devices.map((device) => device.close()));
  }
}

/** The file system of a volume that was found. */
export async function openFound(netware: Netware, found: NetwareVolume): Promise<NetwareFileSystem> {
  const device = volumeDevice(found, (partition) => logicalOf(netware, partition));
  return await openNetwareVolume(device, found.definition);
}

/**
 * Opens the volume a person means while `work` runs: on disks, or in a backup set.
 *
 * @param set Which set of the folder; the newest when absent.
 * @param work Told as well whether the set lacks the contents of deleted files.
 * @throws `volume-not-found` and what opening disks or sets throws.
 */
export async function withVolume<T>(
  context: Context,
  address: VolumeAddress,
  set: string | undefined,
  work: (filesystem: NetwareFileSystem, leavesOutDeleted: boolean) => Promise<T>,
): Promise<T> {
  const [place, other] = address.disks;
  if (place !== undefined && other === undefined && isMedium(place)) {
    return await withSet(context, { place }, set, async (reader) => {
      const { volume, found, leavesOutDeleted } = knownInSet(reader, address.volume);
      const device = setVolume(reader, volume.id);
      try {
        return await work(await openNetwareVolume(device, found.definition), leavesOutDeleted);
      } finally {
        await device.close();
      }
    });
  }
  return await withNetware(address.disks, async (netware) => {
    refuseNone(netware, address.disks);
    return await work(await openFound(netware, chosen(netware, address.volume)), false);
  });
}

function isMedium(place: string): boolean {
  return tapePattern.test(place) || statSync(place, { throwIfNoEntry: false })?.isDirectory() === true;
}

function knownInSet(reader: SetReader, name: string | null): KnownVolume {
  const volumes = netwareVolumes(reader.layout);
  const names = volumes.map(({ volume }) => volume.name);
  if (name === null && names.length > 1) {
    usage(`The set holds ${names.length} volumes, ${names.join(', ')}: name one.`, 'Write FOLDER:VOLUME.');
  }
  const wanted = name?.toUpperCase();
  const known = volumes.find(
    ({ volume }) =>
      wanted === undefined || [volume.id, volume.name].some((each) => each.toUpperCase() === wanted),
  );
  if (known === undefined) {
    throw new RemetalError(
      'volume-not-found',
      `The set ${reader.name} holds no NetWare volume${name === null ? '' : ` ${name}`}.`,
      {
        hint:
          names.length === 0
            ? 'Partitions that were imaged whole are read after they were restored.'
            : `It holds ${names.join(', ')}.`,
        facts: { set: reader.name, volume: name, volumes: names },
      },
    );
  }
  return known;
}

/** Throws what was wrong with the partitions where no volume was found on any of them. */
export function refuseNone({ volumes, broken, refused }: Netware, disks: readonly string[]): void {
  if (volumes.length > 0 || broken.length > 0) return;
  const [first] = refused;
  if (first !== undefined) throw first.error;
  throw new RemetalError('volume-not-found', `There is no NetWare volume on ${disks.join(', ')}.`, {
    hint: 'Name whole disks: a volume is found through the partition of type 65 hex it lies in.',
    facts: { disks },
  });
}

function chosen(netware: Netware, name: string | null): NetwareVolume {
  const names = [
    ...netware.volumes.map(({ definition }) => definition.name),
    ...netware.broken.map((b) => b.name),
  ];
  // The volume table has capitals, NetWare asks for none.
  const found = names.find((known) => known.toUpperCase() === name?.toUpperCase());
  if (name !== null) return volumeNamed(netware, found ?? name);
  if (names.length === 1) return volumeNamed(netware, names[0]!);
  return usage(
    `The disks hold ${names.length} volumes, ${names.join(', ')}: name one.`,
    'Write DISK:VOLUME.',
  );
}
