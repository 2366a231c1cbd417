import { writeFile } from 'node:fs/promises';
import { run } from './run.ts';

/**
 * Restarts or switches off the machine at once; everything that must be kept is written out before.
 * Meant for the appliance, where nothing else runs. Does not return where it works.
 */
export async function endMachine(action: 'reboot' | 'poweroff'): Promise<void> {
  await run('sync');
  try {
    await run(action, ['-f']);
  } catch {
    // The magic SysRq keys do the same without a program (kernel: Documentation/admin-guide/sysrq.rst).
    await writeFile('/proc/sysrq-trigger', action === 'reboot' ? 'b' : 'o');
  }
}
