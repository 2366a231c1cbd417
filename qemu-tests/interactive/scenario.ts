import {
  agentFinished,
  appliance,
  hostSet,
  must,
  newDisk,
  nextAgentLine,
  startRestored,
  targetDrive,
  usbMedium,
  withAppliance,
  type Scenario,
} from '../steps/index.ts';
import { hashOf, type Drive, type Machine } from '../harness/index.ts';

/* One byte: the three of an arrow key, read apart by a slow machine, mean something else. */
const down = '\u000e';

/* The menu of the image starts the machine's own disk by itself; one line below it is the appliance. */
async function chooseInMenu(machine: Machine): Promise<void> {
  await machine.console.expect(/Back up or restore this machine/, 60);
  await machine.console.type(down);
  await machine.console.expect(/\*Back up or restore this machine/, 30);
  await machine.console.type('\r');
}

/** Types the number that stands before a choice. */
async function choose(machine: Machine, question: string, choice: RegExp): Promise<void> {
  await nextAgentLine(machine, 'question', 120).then(({ id }) =>
    must(id === question, `The agent asks for ${id}, not for ${question}.`),
  );
  const [, number = ''] = await machine.console.expect(new RegExp(`(\\d+)[.)]? +${choice.source}`), 30);
  await machine.console.type(`${number}\r`, 150);
}

async function typeWord(machine: Machine, word: string): Promise<void> {
  const { id } = await nextAgentLine(machine, 'question', 120);
  must(id === 'confirm', `The agent asks for ${id}, not for confirm.`);
  await machine.console.expect(/Type restore to go ahead:/, 30);
  await machine.console.type(`${word}\r`, 100);
}

async function answerUpToThePlan(machine: Machine): Promise<void> {
  await choose(machine, 'action', /Restore this machine/);
  await choose(machine, 'set', /web1/);
  await choose(machine, 'target.disk1', /[^\r\n]*NEW-DISK/);
  await nextAgentLine(machine, 'plan', 120);
}

export const scenario: Scenario = {
  proves:
    'a person at the serial console chooses in the menu, answers the questions, types the word, and the machine comes back; another word writes nothing',
  seconds: 1200,
  async run(rig) {
    const medium = await usbMedium(rig, 'ext4', await hostSet(rig));
    const iso = await appliance(rig, null);
    const chosen = newDisk(rig);
    const other = newDisk(rig, 'other.raw');
    const blank = await hashOf(other);
    const drive = targetDrive(chosen, 'lsi');
    const bystander: Drive = { ...targetDrive(other, 'ahci', 2), serial: 'OTHER-DISK' };
    await withAppliance(
      rig,
      {
        name: 'restore',
        iso,
        from: 'cd',
        firmware: 'bios',
        drives: [bystander, drive, medium],
        seconds: 900,
        before: chooseInMenu,
      },
      async (machine) => {
        await answerUpToThePlan(machine);
        await typeWord(machine, 'no');
        await machine.console.expect(/Nothing was written/, 60);
        must((await hashOf(chosen)) === blank, 'Something was written although the word was not typed.');
        rig.tell('another word wrote nothing');
        await answerUpToThePlan(machine);
        await typeWord(machine, 'restore');
        await nextAgentLine(machine, 'restore-done', 500);
        await choose(machine, 'after', /Switch off/);
        await agentFinished(machine, 0, 60);
        await machine.stopped(60);
      },
    );
    must((await hashOf(other)) === blank, 'A disk that was not chosen was written to.');
    await startRestored(rig, { drive, firmware: 'bios', grown: true });
  },
};
