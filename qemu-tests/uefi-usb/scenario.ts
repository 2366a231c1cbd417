import {
  agentFinished,
  appliance,
  hostSet,
  mediumLabel,
  must,
  newDisk,
  startRestored,
  targetDrive,
  usbMedium,
  withAppliance,
  type Scenario,
} from '../steps/index.ts';

export const scenario: Scenario = {
  proves:
    'the appliance on a USB stick restores under UEFI from a FAT disk onto NVMe, and the machine starts by its new boot entry',
  seconds: 1200,
  async run(rig) {
    const medium = await usbMedium(rig, 'fat', await hostSet(rig));
    const iso = await appliance(rig, {
      version: 1,
      action: 'restore',
      set: { from: `label:${mediumLabel}` },
      targets: { disk1: { transport: 'nvme', minSize: '4G' } },
      after: 'poweroff',
      onFailure: 'poweroff',
    });
    const drive = targetDrive(newDisk(rig), 'nvme');
    await withAppliance(
      rig,
      { name: 'restore', iso, from: 'usb', firmware: 'uefi', drives: [drive, medium], seconds: 700 },
      async (machine) => {
        await agentFinished(machine, 0, 500);
        rig.tell(`restored after ${machine.console.seconds.toFixed(0)} s`);
        await machine.stopped(60);
      },
    );
    const up = await startRestored(rig, { drive, firmware: 'uefi', grown: true });
    must(up['firmware'] === 'uefi', `The restored server was started by ${up['firmware']}.`);
    must(up['entry'] !== '-', 'The restored server does not know by which boot entry it was started.');
  },
};
