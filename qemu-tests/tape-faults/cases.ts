import { agentInShell, must, mustFinish, type AgentRun } from '../steps/index.ts';
import {
  bitsOf,
  blockWith,
  bytesBefore,
  fillSlots,
  putIn,
  recordsOf,
  type Stage,
  type TargetSerial,
} from './scene.ts';
import { mustBeBack, mustHoldNothingWrong, otherFiles } from './small-disk.ts';

/* Behind the labels and the descriptions, in the middle of the data. */
const writeAmongData = 20;
const readAmongData = 24;
/** The block that ends a part, before the one that is not written for a reset. */
const lastOfPart = 17;
/** Bytes: less than any record. */
const roomBehind = 700;

type DriveOf = 'lone' | 'changer';

function serialOf(stage: Stage, drive: DriveOf): string {
  const target = drive === 'lone' ? stage.loneTarget : stage.changerTarget;
  return target.control.library.drives[0]!.scsi.bay.serial;
}

async function backUp(stage: Stage, drive: DriveOf, name: string): Promise<AgentRun> {
  const to = `tape:${serialOf(stage, drive)}`;
  const backup = { disks: [{ serial: 'SMALL' }], to, name };
  return await agentInShell(stage.machine, { action: 'backup', backup, wait: 5 }, 120);
}

async function restore(
  stage: Stage,
  drive: DriveOf,
  onto: TargetSerial,
  onDamage: 'stop' | 'go-on' = 'stop',
): Promise<AgentRun> {
  const set = { from: `tape:${serialOf(stage, drive)}` };
  const targets = { disk1: { serial: onto } };
  return await agentInShell(stage.machine, { action: 'restore', set, targets, onDamage, wait: 5 }, 120);
}

function mustBeClear(run: AgentRun, code: string, words: RegExp): void {
  const error = run.of('error').at(-1);
  must(
    error?.['code'] === code && words.test(error['message'] ?? ''),
    `The agent says ${JSON.stringify(error)}.`,
  );
}

async function mustComeBack(stage: Stage, drive: DriveOf, onto: TargetSerial): Promise<AgentRun> {
  const run = await restore(stage, drive, onto);
  mustFinish(run, 0, `The restore onto ${onto}`);
  await mustBeBack(stage.disk, stage.targets[onto], stage.rig.scratch);
  return run;
}

/** A reset while the set is written costs the rest of the cartridge, and nothing of the set. */
export async function resetWhileWriting(stage: Stage): Promise<void> {
  await fillSlots(stage, ['RESET1', 'RESET2']);
  // With the cartridge, so that it happens on this one only.
  await stage.changerTarget.control.describe('RESET1', {
    faults: { events: [{ before: 'write', number: writeAmongData, happens: 'bus-reset' }] },
  });
  const made = await backUp(stage, 'changer', 'reset');
  mustFinish(made, 0, 'The backup with a reset');
  const told = made.of('notice').find(({ code }) => code === 'write-error');
  must(told !== undefined, 'The reset was not told of.');
  const back = await mustComeBack(stage, 'changer', 'RESET');
  must(Number(back.of('tape')[0]?.['loads']) >= 2, 'The set came from one cartridge.');
}

/**
 * The end of the tape, warned of with so little room behind it that nothing closes the part. The cartridge is cut to
 * the set as it lies on the one of the case before, whose names are as long.
 */
export async function earlyWarning(stage: Stage): Promise<void> {
  const { changer } = stage;
  await fillSlots(stage, ['EARLY1', 'EARLY2']);
  const warned = (await bytesBefore(changer, 'RESET1', lastOfPart)) + 1;
  const size = (await bytesBefore(changer, 'RESET1', lastOfPart + 1)) + roomBehind;
  await stage.changerTarget.control.describe('EARLY1', { size, earlyWarning: warned });
  const made = await backUp(stage, 'changer', 'early');
  mustFinish(made, 0, 'The backup onto a short cartridge');
  const records = await recordsOf(changer, 'EARLY1');
  must(
    records === lastOfPart + 2,
    `Behind the warning there are ${records} blocks: not the last and a filemark.`,
  );
  const back = await mustComeBack(stage, 'changer', 'EARLY');
  must(Number(back.of('tape')[0]?.['loads']) >= 2, 'The set came from one cartridge.');
}

