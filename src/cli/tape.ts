import type { Verb } from './context.ts';
import { changerVerb } from './tape/changer.ts';
import { inventoryVerb } from './tape/inventory.ts';

/** The sub-verbs of `tape`, in the order the help lists them. */
const verbs: readonly Verb[] = [inventoryVerb, changerVerb];

export const tapeVerb: Verb = (program, act) => {
  const group = program.command('tape').description('tape drives, their cartridges and changers');
  for (const verb of verbs) verb(group, act);
};
