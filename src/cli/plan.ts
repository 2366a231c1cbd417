import { writeFile } from 'node:fs/promises';
import { planRestore } from '../agent/index.ts';
import { describePlan } from '../restore/plan-description.ts';
import type { Context, Verb } from './context.ts';
import { addRestoreOptions, planRequestOf, type RestoreOptions } from './restore-options.ts';
import { placeText } from './place.ts';
import { withSet } from './sets.ts';

export const planVerb: Verb = (program, act) => {
  addRestoreOptions(
    program
      .command('plan')
      .description('show every write a restore would do, in order, and its hash; touches nothing')
      .argument('<place>', placeText)
      .option('-o, --output <file>', 'write the plan as JSON'),
  )
    .addHelpText(
      'after',
      `
Examples:
  remetal plan /mnt/usbdisk/web1 --disk new.raw
  remetal plan /mnt/usbdisk/nw1 --disk new.raw --grow DOS
  remetal plan /mnt/usbdisk/web1 --target disk1=serial:S4EVNX0M123456 --release S4EVNX0M123456 -o plan.json`,
    )
    .action(act(showPlan));
};

async function showPlan(
  context: Context,
  place: string,
  options: RestoreOptions & { readonly output?: string },
): Promise<void> {
  await withSet(context, { ...options, place }, options.set, async (reader) => {
    const { plan, found } = await planRestore(await planRequestOf(reader, place, options));
    if (options.output !== undefined) await writeFile(options.output, `${JSON.stringify(plan, null, 2)}\n`);
    const lines = describePlan(plan);
    if (found !== null) lines.push(`an interrupted run of this plan goes on at step ${found.step + 1}`);
    context.output.result({ verb: 'plan', plan, resumes: found?.step ?? null }, `${lines.join('\n')}\n`);
  });
}
