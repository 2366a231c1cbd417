import { holdsText } from '../harness/index.ts';
import { deletedMarker } from '../server/index.ts';
import {
  agentFinished,
  appliance,
  hostSet,
  mediumLabel,
  must,
  newDisk,
  proveRestored,
  targetDrive,
  usbMedium,
  withAppliance,
  type Scenario,
} from '../steps/index.ts';

/** The quickest whole way: the appliance ejects its disc and the same machine goes on from its own disk. */
export const scenario: Scenario = {
  proves:
    'a set made by `remetal backup` on a host comes back on a larger disk, the machine restarts from it, and what was deleted stays gone',
  seconds: 900,
  async run(rig) {
    const medium = await usbMedium(rig, 'ext4', await hostSet(rig));
    const iso = await appliance(rig, {
      version: 1,
      action: 'restore',
      set: { from: `label:${mediumLabel}` },
      targets: { disk1: { serial: 'NEW-DISK' } },
      after: 'reboot',
      onFailure: 'poweroff',
    });
    const disk = newDisk(rig);
    await withAppliance(
      rig,
      {
        name: 'restore',
        iso,
        from: 'cd',
        firmware: 'bios',
        drives: [targetDrive(disk, 'virtio-scsi'), medium],
        seconds: 800,
        assetTag: 'token+boot+off',
        reboots: true,
      },
      async (machine) => {
        await agentFinished(machine, 0, 400);
        rig.tell(`restored after ${machine.console.seconds.toFixed(0)} s`);
        await proveRestored(rig, machine, { grown: true });
        await machine.stopped(90);
      },
    );
    must(await holdsText(rig.original.disk, deletedMarker), 'The original holds no deleted files any more.');
    must(!(await holdsText(disk, deletedMarker)), 'Deleted files of the original came back.');
  },
};
