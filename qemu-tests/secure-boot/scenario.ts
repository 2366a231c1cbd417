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
    'with Secure Boot on, the appliance starts and restores, and the restored server says that it is on',
  seconds: 1200,
  async run(rig) {
    const medium = await usbMedium(rig, 'ext4', await hostSet(rig));
    const iso = await appliance(rig, {
      version: 1,
      action: 'restore',
      set: { from: `label:${mediumLabel}` },
      targets: { disk1: { only: true } },
      grow: 'none',
      after: 'poweroff',
      onFailure: 'poweroff',
    });
    const drive = targetDrive(newDisk(rig), 'virtio-scsi');
    const firmware = 'secure-boot';
    await withAppliance(
      rig,
      { name: 'restore', iso, from: 'cd', firmware, drives: [drive, medium], seconds: 700 },
      async (machine) => {
        await agentFinished(machine, 0, 500);
        rig.tell(`restored after ${machine.console.seconds.toFixed(0)} s`);
        await machine.stopped(60);
      },
    );
    const up = await startRestored(rig, { drive, firmware, grown: false });
    must(up['secure-boot'] === 'on', `The restored server says that Secure Boot is ${up['secure-boot']}.`);
    must(
      up['lockdown']?.includes('[integrity]') === true,
      `Its kernel is not locked down: ${up['lockdown']}.`,
    );
  },
};
