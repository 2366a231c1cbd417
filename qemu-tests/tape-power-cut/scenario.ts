import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CartridgeFile, createLibrary, openLibrary } from '../../src/tape/virtual/index.ts';
import { serverImage } from '../../test/helpers/server-image.ts';
import { overlay, type Drive, type Machine } from '../harness/index.ts';
import { originalDrive } from '../server/index.ts';
import {
  agentInShell,
  appliance,
  must,
  mustFinish,
  newDisk,
  remetal,
  remetalOk,
  startAgentInShell,
  startRestored,
  targetDrive,
  withAppliance,
  type Rig,
  type Scenario,
} from '../steps/index.ts';
import { startTapeTarget, type TapeTarget } from '../tape-target/target.ts';

const MiB = 2 ** 20;
const roomy = { size: 2048 * MiB };
/** The block of the first cartridge that cannot be written: in the middle of the server's root. */
const unwritable = 150;
/** Blocks of the server's set, which has about four times as many, on the tape when the power is cut. */
const cutAtBlock = 100;
const pollMs = 10;

interface Scene {
  readonly rig: Rig;
  readonly iso: string;
  readonly library: string;
  readonly newDisk: Drive;
  readonly drives: readonly Drive[];
}

async function makeScene(rig: Rig): Promise<Scene> {
  const library = join(rig.scratch, 'library');
  await createLibrary(library, {
    drives: 1,
    slots: 3,
    cartridges: {
      SERVER1: { ...roomy, faults: { unwritable: [unwritable] } },
      SERVER2: roomy,
      TORN: roomy,
    },
  });
  // It comes into the changer when its turn has come.
  await (await openLibrary(library)).remove({ slot: 3 });
  const server = join(rig.scratch, 'original.qcow2');
  await overlay(server, rig.original.disk);
  const small = serverImage(rig.scratch, 10 * MiB);
  const target = targetDrive(newDisk(rig), 'virtio-blk');
  return {
    rig,
    library,
    iso: await appliance(rig, { version: 1, action: 'shell', onFailure: 'poweroff' }),
    newDisk: target,
    drives: [
      { ...originalDrive(server, 'qcow2'), boot: 2 },
      target,
      { file: small, format: 'raw', controller: 'virtio-scsi', serial: 'SMALL' },
    ],
  };
}