/** A block that cannot be read costs what is in it, and the files it is of are named. */
export async function unreadableBlock(stage: Stage): Promise<void> {
  await putIn(stage, 'READ');
  const { control } = stage.loneTarget;
  const { disk, lone } = stage;
  await control.describe('READ', { faults: { unreadable: [await blockWith(lone, 'READ', disk.piece)] } });
  const run = await restore(stage, 'lone', 'UNREADABLE', 'go-on');
  await control.describe('READ', { faults: {} });
  mustFinish(run, 3, 'The restore with a block that cannot be read');
  const damage = run.of('damage');
  must(damage.length === 1 && damage[0]?.['files'] === '1', `It tells ${JSON.stringify(damage)}.`);
  must(new RegExp(`damaged: .*${disk.large} on`).test(run.text), `It does not name ${disk.large}.`);
  const other = await otherFiles(disk, stage.targets.UNREADABLE, stage.rig.scratch);
  must(other.join() === disk.large, `These files are not what they were: ${other.join(', ')}`);
}

/** A reset in the middle of a restore costs nothing, not even where damage is passed over. */
export async function resetWhileReading(stage: Stage): Promise<void> {
  await putIn(stage, 'READ');
  const { control } = stage.loneTarget;
  control.setFaults({ events: [{ before: 'read', number: readAmongData, happens: 'bus-reset' }] });
  const before = control.counters().blocksRead;
  const run = await restore(stage, 'lone', 'RESET-READ', 'go-on');
  must(control.counters().blocksRead > before + readAmongData, 'The reset never came.');
  control.setFaults({});
  mustFinish(run, 0, 'The restore with a reset');
  await mustBeBack(stage.disk, stage.targets['RESET-READ'], stage.rig.scratch);
}

/** Another cartridge in the drive stops a restore, also where damage is passed over; it goes on with the right one. */
export async function swapWhileReading(stage: Stage): Promise<void> {
  await putIn(stage, 'READ');
  const before = bitsOf(stage.lone, 'OTHER');
  const { control } = stage.loneTarget;
  control.setFaults({
    events: [{ before: 'read', number: readAmongData, happens: 'swap', barcode: 'OTHER' }],
  });
  const run = await restore(stage, 'lone', 'SWAP-READ', 'go-on');
  control.setFaults({});
  mustBeClear(run, 'position-lost', /no longer stands where it was left/);
  must(bitsOf(stage.lone, 'OTHER') === before, 'The other cartridge was changed.');
  const there = mustHoldNothingWrong(stage.disk, stage.targets['SWAP-READ']);
  must(there > 0, 'Nothing was restored before the cartridges were exchanged.');
  await putIn(stage, 'READ');
  const again = await mustComeBack(stage, 'lone', 'SWAP-READ');
  must(again.of('resumed').length === 1, 'The restore began anew.');
}

/** Another cartridge in the drive stops a backup before anything is written on it. */
export async function swapWhileWriting(stage: Stage): Promise<void> {
  await putIn(stage, 'SWAP');
  const before = bitsOf(stage.lone, 'OTHER');
  const { control } = stage.loneTarget;
  control.setFaults({
    events: [{ before: 'write', number: writeAmongData, happens: 'swap', barcode: 'OTHER' }],
  });
  const run = await backUp(stage, 'lone', 'swapped');
  control.setFaults({});
  mustFinish(run, 1, 'The backup onto a cartridge that was taken out');
  mustBeClear(run, 'drive-failed', /no longer stands where it was left/);
  must(bitsOf(stage.lone, 'OTHER') === before, 'The other cartridge was written on.');
  must((await control.remove()) === 'OTHER', 'The other cartridge was never in the drive.');
}
