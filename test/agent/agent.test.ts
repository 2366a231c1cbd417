import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { runAgent, type AgentWorld } from '../../src/agent/index.ts';
import { backup } from '../../src/backup/index.ts';
import { identityOf, openDisk } from '../../src/disk/index.ts';
import { openSet } from '../../src/archive/index.ts';
import { openMedium } from '../../src/medium/index.ts';
import { silent } from '../../src/progress/index.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { blankImage, serverImage } from '../helpers/server-image.ts';
import { temporary } from '../helpers/temporary.ts';
import { fakeConsole, fakeMachine, fakeMedium, type FakeConsole, type FakeMachine } from './fakes.ts';

const MiB = 1024 * 1024;

function worldOf(console: FakeConsole, machine: FakeMachine, signal?: AbortSignal): AgentWorld {
  return { console, machine, version: '9', signal: signal ?? new AbortController().signal, lookEvery: 2000 };
}

/** A server image, a set of it on a medium, a blank larger disk. */
async function scene(t: ExecutionContext): Promise<{ source: string; medium: string; target: string }> {
  const folder = temporary(t);
  const source = serverImage(folder);
  const medium = join(folder, 'usb');
  mkdirSync(join(medium, 'sets'), { recursive: true });
  const device = await openDisk(source);
  const to = openMedium(join(medium, 'sets/web1'));
  await backup({
    disks: [{ device, identity: await identityOf(source) }],
    medium: to,
    machine: { hostname: 'web1', firmware: null, vendor: null, product: null, serial: null },
    name: 'web1',
    note: '',
    allSectors: false,
    keepDeleted: false,
    onReadError: 'stop',
    level: 1,
    now: new Date(0),
    reporter: silent,
  });
  await device.close();
  await to.close();
  return { source, medium, target: blankImage(join(folder, 'new.raw'), 64 * MiB) };
}

function restoreAnswers(target: string, more = ''): string {
  return `version: 1\naction: restore\nset: {from: "label:BACKUP"}\ntargets: {disk1: {path: ${target}}}\nafter: reboot\n${more}`;
}

/** The bytes of the data volume, which both disks have at the same place. */
function dataOf(path: string): Buffer {
  return readFileSync(path).subarray(33 * MiB, 49 * MiB);
}

const needs = requires('sfdisk', 'mke2fs');

needs('answers in the image restore and restart with nobody asked', async (t: ExecutionContext) => {
  const { source, medium, target } = await scene(t);
  const console = fakeConsole();
  const machine = fakeMachine({
    answers: restoreAnswers(target, 'grow: none\nverify: true\n'),
    disks: [target],
    media: [fakeMedium(medium)],
  });
  t.is(await runAgent(worldOf(console, machine)), 'reboot');
  t.is(machine.word, 'reboot');
  t.is(console.events[0]!.name, 'agent 9');
  t.false(console.names().includes('question'));
  t.is(console.fact('mode', 'name'), 'unattended');
  t.is(console.fact('found-set', 'machine'), 'web1');
  t.regex(String(console.fact('plan', 'hash')), /^sha256:[0-9a-f]{64}$/);
  t.is(console.fact('restore-done', 'plan'), console.fact('plan', 'hash'));
  t.is(console.fact('restore-done', 'verified'), true);
  t.is(console.events.at(-1)!.name, 'finished');
  t.deepEqual(console.events.at(-1)!.facts, { action: 'reboot', status: 0 });
  t.true(dataOf(source).equals(dataOf(target)));
  t.true(readdirSync(join(medium, 'sets/web1')).some((name) => name.endsWith('-restore.log')));
});

needs(
  'a person answers which set and which disk, reads the plan, types the word',
  async (t: ExecutionContext) => {
    const { source, medium, target } = await scene(t);
    const console = fakeConsole({
      action: 'Restore this machine',
      set: 'web1',
      'target.disk1': target,
      confirm: 'restore',
      after: 'Switch off',
    });
    const machine = fakeMachine({ disks: [source, target], media: [fakeMedium(medium)] });
    t.is(await runAgent(worldOf(console, machine)), 'poweroff');
    const asked = console.events.filter(({ name }) => name === 'question').map(({ facts }) => facts['id']);
    t.deepEqual(asked, ['action', 'set', 'target.disk1', 'confirm', 'after']);
    t.true(console.said.some((text) => text.includes('sha256:')));
    t.true(dataOf(source).equals(dataOf(target)));
  },
);

