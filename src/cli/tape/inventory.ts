import { join } from 'node:path';
import { fileInventory, inventoryName, openTape, type KnownCartridge } from '../../tape/index.ts';
import { stateFolder } from '../../system/index.ts';
import type { Context, Verb } from '../context.ts';
import { shown, table } from '../table.ts';

export const inventoryVerb: Verb = (group, act) => {
  group
    .command('inventory')
    .description('what is known of cartridges: where they are, and the parts of sets they hold')
    .argument('[drive]', 'the drive to read them in, as tape:/dev/tape/by-id/…-nst; the only one when absent')
    .option('--rebuild', 'read every cartridge the drive can get: the one in it, and all of its changer')
    .option('--changer <name>', 'the changer that fills the drive: its serial or node, or none')
    .addHelpText(
      'after',
      `
Examples:
  remetal tape inventory
  remetal tape inventory --rebuild`,
    )
    .action(act(showInventory));
};

interface InventoryOptions {
  readonly rebuild?: boolean;
  readonly changer?: string;
}

async function showInventory(
  context: Context,
  drive: string | undefined,
  { rebuild, changer }: InventoryOptions,
): Promise<void> {
  const address = drive ?? 'tape:';
  const [, library] = /^tape\+file:([^?]*)/.exec(address) ?? [];
  const path = join(library ?? stateFolder(context.world.environment), inventoryName);
  const inventory = fileInventory(path, (notice) => context.tell(notice));
  let read: number | null = null;
  if (rebuild === true) {
    const cartridges = await openTape(address, {
      tell: (notice) => context.tell(notice),
      signal: context.signal,
      inventory,
      ...(changer === undefined ? {} : { changer }),
    });
    try {
      read = (await cartridges.survey()).length;
    } finally {
      await cartridges.close();
    }
  }
  const known = await inventory.cartridges();
  if (read !== null) context.output.remark(`${read === 1 ? '1 cartridge' : `${read} cartridges`} read`);
  if (known.length === 0) context.output.remark(`no cartridge is known in ${path}`);
  context.output.result(
    { verb: 'tape inventory', inventory: path, read, cartridges: known },
    known.length === 0 ? '' : table(head, known.flatMap(rowsOf)),
  );
}

const head = ['cartridge', 'barcode', 'slot', 'set', 'part', 'state', 'seen'];

const states = { set: 'complete', part: 'goes on', open: 'interrupted' } as const;

/** A row for each part; what is the same in all stands in the first. */
function rowsOf({ name, barcode, place, parts, lastSeenAt, full }: KnownCartridge): string[][] {
  const cells = [shown(name), shown(barcode ?? '-'), place?.slot?.toString() ?? '-'];
  const seen = lastSeenAt.slice(0, 10);
  const [first, ...others] = parts.map(({ set, part, ends }) => [shown(set), String(part), states[ends]]);
  return [
    [...cells, ...(first ?? ['-', '-', full ? 'full' : 'empty']), seen],
    ...others.map((cellsOfPart) => ['', '', '', ...cellsOfPart, '']),
  ];
}
