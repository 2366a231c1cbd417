import type { Command } from 'commander';
import {
  fileInventory,
  openCartridges,
  openTapeDrive,
  type CartridgeContents,
  type OpenedDrive,
} from '../../tape/index.ts';
import type { Context } from '../context.ts';

/** Adds the drive that a sub-verb works with. */
export function addDriveArgument(command: Command): Command {
  return command.argument(
    '[drive]',
    'its serial, its node (/dev/tape/by-id/…-nst), or tape+file: with the folder of a virtual library; the only one when absent',
  );
}

/** Opens the drive a person named and lets go of it in the end. Throws what `openTapeDrive` throws. */
export async function withDrive<T>(
  context: Context,
  named: string | undefined,
  work: (opened: OpenedDrive) => Promise<T>,
): Promise<T> {
  const opened = await openTapeDrive(named ?? '', {
    tell: (notice) => context.tell(notice),
    signal: context.signal,
  });
  try {
    return await work(opened);
  } finally {
    await opened.drive.release();
  }
}

/** What is on the cartridge in a drive, which is noted in the inventory. Throws what reading it throws. */
export async function note(
  context: Context,
  { drive, changer, inventory }: OpenedDrive,
): Promise<CartridgeContents> {
  const tell: Context['tell'] = (notice) => context.tell(notice);
  const cartridges = openCartridges({
    drive,
    changer,
    operator: null,
    inventory: fileInventory(inventory, tell),
    tell,
    signal: context.signal,
  });
  return await cartridges.current();
}
