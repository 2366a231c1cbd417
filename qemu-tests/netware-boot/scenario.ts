import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { withMachine, type Drive } from '../harness/index.ts';
import {
  agentFinished,
  appliance,
  mediumLabel,
  must,
  newDisk,
  remetalOk,
  usbMedium,
  withAppliance,
  type Rig,
  type Scenario,
} from '../steps/index.ts';
import { segmentedMachine } from './machine.ts';

const MiB = 2 ** 20;

interface Said {
  readonly token: string;
  readonly files: number;
  /** Lines of the device-mapper table the root was mounted through. */
  readonly segments: string[];
}

/** Starts a machine from its own disks and lets it say what its root holds. */
async function started(rig: Rig, name: string, drives: readonly Drive[]): Promise<Said> {
  rig.tell(`starting the ${name}`);
  return await withMachine(
    {
      name: name.replaceAll(' ', '-'),
      logs: rig.logs,
      scratch: rig.scratch,
      firmware: 'bios',
      drives,
      seconds: 400,
    },
    async (machine) => {
      const { console } = machine;
      const [, files = ''] = await console.expect(/REMETAL-AREA root [0-9a-f]{64} files=(\d+)/, 300);
      const [, token = ''] = await console.expect(/REMETAL-TOKEN ([0-9a-f]{64})/, 60);
      rig.tell(`it says its token after ${machine.console.seconds.toFixed(0)} s`);
      const segments = machine.console.lines
        .map(({ text }) => text)
        .filter((text) => text.startsWith('REMETAL-SEGMENT'));
      await machine.stopped(60);
      return { token, files: Number(files), segments };
    },
  );
}

function drivesOf(files: readonly string[], controller: Drive['controller'], serial: string): Drive[] {
  return files.map((file, index) => ({
    file,
    format: 'raw',
    controller,
    serial: `${serial}-${index + 1}`,
    ...(index === 0 ? { boot: 1 } : {}),
  }));
}

export const scenario: Scenario = {
  proves:
    'a machine that starts from a FAT partition and has its root on a volume in two segments on two disks of NetWare partitions is imaged, lost, and starts from other disks with the same root',
  seconds: 1200,
  async run(rig) {
    const disks = await segmentedMachine(rig);
    const before = await started(rig, 'original machine', drivesOf(disks, 'ahci', 'OLD'));
    must(before.segments.length === 2, `The root lies in ${before.segments.length} segments.`);
    const set = join(rig.scratch, 'set');
    await remetalOk(rig, [
      'backup',
      ...disks.flatMap((disk) => ['--disk', disk]),
      '--to',
      set,
      '--name',
      'fs1',
    ]);
    const shown = await remetalOk(rig, ['show', set]);
    must(/netware\.ROOT\s+\S+\s+ext4/.test(shown), `The set does not know the root's file system: ${shown}`);
    const medium = await usbMedium(rig, 'ext4', set);
    for (const disk of disks) rmSync(disk);
    const files = [newDisk(rig, 'new1.raw', 1900 * MiB), newDisk(rig, 'new2.raw', 1600 * MiB)];
    const drives = drivesOf(files, 'virtio-scsi', 'NEW');
    const iso = await appliance(rig, {
      version: 1,
      action: 'restore',
      set: { from: `label:${mediumLabel}` },
      targets: { disk1: { serial: 'NEW-1' }, disk2: { serial: 'NEW-2' } },
      netware: { shape: 'spread', sys: 'anywhere' },
      after: 'poweroff',
      onFailure: 'poweroff',
    });
    await withAppliance(
      rig,
      { name: 'restore', iso, from: 'cd', firmware: 'bios', drives: [...drives, medium], seconds: 500 },
      async (machine) => {
        await agentFinished(machine, 0, 400);
        rig.tell(`restored after ${machine.console.seconds.toFixed(0)} s`);
        await machine.stopped(60);
      },
    );
    await remetalOk(rig, ['volumes', ...files]);
    const after = await started(rig, 'restored machine', drives);
    must(after.segments.join() !== before.segments.join(), 'The root lies where it lay.');
    must(after.token === before.token, "The token differs from the original's.");
    must(after.files > 5000, 'The root holds hardly anything.');
  },
};
