import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { runAgent } from '../../src/agent/index.ts';
import { createLibrary, openLibrary, type VirtualLibrary } from '../../src/tape/virtual/index.ts';
import { requires } from '../helpers/requires.ts';
import { blankImage, serverImage } from '../helpers/server-image.ts';
import { temporary } from '../helpers/temporary.ts';
import { fakeConsole, fakeMachine, type FakeConsole, type FakeMachineParts } from './fakes.ts';

const MiB = 1024 * 1024;
const needs = requires('sfdisk', 'mke2fs');

interface Scene {
  readonly library: VirtualLibrary;
  readonly source: string;
  readonly target: string;
  readonly address: string;
}

/** A server image, a blank disk, and a lone drive with cartridges beside it that hold some of the server each. */
async function scene(t: ExecutionContext): Promise<Scene> {
  const folder = temporary(t);
  const cartridge = { size: 2 * MiB, earlyWarning: 1_400_000 };
  await createLibrary(join(folder, 'library'), {
    drives: 1,
    slots: 0,
    cartridges: { A: cartridge, B: cartridge },
  });
  return {
    library: await openLibrary(join(folder, 'library')),
    source: serverImage(folder),
    target: blankImage(join(folder, 'new.raw'), 64 * MiB),
    address: `tape+file:${join(folder, 'library')}`,
  };
}

function dataOf(path: string): Buffer {
  return readFileSync(path).subarray(33 * MiB, 49 * MiB);
}

/** Runs the agent unattended, while somebody puts in one cartridge after another without a word. */
async function run(
  { library, address }: Scene,
  parts: FakeMachineParts,
  order: string[],
): Promise<FakeConsole> {
  const console = fakeConsole();
  const tapes = [{ address, path: '/dev/nst0', serial: 'DRV1', model: 'VIRTUAL' }];
  const machine = fakeMachine({ ...parts, tapes });
  const wait = machine.wait.bind(machine);
  let asked = 0;
  const stand = console.stand.bind(console);
  const signal = new AbortController().signal;
  const world = {
    console: {
      ...console,
      stand(question: Parameters<typeof stand>[0]) {
        asked++;
        return stand(question);
      },
    },
    machine: {
      ...machine,
      async wait(milliseconds: number, stop: AbortSignal): Promise<void> {
        await wait(milliseconds, stop);
        if (asked === 0) return;
        asked = 0;
        const next = order.shift();
        if (next === undefined) return;
        await library.remove();
        await library.insert(next);
      },
    },
    version: '9',
    signal,
    lookEvery: 2000,
  };
  await runAgent(world);
  return console;
}

needs(
  'unattended, without a changer, cartridges are waited for and taken in any order',
  async (t: ExecutionContext) => {
    const made = await scene(t);
    await made.library.insert('A');
    const backup = `version: 1\naction: backup\nbackup: {to: "tape:DRV1", disks: [{path: ${made.source}}], name: web1}\nafter: poweroff\nonFailure: poweroff\n`;
    const backedUp = await run(made, { answers: backup, disks: [made.source] }, ['B']);
    t.is(backedUp.fact('finished', 'status'), 0);
    t.is(backedUp.names().filter((name) => name === 'cartridge-needed').length, 1);
    const restore = `version: 1\naction: restore\nset: {from: "tape:DRV1"}\ntargets: {disk1: {path: ${made.target}}}\nafter: reboot\nonFailure: poweroff\nverify: false\n`;
    // B, with part 2, is in the drive still; it is offered once more before A is.
    const restored = await run(made, { answers: restore, disks: [made.target] }, ['B', 'A', 'B']);
    t.is(restored.fact('error', 'message'), undefined);
    t.is(restored.fact('restore-done', 'exceptions'), 0);
    t.is(restored.fact('cartridge-needed', 'drive'), made.library.drives[0]!.name);
    t.true(restored.said.some((text) => text.startsWith('This is REMETAL-0002 with part 2 of web1')));
    t.true(dataOf(made.source).equals(dataOf(made.target)));
  },
);

needs(
  'unattended, a cartridge that nobody brings ends the run with its code',
  async (t: ExecutionContext) => {
    const made = await scene(t);
    const backup = `version: 1\naction: backup\nwait: 90\nbackup: {to: "tape:DRV1", disks: [{path: ${made.source}}], name: web1}\nafter: poweroff\nonFailure: poweroff\n`;
    const console = await run(made, { answers: backup, disks: [made.source] }, []);
    t.is(console.fact('error', 'code'), 'cartridge-needed');
    t.is(console.fact('error', 'status'), 8);
    t.is(console.names().filter((name) => name === 'cartridge-needed').length, 2);
  },
);
