import type { Verb } from './context.ts';
import { changerVerb } from './tape/changer.ts';
import { ejectVerb } from './tape/eject.ts';
import { eraseVerb } from './tape/erase.ts';
import { inventoryVerb } from './tape/inventory.ts';
import { labelVerb } from './tape/label.ts';
import { libraryVerb } from './tape/library.ts';
import { statusVerb } from './tape/status.ts';

/** The sub-verbs of `tape`, in the order the help lists them. */
const verbs: readonly Verb[] = [
  statusVerb,
  labelVerb,
  inventoryVerb,
  ejectVerb,
  eraseVerb,
  changerVerb,
  libraryVerb,
];

export const tapeVerb: Verb = (program, act) => {
  const group = program.command('tape').description('tape drives, their cartridges and changers');
  for (const verb of verbs) verb(group, act);
};
