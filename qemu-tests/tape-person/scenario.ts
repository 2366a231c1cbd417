import { join } from 'node:path';
import { withTapeLibrary, type Machine, type TapeLibrary } from '../harness/index.ts';
import {
  backUpOntoTape,
  cartridgeMebibytes,
  must,
  nextAgentLine,
  restoreFromTape,
  startRestored,
  type Rig,
  type Scenario,
} from '../steps/index.ts';

const barcodes = ['RIG001L8', 'RIG002L8', 'RIG003L8'] as const;

/** A person changes the cartridge and says so at the console. */
async function bring(rig: Rig, machine: Machine, library: TapeLibrary, barcode: string): Promise<string> {
  const { wanted = '' } = await nextAgentLine(machine, 'cartridge-needed', 400);
  rig.tell(`wanted: ${wanted}; the person brings ${barcode}`);
  await library.remove();
  await library.insert(barcode);
  await machine.console.type('\r');
  return wanted;
}

export const scenario: Scenario = {
  proves:
    'with one drive and no changer a person at the console brings the cartridges of a backup, one of them write-protected at first, and those of a restore in the wrong order',
  seconds: 2000,
  async run(rig) {
    const cartridges = barcodes.map((barcode) => ({
      barcode,
      mebibytes: cartridgeMebibytes,
      writeProtected: barcode === barcodes[1],
    }));
    const [first, second, third] = barcodes;
    const folder = join(rig.scratch, 'library');
    await withTapeLibrary({ folder, drives: 1, slots: 0, cartridges, changer: false }, async (library) => {
      await library.insert(first);
      await backUpOntoTape(rig, library, async (machine) => {
        await bring(rig, machine, library, second);
        await machine.console.expect(/write-protected/, 120);
        // It comes out, its tab is moved, it goes in again.
        await library.setTab(second, false);
        await bring(rig, machine, library, second);
        await bring(rig, machine, library, third);
      });
      // The last cartridge is still in the drive.
      const drive = await restoreFromTape(rig, library, async (machine) => {
        const asked = [
          await bring(rig, machine, library, second),
          await bring(rig, machine, library, first),
          await bring(rig, machine, library, third),
          await bring(rig, machine, library, second),
          await bring(rig, machine, library, third),
        ];
        const parts = asked.map((wanted) => /part (\d)/.exec(wanted)?.[1]);
        must(parts.join(' ') === '1 1 2 2 3', `It asked for the parts ${parts.join(' ')}.`);
      });
      await startRestored(rig, { drive, firmware: 'bios', grown: true });
    });
  },
};
