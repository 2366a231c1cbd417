import { join } from 'node:path';
import { hashOf, makeMedium, type Drive } from '../harness/index.ts';
import {
  agentFinished,
  appliance,
  hostSet,
  mediumLabel,
  must,
  newDisk,
  nextAgentLine,
  targetDrive,
  usbMedium,
  withAppliance,
  type Rig,
  type Scenario,
} from '../steps/index.ts';

interface Case {
  readonly name: string;
  /** Serial the answers ask for. */
  readonly serial: string;
  readonly drives: readonly Drive[];
  readonly code: string;
}

/** Asks for an unattended restore onto a disk that must not be written, and holds the agent to refusing. */
async function refused(rig: Rig, { name, serial, drives, code }: Case): Promise<void> {
  const iso = await appliance(rig, {
    version: 1,
    action: 'restore',
    set: { from: `label:${mediumLabel}` },
    targets: { disk1: { serial } },
    after: 'poweroff',
    onFailure: 'poweroff',
  });
  await withAppliance(
    rig,
    { name, iso, from: 'cd', firmware: 'bios', drives, seconds: 400 },
    async (machine) => {
      const error = await nextAgentLine(machine, 'error', 300);
      must(error['code'] === code, `The agent refused with ${error['code']}, not with ${code}.`);
      await agentFinished(machine, 5, 60);
      await machine.stopped(60);
    },
  );
  rig.tell(`${name}: refused with ${code}`);
}

export const scenario: Scenario = {
  proves: 'a disk with data nobody released and the disk that holds the set are refused and not written to',
  seconds: 900,
  async run(rig) {
    const set = await hostSet(rig);
    const medium = await usbMedium(rig, 'ext4', set);
    const precious = join(rig.scratch, 'precious.raw');
    await makeMedium({ file: precious, bytes: 4 * 2 ** 30, filesystem: 'ext4', label: 'precious' });
    const preciousBefore = await hashOf(precious);
    await refused(rig, {
      name: 'holds-data',
      serial: 'NEW-DISK',
      drives: [targetDrive(precious, 'virtio-blk'), medium],
      code: 'target-holds-data',
    });
    must((await hashOf(precious)) === preciousBefore, 'The disk that was refused was written to.');
    const largeMedium = join(rig.scratch, 'large-medium.raw');
    await makeMedium({
      file: largeMedium,
      bytes: 4 * 2 ** 30,
      filesystem: 'ext4',
      label: mediumLabel,
      content: set,
    });
    const blank = newDisk(rig);
    const blankBefore = await hashOf(blank);
    await refused(rig, {
      name: 'holds-the-set',
      serial: 'USB-SETS',
      drives: [targetDrive(blank, 'virtio-blk'), { ...medium, file: largeMedium }],
      code: 'target-is-source',
    });
    must((await hashOf(blank)) === blankBefore, 'A disk nobody asked for was written to.');
  },
};
