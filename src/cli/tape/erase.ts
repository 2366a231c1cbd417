import { RemetalError } from '../../errors/index.ts';
import { eraseCartridge } from '../../tape/index.ts';
import type { Context, Verb } from '../context.ts';
import { addDriveArgument, note, withDrive } from './drive-argument.ts';

interface EraseOptions {
  readonly force?: boolean;
  readonly long?: boolean;
}

export const eraseVerb: Verb = (group, act) => {
  addDriveArgument(group.command('erase').description('make the cartridge in a drive a blank one'))
    .option('--force', 'give up what is on it; without it nothing is erased')
    .option('--long', 'overwrite all of the tape, which takes hours; without it only its beginning')
    .addHelpText(
      'after',
      `
Examples:
  remetal tape erase --force
  remetal tape erase HU1234 --force --long`,
    )
    .action(act(erase));
};

async function erase(
  context: Context,
  named: string | undefined,
  { force = false, long = false }: EraseOptions,
): Promise<void> {
  if (!force) {
    throw new RemetalError('answers-missing', 'Nobody has agreed that the cartridge is erased.', {
      hint: '`remetal tape status` shows what is on it; --force gives it up.',
      facts: { questions: ['confirm'] },
    });
  }
  await withDrive(context, named, async (opened) => {
    const { drive } = opened;
    if (long) context.output.remark('all of the tape is overwritten; this takes hours');
    await eraseCartridge(drive, { force, long });
    await note(context, opened);
    context.output.result(
      { verb: 'tape erase', drive: drive.name, long },
      `the cartridge in ${drive.name} is blank\n`,
    );
  });
}