needs('another word writes nothing', async (t: ExecutionContext) => {
  const { medium, target } = await scene(t);
  const before = readFileSync(target);
  const console = fakeConsole({
    action: ['Restore this machine', 'Restart'],
    set: 'web1',
    'target.disk1': target,
    confirm: 'yes',
  });
  const machine = fakeMachine({ disks: [target], media: [fakeMedium(medium)] });
  t.is(await runAgent(worldOf(console, machine)), 'reboot');
  t.true(before.equals(readFileSync(target)));
});

needs('the automatic word asks only what is open and stays with a shell', async (t: ExecutionContext) => {
  const { source, medium, target } = await scene(t);
  const console = fakeConsole({ confirm: 'restore', action: 'Switch off' });
  const machine = fakeMachine({ kernelLine: 'auto_recover', disks: [target], media: [fakeMedium(medium)] });
  t.is(await runAgent(worldOf(console, machine)), 'poweroff');
  t.deepEqual(
    console.names().filter((name) => ['question', 'restore-done', 'shell'].includes(name)),
    ['question', 'restore-done', 'shell', 'question'],
  );
  t.true(dataOf(source).equals(dataOf(target)));
});

test('an open question fails an unattended run at its start', async (t) => {
  const console = fakeConsole({ action: 'Restart' });
  const machine = fakeMachine({ answers: 'version: 1\naction: restore\nonFailure: wait\n' });
  await runAgent(worldOf(console, machine));
  t.is(console.fact('error', 'code'), 'answers-missing');
  t.is(console.fact('error', 'status'), 6);
  t.is(console.fact('error', 'questions'), 'set.from,targets,after');
  t.deepEqual(machine.mounts, []);
});

test('answers that are not understood, and a mistyped kernel word, stop before anything', async (t) => {
  for (const parts of [{ answers: 'version: 1\nactoin: restore\n' }, { kernelLine: 'remetal.unattend' }]) {
    const console = fakeConsole({ action: 'Switch off' });
    const machine = fakeMachine(parts);
    t.is(await runAgent(worldOf(console, machine)), 'poweroff');
    t.is(console.fact('error', 'code'), 'answers-invalid');
    t.true(console.names().includes('shell'));
    t.deepEqual(machine.mounts, []);
  }
});

test('without the word nothing runs unattended, with the menu word baked answers are not used', async (t) => {
  const quiet = fakeConsole({ action: 'Restart' });
  await runAgent(worldOf(quiet, fakeMachine({ kernelLine: 'quiet console=ttyS0' })));
  t.is(quiet.fact('mode', 'name'), 'attended');
  const menu = fakeConsole({ action: 'Restart' });
  await runAgent(worldOf(menu, fakeMachine({ kernelLine: 'remetal.menu', answers: restoreAnswers('/x') })));
  t.is(menu.fact('mode', 'name'), 'attended');
});

test('a set that does not appear is waited for, then an error', async (t) => {
  const console = fakeConsole({ action: 'Restart' });
  const machine = fakeMachine({ answers: restoreAnswers('/x', 'wait: 30\nonFailure: poweroff\n') });
  t.is(await runAgent(worldOf(console, machine)), 'poweroff');
  t.is(console.fact('waiting', 'for'), 'set');
  t.is(console.fact('error', 'code'), 'no-such-set');
  t.deepEqual(console.events.at(-1)!.facts, { action: 'poweroff', status: 10 });
});

needs(
  'a target that does not appear is waited for, and each disk told of once',
  async (t: ExecutionContext) => {
    const { source, medium } = await scene(t);
    const console = fakeConsole({ action: 'Restart' });
    const machine = fakeMachine({
      answers: restoreAnswers('/x', 'wait: 30\nonFailure: poweroff\n'),
      disks: [source],
      media: [fakeMedium(medium)],
    });
    t.is(await runAgent(worldOf(console, machine)), 'poweroff');
    t.is(console.fact('waiting', 'for'), 'disks');
    t.is(console.fact('error', 'code'), 'target-not-found');
    t.is(console.names().filter((name) => name === 'disk').length, 1);
  },
);

needs(
  'a disk with data that nobody released, the boot medium and a wrong pin are refused',
  async (t: ExecutionContext) => {
    const { source, medium, target } = await scene(t);
    const refused = async (answers: string, disks: string[], code: string, more = {}): Promise<void> => {
      const before = readFileSync(source);
      const console = fakeConsole({ action: 'Restart' });
      await runAgent(worldOf(console, fakeMachine({ answers, disks, media: [fakeMedium(medium)], ...more })));
      t.is(console.fact('error', 'code'), code);
      t.is(console.fact('error', 'status'), 5);
      t.true(before.equals(readFileSync(source)));
    };
    await refused(restoreAnswers(source), [source], 'target-holds-data');
    await refused(restoreAnswers(target, `plan: sha256:${'0'.repeat(64)}\n`), [target], 'plan-mismatch');
    await refused(restoreAnswers(source, 'release: [all]\n'), [source], 'target-is-source', {
      media: [{ ...fakeMedium(medium), disk: source }],
    });
  },
);

