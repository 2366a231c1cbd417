import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { openSet, type SetHead } from '../archive/index.ts';
import type { Disk } from '../disk/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import { openMedium, type Medium } from '../medium/index.ts';
import { isMountable, type HostFileSystem } from '../system/index.ts';
import type { Machine } from './machine.ts';
import { placeText, type Place } from './place.ts';

/** A backup set that was found. */
export interface FoundSet {
  /** Its name on the medium. */
  readonly name: string;
  /** Where it is: the folder that holds its parts, or the address of the tape drive. */
  readonly place: string;
  /** The mounted file system it is on, and its folder from the top of that; null on tape. */
  readonly on: { readonly fileSystem: HostFileSystem; readonly path: string } | null;
  /** What a person calls where it is. */
  readonly label: string;
  readonly machine: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly note: string;
  readonly bytes: number | null;
  /** Opens its medium; the caller closes it. */
  readonly open: () => Medium;
}

/** What a look at the machine's media brought up. */
export interface Survey {
  readonly fileSystems: readonly HostFileSystem[];
  readonly sets: readonly FoundSet[];
  /** Disks that hold a set, by device node. */
  readonly setDisks: ReadonlySet<string>;
  /** The disk or drive the appliance was started from; null when it came over the network. */
  readonly bootDisk: string | null;
  /** File systems that could not be mounted, and why. */
  readonly unreadable: readonly { readonly device: string; readonly message: string }[];
}

/** How deep below the top of a medium sets are looked for. */
const depth = 3;
const folderLimit = 2000;

/** Volume label of the appliance's ISO 9660 file system. */
export const bootLabel = 'REMETAL';

/**
 * Mounts every file system read-only, looks for sets, and takes away the mounts that hold none: a
 * mounted disk could not be restored onto.
 */
export async function surveyMedia(machine: Machine): Promise<Survey> {
  const fileSystems = (await machine.fileSystems()).filter(({ type }) => isMountable(type));
  const sets: FoundSet[] = [];
  const setDisks = new Set<string>();
  const unreadable: { device: string; message: string }[] = [];
  let bootDisk: string | null = null;
  for (const found of onePerDevice(fileSystems)) {
    if (found.type === 'iso9660' && found.label === bootLabel) bootDisk = found.disk;
    let folder: string;
    try {
      folder = await machine.mount(found, false);
    } catch (error) {
      if (!isCoded(error)) throw error;
      unreadable.push({ device: found.device, message: error.message });
      continue;
    }
    const here = await setsUnder(folder, found);
    sets.push(...here);
    if (here.length > 0) setDisks.add(found.disk);
    else await machine.unmount(found);
  }
  return { fileSystems, sets, setDisks, bootDisk, unreadable };
}

