import { setTimeout as sleep } from 'node:timers/promises';
import { RemetalError } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import { listChangers, listTapeDrives, openSt, type FoundChanger } from '../system/index.ts';
import { changerOfDrive } from './changer-drives.ts';
import type { Changer } from './changer.ts';
import { TapeDrive } from './drive.ts';
import { mtxChanger } from './mtx-changer.ts';
import { Slots } from './slots.ts';
import { openLibrary } from './virtual/index.ts';

/** A changer, and the drives it fills as far as this machine has them. */
export interface OpenedChanger {
  readonly changer: Changer;
  /** The drive that the changer has under a number; null for one that this machine does not see or cannot tell. */
  drive(number: number): Promise<TapeDrive | null>;
}

/**
 * A changer by its serial or node, `tape+file:` with the folder of a virtual library, or the only one there is
 * when null. Throws `changer-not-found`, `target-ambiguous`, `library-invalid`.
 */
export async function openChanger(named: string | null, signal?: AbortSignal): Promise<OpenedChanger> {
  if (named?.startsWith('tape+file:') === true) {
    return await virtualChanger(named.slice('tape+file:'.length).split('?')[0]!);
  }
  const changers = await listChangers();
  const found = changerNamed(named, changers);
  const changer = mtxChanger(found?.path ?? named!, signal === undefined ? {} : { signal });
  return {
    changer,
    async drive(number) {
      const drives = await listTapeDrives();
      for (const drive of drives) {
        const place = await changerOfDrive(drive, drives, changers);
        if (place === null || place.changer.path !== found?.path || place.drive !== number) continue;
        const path = drive.byId ?? drive.path;
        return new TapeDrive(path, (access) => openSt(path, access));
      }
      return null;
    },
  };
}

async function virtualChanger(folder: string): Promise<OpenedChanger> {
  const { changer, drives } = await openLibrary(folder);
  if (changer === null) {
    throw new RemetalError('changer-not-found', `The virtual tape library ${folder} has no changer.`, {
      hint: 'Its cartridges are put into its drive by hand.',
      facts: { folder },
    });
  }
  return {
    changer,
    async drive(number) {
      const found = drives.find((drive) => drive.number === number);
      return found === undefined ? null : new TapeDrive(found.name, found.open);
    },
  };
}

/** The changer a person names, or the only one; null for a path that is none of those listed. */
export function changerNamed(named: string | null, changers: readonly FoundChanger[]): FoundChanger | null {
  const facts = { wanted: named, changers: changers.map(({ path, serial }) => ({ path, serial })) };
  const hint = 'Name it by its serial or node; `remetal tape status` lists the changers of this machine.';
  if (named === null) {
    const [only, second] = changers;
    if (second !== undefined) {
      throw new RemetalError('target-ambiguous', `There are ${changers.length} changers.`, { hint, facts });
    }
    if (only !== undefined) return only;
    throw new RemetalError('changer-not-found', 'There is no changer.', {
      hint: 'Attach it and switch it on; the driver sg has to be loaded.',
      facts,
    });
  }
  const found = changers.find(({ serial, path, byId }) => [serial, path, byId].includes(named));
  if (found !== undefined) return found;
  if (named.startsWith('/')) return null;
  throw new RemetalError('changer-not-found', `There is no changer ${named}.`, { hint, facts });
}

/**
 * Puts the cartridge of a drive into a slot, the one it came from or any that is empty when null, and gives its
 * number; null where the drive is empty. Throws `changer-failed`, and what the drive throws.
 */
export async function unloadDrive(
  opened: OpenedChanger,
  number: number,
  slot: number | null,
  tell: (notice: Notice) => void,
  signal?: AbortSignal,
): Promise<number | null> {
  const { changer } = opened;
  const drive = await opened.drive(number);
  if (drive !== null) {
    const options = signal === undefined ? {} : { signal };
    const wait = (milliseconds: number): Promise<void> => sleep(milliseconds, undefined, options);
    return await new Slots({ changer, driveNumber: number, drive, tell, signal, wait }).putBack(slot);
  }
  // A drive of another machine: whether it has let go the changer finds out.
  const { drives, slots } = await changer.status();
  const found = drives.find((one) => one.number === number);
  if (found?.full !== true) return null;
  const empty = slots.filter((one) => !one.full && !one.importExport).map((one) => one.number);
  const target = slot ?? empty.find((one) => one === found.from) ?? empty[0];
  if (target === undefined) {
    throw new RemetalError('changer-failed', `No slot of ${changer.name} is free.`, {
      hint: 'Take a cartridge out.',
      facts: { changer: changer.name, drive: number },
    });
  }
  await changer.unload(target, number);
  return target;
}
