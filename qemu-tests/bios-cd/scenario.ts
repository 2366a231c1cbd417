import { join } from 'node:path';
import { overlay, run } from '../harness/index.ts';
import { originalDrive } from '../server/index.ts';
import {
  agentFinished,
  appliance,
  mediumLabel,
  must,
  newDisk,
  nextAgentLine,
  startRestored,
  targetDrive,
  usbMedium,
  withAppliance,
  type Rig,
  type Scenario,
} from '../steps/index.ts';
import type { Drive } from '../harness/index.ts';

/** The appliance images the original's own disk onto the USB disk and leaves the original as it was. */
async function backUp(rig: Rig, medium: Drive): Promise<void> {
  const iso = await appliance(rig, {
    version: 1,
    action: 'backup',
    backup: {
      disks: [{ serial: 'WEB1-OLD-DISK' }],
      to: `label:${mediumLabel}/web1`,
      name: 'web1',
      note: 'made by the appliance',
    },
    after: 'poweroff',
    onFailure: 'poweroff',
  });
  const disk = join(rig.scratch, 'original.qcow2');
  await overlay(disk, rig.original.disk);
  await withAppliance(
    rig,
    {
      name: 'backup',
      iso,
      from: 'cd',
      firmware: 'bios',
      drives: [{ ...originalDrive(disk, 'qcow2'), boot: 1 }, medium],
      seconds: 700,
    },
    async (machine) => {
      await nextAgentLine(machine, 'backup-done', 500);
      await agentFinished(machine, 0, 60);
      rig.tell(`backed up after ${machine.console.seconds.toFixed(0)} s`);
      await machine.stopped(60);
    },
  );
  await run('qemu-img', ['compare', '-q', '-f', 'qcow2', '-F', 'raw', disk, rig.original.disk]);
}

export const scenario: Scenario = {
  proves:
    'the appliance on a disc images a server onto a USB disk, and brings it back unattended on another controller with a larger disk (BIOS)',
  seconds: 1500,
  async run(rig) {
    const medium = await usbMedium(rig, 'ext4');
    await backUp(rig, medium);
    const iso = await appliance(rig, {
      version: 1,
      action: 'restore',
      set: { from: `label:${mediumLabel}/web1` },
      targets: { disk1: { serial: 'NEW-DISK' } },
      verify: true,
      after: 'reboot',
      onFailure: 'poweroff',
    });
    const drive = targetDrive(newDisk(rig), 'virtio-blk');
    await withAppliance(
      rig,
      { name: 'restore', iso, from: 'cd', firmware: 'bios', drives: [drive, medium], seconds: 700 },
      async (machine) => {
        const done = await nextAgentLine(machine, 'restore-done', 500);
        must(done['verified'] === 'yes', 'The restore did not read back what it wrote.');
        await agentFinished(machine, 0, 60);
        rig.tell(`restored after ${machine.console.seconds.toFixed(0)} s`);
        await machine.stopped(60);
      },
    );
    const up = await startRestored(rig, { drive, firmware: 'bios', grown: true });
    must(up['root']?.startsWith('/dev/vda') === true, `The root is on ${up['root']}, not on the new disk.`);
  },
};
