import {
  agentFinished,
  agentLines,
  appliance,
  hostSet,
  mediumLabel,
  must,
  newDisk,
  nextAgentLine,
  startRestored,
  targetDrive,
  usbMedium,
  withAppliance,
  type Scenario,
} from '../steps/index.ts';

const cutAtPercent = 40;

export const scenario: Scenario = {
  proves:
    'a restore that lost its power in the middle goes on where it was when the machine is started again, and ends in the same files',
  seconds: 1200,
  async run(rig) {
    const medium = await usbMedium(rig, 'ext4', await hostSet(rig));
    const iso = await appliance(rig, {
      version: 1,
      action: 'restore',
      set: { from: `label:${mediumLabel}` },
      targets: { disk1: { serial: 'NEW-DISK' } },
      after: 'poweroff',
      onFailure: 'poweroff',
    });
    const drive = targetDrive(newDisk(rig), 'ahci');
    const common = { iso, from: 'cd', firmware: 'bios', drives: [drive, medium], seconds: 600 } as const;
    await withAppliance(rig, { ...common, name: 'cut-off' }, async (machine) => {
      for (let percent = 0; percent < cutAtPercent;) {
        const progress = await nextAgentLine(machine, 'progress', 240);
        if (progress['phase'] === 'restore') percent = Number(progress['percent']);
        must(percent < 100, 'The restore was over before the power could be cut.');
      }
      await machine.screenshot('before-the-cut');
      await machine.cutPower();
      rig.tell('the power is cut');
    });
    await withAppliance(rig, { ...common, name: 'resumed' }, async (machine) => {
      const resumed = await nextAgentLine(machine, 'resumed', 300);
      must(Number(resumed['at']) > 0, `The restore went on at ${resumed['at']}, which is the start.`);
      rig.tell(`it goes on at ${resumed['at']}`);
      await agentFinished(machine, 0, 400);
      const first = agentLines(machine).find(
        ({ word, values }) => word === 'progress' && values['phase'] === 'restore',
      );
      rig.tell(`its first progress was ${first?.values['percent']} %`);
      await machine.stopped(60);
    });
    await startRestored(rig, { drive, firmware: 'bios', grown: true });
  },
};