/** Starts the appliance with the library's drive and changer, and does `work` in its shell. */
async function inAppliance(
  { rig, iso, library, drives }: Scene,
  name: string,
  work: (machine: Machine, target: TapeTarget) => Promise<void>,
): Promise<void> {
  const target = await startTapeTarget({ library });
  const tape = [{ url: target.url(0) }, { url: target.url(target.changerUnit!) }];
  try {
    await withAppliance(
      rig,
      { name, iso, from: 'cd', firmware: 'bios', drives, tape, seconds: 900 },
      async (machine) => {
        await machine.console.expect(/remetal# /, 120);
        await work(machine, target);
        await machine.cutPower();
      },
    );
  } finally {
    await target.close();
  }
}

function backupOf(serial: string, name: string): Readonly<Record<string, unknown>> {
  return { action: 'backup', backup: { disks: [{ serial }], to: 'tape:any', name }, wait: 5 };
}

/** The server onto a cartridge that fails in the middle and another one, and from both onto a new disk. */
async function overAnError({ rig }: Scene, machine: Machine): Promise<void> {
  const made = await agentInShell(machine, backupOf('WEB1-OLD-DISK', 'web1'), 400);
  mustFinish(made, 0, 'The backup over a block that cannot be written');
  const told = made.of('notice').filter(({ code }) => code === 'write-error');
  must(told.length === 1, `The block that could not be written was told of ${told.length} times.`);
  rig.tell(`the server is backed up after ${machine.console.seconds.toFixed(0)} s`);
  const set = { from: 'tape:any' };
  const targets = { disk1: { serial: 'NEW-DISK' } };
  const back = await agentInShell(machine, { action: 'restore', set, targets, wait: 5 }, 500);
  mustFinish(back, 0, 'The restore from two cartridges');
  must(Number(back.of('tape')[0]?.['loads']) >= 2, 'The set came from one cartridge.');
  rig.tell(`it is restored after ${machine.console.seconds.toFixed(0)} s`);
}

/** A small set and behind it the beginning of a large one, which the power cut ended. */
async function cutShort({ rig, library }: Scene, machine: Machine, { control }: TapeTarget): Promise<number> {
  await control.remove();
  for (const slot of [1, 2]) await control.remove({ slot });
  await control.insert('TORN', { slot: 1 });
  mustFinish(await agentInShell(machine, backupOf('SMALL', 'kept'), 120), 0, 'The backup of the small disk');
  const records = await recordsOf(library);
  const { blocksWritten } = control.counters();
  await startAgentInShell(machine, backupOf('WEB1-OLD-DISK', 'torn'));
  // The agent's progress tells of what is in its buffer, not of what is on the tape.
  for (let waited = 0; control.counters().blocksWritten < blocksWritten + cutAtBlock; waited += pollMs) {
    must(waited < 120_000, 'The backup that was to be cut never came onto the tape.');
    await delay(pollMs);
  }
  await machine.cutPower();
  rig.tell('the power is cut');
  return records;
}

/** Blocks and filemarks on the cartridge. */
async function recordsOf(library: string): Promise<number> {
  const tape = await CartridgeFile.open(join(library, 'TORN.cartridge'), true);
  const { records } = tape;
  await tape.close();
  return records;
}

/** The sets that the host finds in the library, by the name of their machine. */
async function setsIn({ rig, library }: Scene): Promise<Map<string, { name: string; complete: boolean }>> {
  const output = await remetalOk(rig, ['list', `tape+file:${library}`, '--json']);
  const result = output.split('\n').find((line) => line.startsWith('{"type":"result"'));
  const { sets }: { sets: { name: string; machine: string; complete: boolean }[] } = JSON.parse(result ?? '');
  return new Map(sets.map(({ machine, name, complete }) => [machine, { name, complete }]));
}

async function mustVerify({ rig, library }: Scene, name: string): Promise<void> {
  await remetalOk(rig, ['verify', `tape+file:${library}`, '--set', name]);
}

export const scenario: Scenario = {
  proves:
    'a server comes back from two cartridges of which one failed; a power cut in a backup leaves the sets before whole and tears only its own, whose room the next backup takes',
  seconds: 1500,
  async run(rig) {
    const scene = await makeScene(rig);
    const { library } = scene;
    let before = 0;
    await inAppliance(scene, 'cut-off', async (machine, target) => {
      await overAnError(scene, machine);
      before = await cutShort(scene, machine, target);
    });
    const torn = await recordsOf(library);
    must(
      torn > before + cutAtBlock / 2,
      `Only ${torn - before} blocks of the torn set are on the cartridge.`,
    );
    const left = await setsIn(scene);
    must(left.get('kept')?.complete === true, 'The set before the torn one is not whole.');
    must(left.get('torn')?.complete === false, 'The torn set is not told from a whole one.');
    await mustVerify(scene, left.get('kept')!.name);
    const refused = await remetal(rig, ['verify', `tape+file:${library}`, '--set', left.get('torn')!.name]);
    must(
      refused.status !== 0 && /set-truncated/.test(refused.output),
      `Of the torn set it is said: ${refused.output}`,
    );

    await inAppliance(scene, 'after-the-cut', async (machine) => {
      mustFinish(await agentInShell(machine, backupOf('SMALL', 'next'), 120), 0, 'The backup behind the cut');
      rig.tell(`backed up again after ${machine.console.seconds.toFixed(0)} s`);
    });
    // Label and filemark are there once; the two sets of one disk have as many blocks each.
    const after = await recordsOf(library);
    must(
      after === 2 * before - 2,
      `The cartridge has ${after} blocks: the room of the torn set was not used.`,
    );
    const sets = await setsIn(scene);
    must([...sets.keys()].toSorted().join() === 'kept,next', `There are ${[...sets.keys()].join()}.`);
    for (const { name } of sets.values()) await mustVerify(scene, name);
    await startRestored(rig, { drive: scene.newDisk, firmware: 'bios', grown: true });
  },
};