/* A hybrid ISO shows the same ISO 9660 file system on the disk and on its first partition; one is enough. */
function onePerDevice(fileSystems: readonly HostFileSystem[]): HostFileSystem[] {
  const seen = new Set<string>();
  return fileSystems.filter((found) => {
    if (found.type !== 'iso9660') return true;
    const key = `${found.disk} ${found.uuid}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** The complete sets below a folder; damaged and unfinished ones are not offered. */
export async function setsUnder(top: string, on: HostFileSystem): Promise<FoundSet[]> {
  const found: FoundSet[] = [];
  for (const folder of await foldersWithParts(top)) {
    const medium = openMedium(folder);
    try {
      for (const { name, complete, bytes } of await medium.list()) {
        const head = complete ? await headOf(medium, name) : null;
        if (head === null) continue;
        found.push({
          name,
          place: folder,
          on: { fileSystem: on, path: relative(top, folder) },
          label: on.label ?? on.device,
          machine: head.name,
          createdAt: head.createdAt,
          note: head.note,
          bytes,
          open: () => openMedium(folder),
        });
      }
    } catch (error) {
      if (!isCoded(error)) throw error;
    } finally {
      await medium.close();
    }
  }
  return found;
}

async function headOf(medium: Medium, name: string): Promise<SetHead | null> {
  try {
    const set = await openSet(medium, name, { chain: 'leave' });
    await set.close();
    return set.head;
  } catch (error) {
    if (isCoded(error)) return null;
    throw error;
  }
}

/** Folders at most `depth` below `top` that hold tar files; `folderLimit` bounds a hostile tree. */
async function foldersWithParts(top: string): Promise<string[]> {
  const found: string[] = [];
  let level = [top];
  let looked = 0;
  for (let down = 0; down <= depth && level.length > 0; down++) {
    const next: string[] = [];
    for (const folder of level) {
      if (++looked > folderLimit) return found;
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      if (entries.some((entry) => entry.isFile() && entry.name.endsWith('.tar'))) found.push(folder);
      for (const entry of entries) if (entry.isDirectory()) next.push(join(folder, entry.name));
    }
    level = next;
  }
  return found;
}

/** The sets of a survey that a place, which is none of tapes, and a name stand for. */
export function setsAt(survey: Survey, disks: readonly Disk[], place: Place, name: string): FoundSet[] {
  const there = survey.sets.filter(
    ({ on }) => on !== null && matches(on.fileSystem, place, survey, disks) && isBelow(on.path, place.path),
  );
  return name === 'latest' ? there : there.filter((set) => set.name === name);
}

function isBelow(folder: string, path: string | null): boolean {
  return path === null || folder === path || folder.startsWith(`${path}/`);
}

/** The one file system a place names. Throws `medium-not-found`, or `target-ambiguous` for a tie. */
export function fileSystemAt(
  survey: Pick<Survey, 'fileSystems' | 'bootDisk'>,
  disks: readonly Disk[],
  place: Place,
): HostFileSystem {
  const there = onePerDevice(survey.fileSystems.filter((found) => matches(found, place, survey, disks)));
  if (there.length === 1) return there[0]!;
  const text = placeText(place);
  if (there.length === 0) {
    throw new RemetalError('medium-not-found', `No medium is ${text}.`, {
      hint: 'Attach it, or name another one.',
      facts: {
        place: text,
        present: survey.fileSystems.map(({ device, label, uuid }) => ({ device, label, uuid })),
      },
    });
  }
  throw new RemetalError('target-ambiguous', `${there.length} media are ${text}.`, {
    hint: 'Name it by its UUID, or detach the others.',
    facts: { place: text, devices: there.map(({ device }) => device) },
  });
}

function matches(
  found: HostFileSystem,
  place: Place,
  survey: Pick<Survey, 'bootDisk'>,
  disks: readonly Disk[],
): boolean {
  switch (place.by) {
    case 'iso':
      return survey.bootDisk !== null && found.disk === survey.bootDisk;
    case 'label':
      return found.label === place.value;
    case 'uuid':
      return found.uuid?.toLowerCase() === place.value.toLowerCase();
    case 'serial':
      return disks.some((disk) => disk.identity.serial === place.value && disk.paths.includes(found.disk));
    default:
      return true;
  }
}

/** The newest of some sets. Throws `no-such-set`, or `target-ambiguous` when two places hold the newest. */
export function newestSet(sets: readonly FoundSet[], wanted: string): FoundSet {
  const newestFirst = sets.toSorted((a, b) => b.createdAt.localeCompare(a.createdAt));
  const [first, second] = newestFirst;
  if (first === undefined) {
    throw new RemetalError('no-such-set', `No backup set is at ${wanted}.`, {
      hint: 'Attach the medium that holds it, or name another place.',
      facts: { place: wanted },
    });
  }
  // The same set twice is a copy; either will do, but which one is a matter for a person.
  if (second !== undefined && second.createdAt === first.createdAt) {
    throw new RemetalError('target-ambiguous', `Two media hold the set ${first.name}.`, {
      hint: 'Name the one to use in set.from, or detach the other.',
      facts: { places: [first.place, second.place] },
    });
  }
  return first;
}

/** Whether a path is there at all. */
export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