needs(
  'a restore that was cut off is taken up by the same answers, though the target was not released',
  async (t: ExecutionContext) => {
    const { source, medium, target } = await scene(t);
    const parts = {
      answers: restoreAnswers(target, 'onFailure: poweroff\ngrow: none\n'),
      disks: [target],
      media: [fakeMedium(medium)],
    };
    const cut = new AbortController();
    const first = fakeConsole();
    const stages = first.stages('restore');
    first.stages = () => ({
      ...stages,
      reporter: {
        ...stages.reporter,
        progress: (progress) => {
          stages.reporter.progress(progress);
          if (progress.doneBytes > MiB) cut.abort(new Error('cut'));
        },
      },
    });
    await t.throwsAsync(runAgent(worldOf(first, fakeMachine(parts), cut.signal)));
    t.false(first.names().includes('restore-done'));
    const second = fakeConsole();
    t.is(await runAgent(worldOf(second, fakeMachine(parts))), 'reboot');
    t.is(second.fact('plan', 'hash'), first.fact('plan', 'hash'));
    t.true(second.names().includes('resumed'));
    t.true(dataOf(source).equals(dataOf(target)));
  },
);

requiresRoot(
  'sfdisk',
  'mke2fs',
  'losetup',
)('a finished restore is not done again', async (t: ExecutionContext) => {
  const { medium, target } = await scene(t);
  const parts = {
    answers: restoreAnswers(target, 'release: [all]\n'),
    disks: [target],
    media: [fakeMedium(medium)],
  };
  t.is(await runAgent(worldOf(fakeConsole(), fakeMachine(parts))), 'reboot');
  const before = readFileSync(target);
  const console = fakeConsole({ action: 'Switch off' });
  t.is(await runAgent(worldOf(console, fakeMachine(parts))), 'poweroff');
  t.true(console.names().includes('already-restored'));
  t.true(before.equals(readFileSync(target)));
});

needs('answers back up what has changed since the last set', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const source = serverImage(folder);
  const usb = join(folder, 'usb');
  mkdirSync(usb);
  const media = [fakeMedium(usb)];
  const answers = (more: string): string =>
    `version: 1\naction: backup\nbackup: {disks: [{path: ${source}}], to: "label:BACKUP/a", name: web1${more}}\nafter: poweroff\n`;
  const run = async (more: string): Promise<ReturnType<typeof fakeConsole>> => {
    const console = fakeConsole();
    const machine = fakeMachine({ answers: answers(more), disks: [source], media });
    t.is(await runAgent(worldOf(console, machine)), 'poweroff');
    return console;
  };
  const full = await run('');
  const since = await run(', since: web1');
  t.true(Number(since.fact('backup-done', 'kept')) < Number(full.fact('backup-done', 'kept')));
  const medium = openMedium(join(usb, 'a'));
  const set = await openSet(medium, String(since.fact('backup-done', 'set')));
  t.is(set.head.chain[0]?.name, String(full.fact('backup-done', 'set')));
  await set.close();
  await medium.close();
});

needs('answers back up a disk onto a medium; a person does so too', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const source = serverImage(folder);
  const usb = join(folder, 'usb');
  mkdirSync(usb);
  const media = [fakeMedium(usb)];
  const answers = `version: 1\naction: backup\nbackup: {disks: [{path: ${source}}], to: "label:BACKUP/a", name: web1}\nafter: poweroff\n`;
  const unattended = fakeConsole();
  const machine = fakeMachine({ answers, disks: [source], media });
  t.is(await runAgent(worldOf(unattended, machine)), 'poweroff');
  t.is(unattended.fact('backup-done', 'place'), join(usb, 'a'));
  t.deepEqual(machine.mounts.slice(-2), ['/dev/fake1 rw', '/dev/fake1 off']);

  const attended = fakeConsole({
    action: 'Back up',
    'backup.to': 'BACKUP',
    'backup.disks': source,
    'backup.name': 'web2',
    'backup.folder': 'b',
    after: 'Restart',
  });
  t.is(await runAgent(worldOf(attended, fakeMachine({ disks: [source], media }))), 'reboot');
  for (const [place, name] of [
    ['a', 'web1'],
    ['b', 'web2'],
  ]) {
    const medium = openMedium(join(usb, place!));
    const sets = await medium.list();
    t.is(sets.length, 1);
    t.true(sets[0]!.complete);
    t.true(sets[0]!.name.startsWith(name!));
    await medium.close();
  }
});
