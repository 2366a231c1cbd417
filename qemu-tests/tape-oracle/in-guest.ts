/**
 * Runs in the guest: does the lists of steps named by its arguments, `steps=/dev/nst0`, each with the drive of
 * the kernel's driver behind it, and prints `STEP list line`.
 */
import { openSt } from '../../src/system/st-device.ts';
import { faultSteps } from '../../test/contract/tape-fault-steps.ts';
import { runSteps, steps, stepsBeforeEnd, type Step } from '../../test/contract/tape-steps.ts';

const lists: Readonly<Record<string, readonly Step[]>> = {
  steps,
  faults: faultSteps,
  'before-end': stepsBeforeEnd,
};

for (const argument of process.argv.slice(2)) {
  const [name = '', path = ''] = argument.split('=');
  const list = lists[name];
  if (list === undefined) throw new Error(`There is no list of steps ${name}.`);
  for (const line of await runSteps(async (access) => await openSt(path, access), list)) {
    process.stdout.write(`STEP ${name} ${line}\n`);
  }
}
