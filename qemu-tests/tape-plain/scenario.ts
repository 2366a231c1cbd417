import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { createLibrary } from '../../src/tape/virtual/index.ts';
import { serverImage } from '../../test/helpers/server-image.ts';
import { makeMedium, type Drive, type Machine } from '../harness/index.ts';
import {
  appliance,
  inShell,
  must,
  remetalOk,
  withAppliance,
  type Rig,
  type Scenario,
} from '../steps/index.ts';
import { startTapeTarget } from '../tape-target/target.ts';

const MiB = 2 ** 20;
const reader = join(import.meta.dirname, '../../tools/remetal-reader.py');
/** Longer than any block of the cartridges, as their own label says; a tape driver takes no more than 16 MiB. */
const blockSize = '1M';

/** Takes every part off its cartridge with what any Linux has: mt, mtx, dd, tar. */
async function takeOff(machine: Machine, parts: number): Promise<void> {
  await inShell(machine, 'mkdir -p /m && mount /dev/vda /m && mkdir /m/x');
  await inShell(machine, 'changer=/dev/$(ls /sys/class/scsi_changer/sch0/device/scsi_generic)');
  for (let part = 1; part <= parts; part++) {
    const name = part === 1 ? 'set.tar' : `set.part${String(part).padStart(4, '0')}.tar`;
    await inShell(machine, `mtx -f $changer load ${part} 0`);
    await inShell(machine, `dd if=/dev/nst0 bs=${blockSize} | tar xf - -C /m/x`);
    await inShell(machine, `grep -q "Made by Remetal\\|made by Remetal" /m/x/README.txt`);
    await inShell(machine, `dd if=/dev/nst0 of=/m/${name} bs=${blockSize}`);
    await inShell(machine, `tar xf /m/${name} -C /m/x`);
    await inShell(machine, `mt -f /dev/nst0 offline && mtx -f $changer unload ${part} 0`);
  }
  await inShell(machine, 'umount /m && sync');
}

/** Files of an ext4 image, without mounting it. */
async function dump(image: string, path: string, to: string): Promise<void> {
  await execa('debugfs', ['-R', `dump ${path} ${to}`, image]);
}

/** The set that was taken off, put together by the reader that knows nothing of ours but the format. */
async function rebuild(rig: Rig, taken: string, folder: string): Promise<void> {
  const names = (await execa('debugfs', ['-R', 'ls -p /', taken])).stdout;
  for (const [, name] of names.matchAll(/\/(set(?:\.part\d+)?\.tar)\//g)) {
    await dump(taken, `/${name}`, join(folder, name!));
  }
  await execa('python3', [reader, 'verify', join(folder, 'set.tar')]);
  await execa('python3', [
    reader,
    'rebuild',
    join(folder, 'set.tar'),
    'disk1.part2',
    join(folder, 'data.raw'),
  ]);
  await execa('e2fsck', ['-fn', join(folder, 'data.raw')]);
  rig.tell('the independent reader has rebuilt the volume');
}

export const scenario: Scenario = {
  proves:
    'with nothing but dd, tar and the independent reader a set comes off its cartridges and makes up its volumes',
  seconds: 900,
  async run(rig) {
    const library = join(rig.scratch, 'library');
    const cartridge = { size: 4 * MiB, earlyWarning: 3 * MiB };
    await createLibrary(library, {
      drives: 1,
      slots: 3,
      cartridges: { PLAIN1L8: cartridge, PLAIN2L8: cartridge, PLAIN3L8: cartridge },
    });
    const server = serverImage(rig.scratch, 5 * MiB);
    await remetalOk(rig, ['backup', '--disk', server, '--to', `tape+file:${library}`, '--name', 'plain']);
    const target = await startTapeTarget({ library });
    const home = await target.control.remove({ drive: 0 });
    if (home !== null) await target.control.insert(home, { slot: Number(/\d/.exec(home)![0]) });
    const taken = join(rig.scratch, 'taken.raw');
    await makeMedium({ file: taken, bytes: 128 * MiB, filesystem: 'ext4', label: 'taken' });
    const drive: Drive = { file: taken, format: 'raw', controller: 'virtio-blk' };
    const iso = await appliance(rig, { version: 1, action: 'shell', onFailure: 'poweroff' });
    try {
      await withAppliance(
        rig,
        {
          name: 'taking-off',
          iso,
          from: 'cd',
          firmware: 'bios',
          drives: [drive],
          tape: [{ url: target.url(0) }, { url: target.url(target.changerUnit!) }],
          seconds: 600,
        },
        async (machine) => {
          await machine.console.expect(/remetal# /, 120);
          await takeOff(machine, 2);
          await machine.cutPower();
        },
      );
    } finally {
      await target.close();
    }
    const folder = join(rig.scratch, 'rebuilt');
    mkdirSync(folder);
    await rebuild(rig, taken, folder);
    for (const name of ['noise', 'words']) {
      await dump(join(folder, 'data.raw'), `/${name}`, join(folder, name));
      const same = readFileSync(join(folder, name)).equals(readFileSync(join(rig.scratch, 'data', name)));
      must(same, `File ${name} of the rebuilt volume is another.`);
    }
  },
};
