import { join } from 'node:path';
import { faultLibrary } from '../../test/contract/tape-fault-steps.ts';
import { faultStepLines, stepLines } from '../../test/contract/tape-lines.ts';
import { stepCartridge, stepsBeforeEnd } from '../../test/contract/tape-steps.ts';
import { must, type Rig, type Scenario } from '../steps/index.ts';
import {
  applianceIngredients,
  applianceKernel,
  backportsKernel,
  inTapeGuest,
  type GuestKernel,
} from '../tape-guest/index.ts';
import { startTapeTarget, type TapeTarget } from '../tape-target/target.ts';
import { compare, type Difference } from './comparison.ts';
import { byDebugTape, byLinux61 } from './differences.ts';

const program = join(import.meta.dirname, 'in-guest.ts');

/** A list of steps on a drive of the guest, and what may come out of it otherwise than from the virtual drive. */
interface Held {
  readonly list: 'steps' | 'faults' | 'before-end';
  readonly expected: readonly string[];
  readonly allowed: readonly Difference[];
}

/** Runs the lists in one guest, each on its own drive in their order, and holds every line to what is expected. */
async function hold(
  rig: Rig,
  kernel: GuestKernel,
  targets: readonly TapeTarget[],
  lists: readonly Held[],
): Promise<void> {
  const debugTape = lists.length > targets.length;
  const lines = await inTapeGuest({
    name: kernel.release,
    logs: rig.logs,
    scratch: rig.scratch,
    ingredients: await applianceIngredients(),
    kernel,
    tape: targets.map((target) => ({ url: target.url(0) })),
    drives: lists.length,
    ...(debugTape ? { modules: { scsi_debug: 'ptype=1 delay=0 dev_size_mb=8' } } : {}),
    program,
    arguments: lists.map(({ list }, drive) => `${list}=/dev/nst${drive}`),
    seconds: 150,
  });
  const wrong: string[] = [];
  for (const { list, expected, allowed } of lists) {
    const found = lines
      .filter((line) => line.startsWith(`STEP ${list} `))
      .map((line) => line.slice(6 + list.length));
    const { unlike, allowances, unneeded } = compare(expected, found, allowed);
    wrong.push(...unlike.map((line) => `${list}, ${line}`));
    rig.tell(
      `Linux ${kernel.release}, ${list}: ${found.length} lines, ${allowances} differences allowed by name`,
    );
    for (const because of unneeded) rig.tell(`no longer differs: ${because}`);
  }
  must(wrong.length === 0, `Linux ${kernel.release} differs:\n${wrong.join('\n')}`);
}

async function withTargets(work: (targets: readonly TapeTarget[]) => Promise<void>): Promise<void> {
  const targets = [
    await startTapeTarget({ cartridges: { A: stepCartridge } }),
    await startTapeTarget({ cartridges: faultLibrary.cartridges }),
  ];
  try {
    await work(targets);
  } finally {
    for (const target of targets) await target.close();
  }
}

function onTarget(allowed: readonly Difference[]): Held[] {
  return [
    { list: 'steps', expected: stepLines, allowed: [] },
    { list: 'faults', expected: faultStepLines, allowed },
  ];
}

export const scenario: Scenario = {
  proves:
    "the virtual drive behaves as the kernel's driver does, over our target and over the kernel's own tape",
  seconds: 400,
  async run(rig) {
    const kernel = applianceKernel(await applianceIngredients());
    await withTargets(async (targets) => await hold(rig, kernel, targets, onTarget(byLinux61)));
    const newer = await backportsKernel().catch((error: unknown) => {
      const [why] = (error instanceof Error ? error.message : String(error)).split('\n');
      rig.tell(`skipped: the kernel's own tape (scsi_debug of Linux 6.15 and later): ${why}`);
      return null;
    });
    if (newer === null) return;
    // Where its tape ends is its own affair, and there it says of blocks it took that it did not take them.
    const own: Held = {
      list: 'before-end',
      expected: stepLines.slice(0, stepsBeforeEnd.length),
      allowed: byDebugTape,
    };
    await withTargets(async (targets) => await hold(rig, newer, targets, [...onTarget([]), own]));
  },
};
