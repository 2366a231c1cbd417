import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { runAgent, type AgentWorld, type TapeOfMachine } from '../../src/agent/index.ts';
import { createLibrary } from '../../src/tape/virtual/index.ts';
import { requires } from '../helpers/requires.ts';
import { blankImage, serverImage } from '../helpers/server-image.ts';
import { temporary } from '../helpers/temporary.ts';
import { fakeConsole, fakeMachine, type FakeConsole, type FakeMachine } from './fakes.ts';

const MiB = 1024 * 1024;
const needs = requires('sfdisk', 'mke2fs');

function worldOf(console: FakeConsole, machine: FakeMachine): AgentWorld {
  return { console, machine, version: '9', signal: new AbortController().signal, lookEvery: 2000 };
}

interface Scene {
  readonly source: string;
  readonly target: string;
  readonly tape: TapeOfMachine;
}

/** A server image, a blank disk, and a library whose cartridges hold some of the server each. */
async function scene(t: ExecutionContext): Promise<Scene> {
  const folder = temporary(t);
  const library = join(folder, 'library');
  const cartridge = { size: 2 * MiB, earlyWarning: 1_400_000 };
  await createLibrary(library, {
    drives: 1,
    slots: 4,
    cartridges: {
      W1L8: cartridge,
      W2L8: { ...cartridge, writeProtected: true },
      W3L8: cartridge,
      W4L8: cartridge,
    },
  });
  return {
    source: serverImage(folder),
    target: blankImage(join(folder, 'new.raw'), 64 * MiB),
    tape: { address: `tape+file:${library}`, path: '/dev/nst0', serial: 'DRV1', model: 'VIRTUAL' },
  };
}

function dataOf(path: string): Buffer {
  return readFileSync(path).subarray(33 * MiB, 49 * MiB);
}

async function backUp({ source, tape }: Scene): Promise<FakeConsole> {
  const console = fakeConsole();
  const machine = fakeMachine({
    answers: `version: 1\naction: backup\nbackup: {to: "tape:DRV1", disks: [{path: ${source}}], name: web1}\nafter: poweroff\nonFailure: poweroff\n`,
    disks: [source],
    tapes: [tape],
  });
  await runAgent(worldOf(console, machine));
  return console;
}

needs(
  'a server is backed up onto the cartridges of a changer, a protected one passed over',
  async (t: ExecutionContext) => {
    const console = await backUp(await scene(t));
    t.is(console.fact('error', 'code'), undefined);
    t.is(console.fact('finished', 'status'), 0);
    t.is(console.fact('tape-drive', 'serial'), 'DRV1');
    t.truthy(console.fact('backup-done', 'set'));
  },
);

for (const from of ['tape:DRV1', 'tape:any', 'any']) {
  needs(`a set on tape is found and restored unattended, from ${from}`, async (t: ExecutionContext) => {
    const made = await scene(t);
    await backUp(made);
    const console = fakeConsole();
    const machine = fakeMachine({
      answers: `version: 1\naction: restore\nset: {from: "${from}"}\ntargets: {disk1: {path: ${made.target}}}\nafter: reboot\nonFailure: poweroff\nverify: true\n`,
      disks: [made.target],
      tapes: [made.tape],
    });
    t.is(await runAgent(worldOf(console, machine)), 'reboot');
    t.is(console.fact('error', 'code'), undefined);
    t.is(console.fact('restore-done', 'exceptions'), 0);
    t.is(console.fact('tape', 'repositionings'), 0);
    t.true(dataOf(made.source).equals(dataOf(made.target)));
  });
}

needs('a person finds the set on tape in the menu', async (t: ExecutionContext) => {
  const made = await scene(t);
  await backUp(made);
  const console = fakeConsole({
    action: ['Restore', 'Switch off'],
    set: 'web1',
    'target.disk1': made.target,
    grow: 'none',
    confirm: 'restore',
    after: 'Back',
  });
  const machine = fakeMachine({ disks: [made.target], tapes: [made.tape] });
  await runAgent(worldOf(console, machine));
  t.deepEqual(
    console.events.filter(({ name }) => name === 'error'),
    [],
  );
  t.true(dataOf(made.source).equals(dataOf(made.target)));
});
