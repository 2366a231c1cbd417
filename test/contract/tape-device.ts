import type { ExecutionContext } from 'ava';
import test from 'ava';
import type { OpenTape } from '../../src/system/index.ts';
import { runSteps, type Step } from './tape-steps.ts';

/** A drive with the cartridge that the steps are for. */
export interface MakeDrive {
  (t: ExecutionContext): Promise<OpenTape>;
}

/** Holds a drive to what each step has to end with. `expected` has a line a step; see `runSteps`. */
export function tapeContract(
  name: string,
  make: MakeDrive,
  steps: readonly Step[],
  expected: readonly string[],
): void {
  test(`${name}: each step ends as with the kernel's driver`, async (t) => {
    t.is(steps.length, expected.length);
    const lines = await runSteps(await make(t), steps);
    // One assertion a step, so that the first that differs is named with its number.
    for (const [i, line] of lines.entries())
      t.is<string | undefined, string | undefined>(line, expected[i], `step ${i + 1}`);
  });
}
