import { join } from 'node:path';
import { RemetalError } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import {
  listChangers,
  listTapeDrives,
  openSt,
  stateFolder,
  type FoundChanger,
  type FoundTapeDrive,
} from '../system/index.ts';
import type { Cartridges } from './cartridges.ts';
import { changerOfDrive, mayFill } from './changer-drives.ts';
import { TapeDrive, type DriveOptions } from './drive.ts';
import { openCartridges } from './drive-cartridges.ts';
import type { Changer } from './changer.ts';
import { fileInventory, inventoryName } from './inventory-file.ts';
import type { Inventory } from './inventory.ts';
import { changerNamed } from './open-changer.ts';
import { mtxChanger } from './mtx-changer.ts';
import type { TapeOperator } from './operator.ts';
import { openLibrary } from './virtual/index.ts';

/** How a drive and what fills it are used. */
export interface TapeUse {
  /** Who changes cartridges where no changer does; nobody when absent. */
  readonly operator?: TapeOperator;
  readonly tell?: (notice: Notice) => void;
  readonly signal?: AbortSignal;
  /** Serial or node of the changer, or `none`; the one that fills the drive when absent. */
  readonly changer?: string;
  /** What is known of cartridges; the file of this machine, or of the virtual library, when absent. */
  readonly inventory?: Inventory;
}

/** A drive, and the changer that fills it. */
export interface OpenedDrive {
  readonly drive: TapeDrive;
  /** Null where a person changes cartridges. `driveNumber` is null where it has to be tried out. */
  readonly changer: { readonly changer: Changer; readonly driveNumber: number | null } | null;
  /** The file of the inventory its cartridges are kept in. */
  readonly inventory: string;
}

/**
 * The drive at an address: `tape:` with a path or a serial, or nothing for the only drive there is; `tape+file:`
 * with the folder of a virtual library and `?drive=N`. Throws `drive-not-found`, `changer-not-found`,
 * `target-ambiguous`.
 */
export async function openTapeDrive(address: string, use: TapeUse = {}): Promise<OpenedDrive> {
  const { tell, signal } = use;
  const options: DriveOptions = {
    ...(tell === undefined ? {} : { tell }),
    ...(signal === undefined ? {} : { waiting: { signal } }),
  };
  return address.startsWith('tape+file:')
    ? await openVirtual(address.slice('tape+file:'.length), use, options)
    : await openHost(address.replace(/^tape:/, ''), use, options);
}

async function openVirtual(place: string, use: TapeUse, options: DriveOptions): Promise<OpenedDrive> {
  const [folder, query = ''] = place.split('?');
  const number = Number(/^drive=(\d+)$/.exec(query)?.[1] ?? 0);
  const library = await openLibrary(folder!);
  const found = library.drives.find((drive) => drive.number === number);
  if (found === undefined) {
    throw new RemetalError('drive-not-found', `The library ${folder} has no drive ${number}.`, {
      facts: { folder, drive: number },
    });
  }
  const drive = new TapeDrive(found.name, found.open, options);
  const { changer } = library;
  const used = changer === null || use.changer === 'none' ? null : { changer, driveNumber: number };
  // What is only tried out must not get among the cartridges of this machine.
  return { drive, changer: used, inventory: join(folder!, inventoryName) };
}

async function openHost(named: string, use: TapeUse, options: DriveOptions): Promise<OpenedDrive> {
  const drives = await listTapeDrives();
  const found = driveNamed(named, drives);
  const path = found?.byId ?? found?.path ?? named;
  const drive = new TapeDrive(path, (access) => openSt(path, access), options);
  const inventory = join(stateFolder(), inventoryName);
  if (found === null || use.changer === 'none') return { drive, changer: null, inventory };
  const changers = await listChangers();
  const { changer: wanted, signal } = use;
  const settings = signal === undefined ? {} : { signal };
  if (wanted !== undefined) {
    const node = changerNamed(wanted, changers)?.path ?? wanted;
    return { drive, changer: { changer: mtxChanger(node, settings), driveNumber: null }, inventory };
  }
  const place = await changerOfDrive(found, drives, changers);
  if (place !== null) {
    const changer = mtxChanger(place.changer.path, settings);
    return { drive, changer: { changer, driveNumber: place.drive }, inventory };
  }
  // A changer that does not say what its drives are called is tried out: the cartridge shows which is which.
  const possible: FoundChanger[] = [];
  for (const one of changers) if (await mayFill(one, found, drives)) possible.push(one);
  const [only, second] = possible;
  const changer =
    only === undefined || second !== undefined
      ? null
      : { changer: mtxChanger(only.path, settings), driveNumber: null };
  return { drive, changer, inventory };
}

/** The drive a person names; null for a path that is none of those listed. */
function driveNamed(named: string, drives: readonly FoundTapeDrive[]): FoundTapeDrive | null {
  const facts = { drives: drives.map(({ path, serial }) => ({ path, serial })) };
  if (named === '' || named === 'any') {
    if (drives.length === 1) return drives[0]!;
    const message =
      drives.length === 0 ? 'There is no tape drive.' : `There are ${drives.length} tape drives.`;
    throw new RemetalError(drives.length === 0 ? 'drive-not-found' : 'target-ambiguous', message, {
      hint:
        drives.length === 0
          ? 'Attach it and switch it on; the drivers st and sg have to be loaded.'
          : 'Name one: `remetal tape status` lists them.',
      facts,
    });
  }
  const found = drives.find(({ path, byId, serial }) => path === named || byId === named || serial === named);
  if (found === undefined && !named.startsWith('/')) {
    throw new RemetalError('drive-not-found', `There is no tape drive ${named}.`, {
      hint: '`remetal tape status` lists the drives of this machine.',
      facts: { ...facts, wanted: named },
    });
  }
  return found ?? null;
}

/** The cartridges that a drive can get. Throws what `openTapeDrive` throws. */
export async function openTape(address: string, use: TapeUse = {}): Promise<Cartridges> {
  const { drive, changer, inventory } = await openTapeDrive(address, use);
  const { operator = null, tell = () => {}, signal } = use;
  return openCartridges({
    drive,
    changer,
    operator,
    inventory: use.inventory ?? fileInventory(inventory, tell),
    tell,
    signal,
  });
}
