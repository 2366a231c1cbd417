import type { Context, Verb } from '../context.ts';
import { addDriveArgument, withDrive } from './drive-argument.ts';

export const ejectVerb: Verb = (group, act) => {
  addDriveArgument(group.command('eject').description('let go of the cartridge in a drive')).action(
    act(eject),
  );
};

async function eject(context: Context, named: string | undefined): Promise<void> {
  await withDrive(context, named, async ({ drive }) => {
    await drive.eject();
    context.output.result(
      { verb: 'tape eject', drive: drive.name },
      `${drive.name} has let go of its cartridge\n`,
    );
  });
}
