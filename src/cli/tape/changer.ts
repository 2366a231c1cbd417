import { InvalidArgumentError, type Command } from 'commander';
import { RemetalError } from '../../errors/index.ts';
import { openChanger, unloadDrive, type ChangerStatus, type OpenedChanger } from '../../tape/index.ts';
import { integerOption, type Context, type Verb } from '../context.ts';
import { shown, table } from '../table.ts';

const mostPlaces = 65_535;

interface ChangerOptions {
  readonly changer?: string;
  readonly drive?: number;
}

export const changerVerb: Verb = (group, act) => {
  const changer = group
    .command('changer')
    .description('look into a changer, and move its cartridges')
    .addHelpText(
      'after',
      `
Slots are counted from 1, those for import and export come last; drives are counted from 0.

Examples:
  remetal tape changer
  remetal tape changer load 3
  remetal tape changer unload
  remetal tape changer move 3 24 --changer LIB0001`,
    );
  const command = (text: string, what: string, isDefault = false): Command =>
    changer
      .command(text, { isDefault })
      .description(what)
      .option(
        '--changer <name>',
        'its serial, its node, or tape+file: with the folder of a virtual library; the only one when absent',
      );
  command('status', 'what is in its drives and slots', true).action(act(showStatus));
  addDriveOption(command('load', 'take a cartridge into a drive'))
    .argument('<slot>', 'the slot it is in', slotArgument)
    .action(act(load));
  addDriveOption(command('unload', 'put the cartridge of a drive back'))
    .argument('[slot]', 'the slot it goes to; the one it came from when absent', slotArgument)
    .action(act(unload));
  command('move', 'take a cartridge from one slot to another')
    .argument('<from>', 'the slot it is in', slotArgument)
    .argument('<to>', 'the slot it goes to', slotArgument)
    .action(act(move));
};

function addDriveOption(command: Command): Command {
  return command.option(
    '--drive <number>',
    'which of its drives; the only one when absent',
    integerOption(0, mostPlaces),
  );
}

function slotArgument(value: string): number {
  const slot = Number(value);
  if (!/^\d+$/.test(value) || slot < 1 || slot > mostPlaces) {
    throw new InvalidArgumentError(`A slot is a number from 1 to ${mostPlaces}.`);
  }
  return slot;
}

const opened = (context: Context, { changer }: ChangerOptions): Promise<OpenedChanger> =>
  openChanger(changer ?? null, context.signal);

async function showStatus(context: Context, options: ChangerOptions): Promise<void> {
  const { changer } = await opened(context, options);
  const status = await changer.status();
  context.output.result(
    { verb: 'tape changer', changer: changer.name, ...status },
    table(['place', 'barcode', 'from'], rowsOf(status)),
  );
}

function inside({ full, barcode }: { readonly full: boolean; readonly barcode: string | null }): string {
  return full ? shown(barcode ?? 'no barcode') : '-';
}

function rowsOf({ drives, slots }: ChangerStatus): string[][] {
  return [
    ...drives.map((drive) => [
      `drive ${drive.number}`,
      inside(drive),
      drive.from === null ? '' : `slot ${drive.from}`,
    ]),
    ...slots.map((slot) => [
      `${slot.importExport ? 'import/export' : 'slot'} ${slot.number}`,
      inside(slot),
      '',
    ]),
  ];
}

/** The number of the drive meant. Throws `usage` where that has to be said, `changer-failed` where there is none. */
function driveOf(
  { drives }: ChangerStatus,
  name: string,
  wanted: number | undefined,
): ChangerStatus['drives'][number] {
  const numbers = drives.map(({ number }) => number);
  const facts = { changer: name, drives: numbers };
  if (wanted === undefined && drives.length > 1) {
    throw new RemetalError('usage', `The changer ${name} has ${drives.length} drives.`, {
      hint: `Say which with --drive: ${numbers.join(', ')}.`,
      facts,
    });
  }
  const found = wanted === undefined ? drives[0] : drives.find(({ number }) => number === wanted);
  if (found !== undefined) return found;
  throw new RemetalError('changer-failed', `The changer ${name} has no drive ${wanted ?? ''}.`, {
    hint: '`remetal tape changer` shows the drives it has.',
    facts,
  });
}

async function load(context: Context, slot: number, options: ChangerOptions): Promise<void> {
  const { changer } = await opened(context, options);
  const drive = driveOf(await changer.status(), changer.name, options.drive);
  if (drive.full) {
    throw new RemetalError('changer-failed', `Drive ${drive.number} of ${changer.name} has a cartridge.`, {
      hint: '`remetal tape changer unload` puts it back.',
      facts: { changer: changer.name, drive: drive.number, barcode: drive.barcode },
    });
  }
  await changer.load(slot, drive.number);
  context.output.result(
    { verb: 'tape changer load', changer: changer.name, slot, drive: drive.number },
    `the cartridge of slot ${slot} is in drive ${drive.number}\n`,
  );
}

async function unload(context: Context, slot: number | undefined, options: ChangerOptions): Promise<void> {
  const found = await opened(context, options);
  const { changer } = found;
  const { number } = driveOf(await changer.status(), changer.name, options.drive);
  const target = await unloadDrive(
    found,
    number,
    slot ?? null,
    (notice) => context.tell(notice),
    context.signal,
  );
  if (target === null) {
    throw new RemetalError('drive-empty', `No cartridge is in drive ${number} of ${changer.name}.`, {
      facts: { changer: changer.name, drive: number },
    });
  }
  context.output.result(
    { verb: 'tape changer unload', changer: changer.name, slot: target, drive: number },
    `the cartridge of drive ${number} is in slot ${target}\n`,
  );
}

async function move(context: Context, from: number, to: number, options: ChangerOptions): Promise<void> {
  const { changer } = await opened(context, options);
  await changer.transfer(from, to);
  context.output.result(
    { verb: 'tape changer move', changer: changer.name, from, to },
    `the cartridge of slot ${from} is in slot ${to}\n`,
  );
}
