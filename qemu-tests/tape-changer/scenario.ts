import { join } from 'node:path';
import { hashOf, withTapeLibrary } from '../harness/index.ts';
import {
  agentLines,
  backUpOntoTape,
  cartridgeMebibytes,
  must,
  restoreFromTape,
  startRestored,
  type Scenario,
} from '../steps/index.ts';

const barcodes = ['RIG001L8', 'RIG002L8', 'RIG003L8', 'RIG004L8'];
/** Second in line, so that it is met when the first one is full. */
const byMistake = 'RIG002L8';

export const scenario: Scenario = {
  proves:
    'a server is backed up over three cartridges of a tape library, past one that was write-protected by mistake, and comes back through the changer with nobody there',
  seconds: 2000,
  async run(rig) {
    const cartridges = barcodes.map((barcode) => ({
      barcode,
      mebibytes: cartridgeMebibytes,
      writeProtected: barcode === byMistake,
    }));
    const folder = join(rig.scratch, 'library');
    await withTapeLibrary({ folder, drives: 1, slots: 6, cartridges, changer: true }, async (library) => {
      const untouched = await hashOf(join(folder, byMistake));
      await backUpOntoTape(rig, library, async (machine) => {
        await machine.console.expect(/write-protected/, 500);
        rig.tell('the write-protected cartridge is told of');
        must(
          agentLines(machine).every(({ word }) => word !== 'cartridge-needed'),
          'A person was asked although the changer has another cartridge.',
        );
        for (const barcode of ['RIG003L8', 'RIG004L8']) {
          await machine.console.expect(new RegExp(`is labelled ${barcode}`), 300);
        }
      });
      must((await hashOf(join(folder, byMistake))) === untouched, 'The protected cartridge was written on.');
      const drive = await restoreFromTape(rig, library);
      await startRestored(rig, { drive, firmware: 'bios', grown: true });
    });
  },
};
