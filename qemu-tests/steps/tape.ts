import { join } from 'node:path';
import { overlay, run, type Machine, type TapeLibrary } from '../harness/index.ts';
import { originalDrive } from '../server/index.ts';
import { agentLines, nextAgentLine } from './agent-lines.ts';
import { agentFinished, newDisk, targetDrive, withAppliance } from './machines.ts';
import { appliance } from './product.ts';
import { must, type Rig } from './rig.ts';
import type { Drive } from '../harness/index.ts';

/** The set of the original takes about 220 MB on the medium: three cartridges of this size. */
export const cartridgeMebibytes = 96;

/** What somebody at the machine does while it works. */
type Beside = (machine: Machine) => Promise<void>;

const nobody: Beside = async () => {};

/* How long a cartridge is waited for by a run with answers: longer than the rig takes to bring it. */
const wait = 300;

/** The appliance images the original's disk onto the cartridges of a library; the disk stays as it was. */
export async function backUpOntoTape(rig: Rig, library: TapeLibrary, beside = nobody): Promise<void> {
  const iso = await appliance(rig, {
    version: 1,
    action: 'backup',
    backup: { disks: [{ serial: 'WEB1-OLD-DISK' }], to: `tape:${library.serials[0]}`, name: 'web1' },
    wait,
    after: 'poweroff',
    onFailure: 'poweroff',
  });
  const disk = join(rig.scratch, 'original.qcow2');
  await overlay(disk, rig.original.disk);
  const machine = {
    name: 'backup',
    iso,
    from: 'cd',
    firmware: 'bios',
    drives: [{ ...originalDrive(disk, 'qcow2'), boot: 1 }],
    tape: library.units,
    seconds: 900,
  } as const;
  await withAppliance(rig, machine, async (guest) => {
    await beside(guest);
    const done = await nextAgentLine(guest, 'backup-done', 600);
    await agentFinished(guest, 0, 60);
    rig.tell(`${done['stored']} bytes on tape after ${guest.console.seconds.toFixed(0)} s`);
    await guest.stopped(60);
  });
  await run('qemu-img', ['compare', '-q', '-f', 'qcow2', '-F', 'raw', disk, rig.original.disk]);
}

/** The appliance restores the newest set of a library onto a new, larger disk, which is returned. */
export async function restoreFromTape(rig: Rig, library: TapeLibrary, beside = nobody): Promise<Drive> {
  const iso = await appliance(rig, {
    version: 1,
    action: 'restore',
    set: { from: `tape:${library.serials[0]}` },
    targets: { disk1: { serial: 'NEW-DISK' } },
    wait,
    after: 'poweroff',
    onFailure: 'poweroff',
  });
  const drive = targetDrive(newDisk(rig), 'virtio-scsi');
  const machine = {
    name: 'restore',
    iso,
    from: 'cd',
    firmware: 'bios',
    drives: [drive],
    tape: library.units,
    seconds: 900,
  } as const;
  await withAppliance(rig, machine, async (guest) => {
    await beside(guest);
    await nextAgentLine(guest, 'restore-done', 600);
    await agentFinished(guest, 0, 60);
    rig.tell(`restored after ${guest.console.seconds.toFixed(0)} s`);
    const movements = agentLines(guest).findLast(({ word }) => word === 'tape')?.values;
    must(movements !== undefined, 'The agent does not say how the tape was moved.');
    must(
      movements['repositionings'] === '0',
      `The tape was repositioned ${movements['repositionings']} times.`,
    );
    rig.tell(`${movements['loads']} cartridges were made ready`);
    await guest.stopped(60);
  });
  return drive;
}
