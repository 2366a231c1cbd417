import { formatBytes } from '../../bytes/index.ts';
import { labelCartridge, type ApplianceFile, type OpenedDrive } from '../../tape/index.ts';
import { usage, type Context, type Verb } from '../context.ts';
import { shown } from '../table.ts';
import { addDriveArgument, note, withDrive } from './drive-argument.ts';

interface LabelOptions {
  readonly name?: string;
  readonly barcode?: string;
  readonly force?: boolean;
  readonly withAppliance?: string | true;
  readonly obdr?: boolean;
}

const usualImage = 'remetal.iso';

export const labelVerb: Verb = (group, act) => {
  addDriveArgument(group.command('label').description('write our label onto the cartridge in a drive'))
    .option('--name <name>', 'what the cartridge is called and asked for by; its barcode when absent')
    .option('--barcode <barcode>', 'what stands on its sticker; what the changer read when absent')
    .option('--force', 'give up what is on it: sets of ours, or what another program wrote')
    .option(
      '--with-appliance [iso]',
      `put the bootable image that \`remetal build\` made before the label (${usualImage})`,
    )
    .option(
      '--obdr',
      'put the image where stand-alone drives with one-button recovery start from; means --with-appliance',
    )
    .addHelpText(
      'after',
      `
Examples:
  remetal tape label --name DAILY-3
  remetal tape label HU1234 --name DAILY-3 --barcode WEB003L8 --with-appliance`,
    )
    .action(act(label));
};

async function label(context: Context, named: string | undefined, options: LabelOptions): Promise<void> {
  const { force = false, obdr = false, withAppliance } = options;
  if (options.name !== undefined) checkName(options.name);
  const image = withAppliance === true || (withAppliance === undefined && obdr) ? usualImage : withAppliance;
  const appliance: ApplianceFile | null = image === undefined ? null : { path: image, oneButton: obdr };
  await withDrive(context, named, async (opened) => {
    const { drive } = opened;
    const barcode = options.barcode ?? (await barcodeOf(opened));
    const name = options.name ?? barcode;
    if (name === null) usage('The cartridge has no barcode that could be its name.', 'Give one with --name.');
    if (appliance !== null) context.output.remark(`${appliance.path} is written and read back`);
    const made = await labelCartridge(drive, {
      name,
      barcode,
      force,
      now: new Date(),
      signal: context.signal,
      ...(appliance === null ? {} : { appliance }),
    });
    await note(context, opened);
    const before = appliance === null ? '' : `, behind a bootable image${obdr ? ' (OBDR)' : ''}`;
    context.output.result(
      { verb: 'tape label', drive: drive.name, label: made, appliance },
      `the cartridge in ${drive.name} is ${shown(made.name)}${before}; blocks up to ${formatBytes(made.recordLimit)}\n`,
    );
  });
}

/** A name is asked for on consoles and written on stickers. */
function checkName(name: string): void {
  if (name.trim() !== name || name.length === 0 || name.length > 64 || /\p{C}/u.test(name)) {
    usage('A name has 1 to 64 characters that can be printed, and no blank at its ends.');
  }
}

/** What the changer, or the cartridge's own chip, says its barcode is; null where neither does. */
async function barcodeOf({ drive, changer }: OpenedDrive): Promise<string | null> {
  const drives = changer === null ? [] : (await changer.changer.status()).drives;
  const found = drives.find(({ number }) => drives.length === 1 || number === changer?.driveNumber);
  return found?.barcode ?? (await drive.memory())?.barcode ?? null;
}
