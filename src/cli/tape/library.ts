import { formatBytes, parseSize } from '../../bytes/index.ts';
import { createLibrary, openLibrary, type CartridgeDescription } from '../../tape/index.ts';
import { collect, integerOption, sizeOption, usage, type Context, type Verb } from '../context.ts';

/** A cartridge of this size is quickly full, which is what one wants to see. */
const usualSize = 64 * 1024 * 1024;

export const libraryVerb: Verb = (tape, act) => {
  const group = tape
    .command('library')
    .description('drives and cartridges of files, to try things out and for drills');
  group
    .command('make')
    .description('make a library in a folder')
    .argument('<folder>', 'where they are kept; made where it is missing')
    .option('--drives <n>', 'how many drives', integerOption(1, 16), 1)
    .option('--cartridges <n>', 'how many cartridges, all of one size', integerOption(0, 200), 4)
    .option('--size <size>', 'their size, as 64M', sizeOption, usualSize)
    .option('--cartridge <barcode=size>', 'one more cartridge of another size; may be given again', collect)
    .option('--no-changer', 'without a changer: the cartridges lie beside the drive')
    .addHelpText(
      'after',
      `
Examples:
  remetal tape library make lib
  remetal backup --disk server.raw --to tape+file:lib
  remetal tape library make small --cartridges 0 --cartridge A=4M --cartridge B=1G

library.json in the folder may be edited: write protection, and faults of drives and cartridges (docs/tape.md).`,
    )
    .action(act(make));
  group
    .command('insert')
    .description('put a cartridge into a drive, as a person does')
    .argument('<folder>', 'where the library is kept')
    .argument('<barcode>', 'a cartridge that is in no drive and no slot')
    .option('--drive <n>', 'which drive, from 0', integerOption(0, 15), 0)
    .action(act(insert));
  group
    .command('remove')
    .description('take the cartridge out of a drive, as a person does')
    .argument('<folder>', 'where the library is kept')
    .option('--drive <n>', 'which drive, from 0', integerOption(0, 15), 0)
    .action(act(remove));
};

async function insert(
  context: Context,
  folder: string,
  barcode: string,
  { drive }: { readonly drive: number },
): Promise<void> {
  await (await openLibrary(folder)).insert(barcode, { drive });
  context.output.result({ verb: 'tape library insert', barcode, drive }, `${barcode} is in drive ${drive}\n`);
}

async function remove(
  context: Context,
  folder: string,
  { drive }: { readonly drive: number },
): Promise<void> {
  const barcode = await (await openLibrary(folder)).remove({ drive });
  const text = barcode === null ? `drive ${drive} was empty` : `${barcode} is out of drive ${drive}`;
  context.output.result({ verb: 'tape library remove', barcode, drive }, `${text}\n`);
}

interface LibraryOptions {
  readonly drives: number;
  readonly cartridges: number;
  readonly size: number;
  readonly cartridge?: readonly string[];
  readonly changer: boolean;
}

async function make(context: Context, folder: string, options: LibraryOptions): Promise<void> {
  const { drives, cartridges: count, size, changer } = options;
  const numbered = Array.from({ length: count }, (_, i): [string, CartridgeDescription] => [
    `RMT${String(i + 1).padStart(3, '0')}L9`,
    { size },
  ]);
  const cartridges = Object.fromEntries([...numbered, ...(options.cartridge ?? []).map(described)]);
  const slots = changer ? Math.max(1, Object.keys(cartridges).length) : 0;
  await createLibrary(folder, { drives, slots, importExportSlots: changer ? 1 : 0, cartridges });
  const address = `tape+file:${folder}`;
  const lines = Object.entries(cartridges).map(([name, facts]) => `  ${name}  ${formatBytes(facts.size)}`);
  context.output.result(
    { verb: 'tape library make', address, drives, slots, cartridges: Object.keys(cartridges) },
    `${[address, ...lines].join('\n')}\n`,
  );
}

function described(text: string): [string, CartridgeDescription] {
  const [, barcode, size] =
    /^([^=]+)=(.+)$/.exec(text) ?? usage(`"${text}" names no cartridge.`, 'Write BARCODE=SIZE.');
  return [barcode!, { size: parseSize(size!) }];
}
