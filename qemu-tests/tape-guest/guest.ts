import type { Ingredients } from '../../src/appliance/ingredients.ts';
import { withMachine, type TapeUnit } from '../harness/index.ts';
import { guestInitramfs } from './initramfs.ts';
import type { GuestKernel } from './kernels.ts';

export interface TapeGuest {
  readonly name: string;
  readonly logs: string;
  readonly scratch: string;
  readonly ingredients: Ingredients;
  readonly kernel: GuestKernel;
  /** Modules beyond the usual ones, with their parameters. */
  readonly modules?: Readonly<Record<string, string>>;
  readonly tape: readonly TapeUnit[];
  /** Tape drives there are once all modules are loaded; as many as `tape` has units when absent. */
  readonly drives?: number;
  /** A module of this checkout, which the guest's Node runs, and its arguments; without blanks. */
  readonly program: string;
  readonly arguments?: readonly string[];
  readonly seconds: number;
}

/** Starts a guest, lets it run the program and gives the lines it printed. Throws unless it ended with 0. */
export async function inTapeGuest(guest: TapeGuest): Promise<string[]> {
  const { name, logs, scratch, kernel, tape, seconds } = guest;
  const initramfs = await guestInitramfs(guest.ingredients, kernel, guest.modules);
  const words = [guest.drives ?? tape.length, process.execPath, guest.program, ...(guest.arguments ?? [])];
  // Only what is dying may speak on the console beside the program.
  const commandLine = `console=ttyS0 loglevel=1 panic=-1 mitigations=off -- ${words.join(' ')}`;
  return await withMachine(
    {
      name,
      logs,
      scratch,
      firmware: 'bios',
      drives: [],
      direct: { kernel: kernel.vmlinuz, initramfs, commandLine, share: '/' },
      tape,
      seconds,
    },
    async ({ console }) => {
      const [, status] = await console.expect(/GUEST-ENDED (\d+)/, seconds);
      if (status !== '0') throw new Error(`The program ended with ${status}. Last: ${console.tail(8)}`);
      return console.lines.map(({ text }) => text);
    },
  );
}
