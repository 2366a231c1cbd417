import { closeSync, cpSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { withMachine } from '../harness/index.ts';
import { incompressible, incompressiblePath, readToken } from '../server/index.ts';
import {
  agentFinished,
  agentLines,
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

/* From the middle of the file, where a record in between holds nothing but this file. */
const piece = incompressible().subarray(12 << 20, (12 << 20) + 4096);

/** Copies the set and turns one bit in a record that holds a known file's data. */
function damagedCopy(rig: Rig, set: string): string {
  const copy = join(rig.scratch, 'damaged-set');
  mkdirSync(copy);
  cpSync(set, copy, { recursive: true });
  for (const name of readdirSync(copy)) {
    const file = join(copy, name);
    const place = readFileSync(file).indexOf(piece);
    if (place < 0) continue;
    const handle = openSync(file, 'r+');
    writeSync(handle, Buffer.from([piece[100]! ^ 1]), 0, 1, place + 100);
    closeSync(handle);
    rig.tell(`damaged ${name} at byte ${place + 100}`);
    return copy;
  }
  throw new Error('The set does not hold the bytes of the file that does not compress.');
}

function changedFiles(before: string, after: string): string[] {
  const known = new Set(before.split('\n'));
  const changed = after.split('\n').filter((line) => !known.has(line));
  return changed.map((line) => line.split(' ').slice(0, 2).join(' '));
}

export const scenario: Scenario = {
  proves:
    'a record damaged on the medium stops nothing when told so: the restore ends with the status for exceptions, names the file, and all others are as they were',
  seconds: 1200,
  async run(rig) {
    const medium = await usbMedium(rig, 'ext4', damagedCopy(rig, await hostSet(rig)));
    const iso = await appliance(rig, {
      version: 1,
      action: 'restore',
      set: { from: `label:${mediumLabel}` },
      targets: { disk1: { serial: 'NEW-DISK' } },
      onDamage: 'go-on',
      after: 'poweroff',
      onFailure: 'poweroff',
    });
    const drive = targetDrive(newDisk(rig), 'mptsas');
    await withAppliance(
      rig,
      { name: 'restore', iso, from: 'cd', firmware: 'bios', drives: [drive, medium], seconds: 700 },
      async (machine) => {
        const done = await nextAgentLine(machine, 'restore-done', 500);
        must(done['exceptions'] === '1', `The agent counts ${done['exceptions']} exceptions.`);
        await agentFinished(machine, 3, 60);
        const damage = agentLines(machine).filter(({ word }) => word === 'damage');
        must(
          damage.length === 1 && damage[0]?.values['files'] === '1',
          `It tells ${JSON.stringify(damage)}.`,
        );
        must(
          machine.console.lines.some(({ text }) => text.includes(incompressiblePath)),
          `It does not name ${incompressiblePath}.`,
        );
        await machine.stopped(60);
      },
    );
    rig.tell('starting the restored server');
    await withMachine(
      {
        name: 'restored-server',
        logs: rig.logs,
        scratch: rig.scratch,
        firmware: 'bios',
        drives: [drive],
        assetTag: 'token+listing',
        seconds: 400,
      },
      async (machine) => {
        const { listing } = await readToken(machine, 300);
        const changed = changedFiles(rig.original.token.listing ?? '', listing ?? '');
        must(
          changed.length === 1 && changed[0] === `root ${incompressiblePath}`,
          `These files differ: ${changed.join(', ')}`,
        );
      },
    );
  },
};
