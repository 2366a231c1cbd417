import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { runAgent } from '../../src/agent/index.ts';
import { requires } from '../helpers/requires.ts';
import { blankImage } from '../helpers/server-image.ts';
import { temporary } from '../helpers/temporary.ts';
import { remetal } from '../cli/run.ts';
import { manifestOf, unpacked } from '../layout/netware/images.ts';
import { fakeConsole, fakeMachine, fakeMedium, type Script } from './fakes.ts';

const MiB = 1024 * 1024;

/** A medium with a set of two NetWare disks. */
async function scene(t: ExecutionContext): Promise<{ folder: string; medium: string }> {
  const folder = temporary(t);
  const sources = manifestOf('c-segments').files.map(({ name, zst }) => {
    writeFileSync(join(folder, name), unpacked(zst));
    return join(folder, name);
  });
  const medium = join(folder, 'usb');
  mkdirSync(medium);
  const { status } = await remetal([
    'backup',
    ...sources.flatMap((path) => ['--disk', path]),
    '--to',
    join(medium, 'fs1'),
    '--name',
    'fs1',
  ]);
  t.is(status, 0);
  return { folder, medium };
}

async function answered(
  t: ExecutionContext,
  medium: string,
  disks: readonly string[],
  script: Script,
): Promise<string[]> {
  const console = fakeConsole({
    action: 'Restore this machine',
    set: 'fs1',
    confirm: 'restore',
    after: 'Switch off',
    ...script,
  });
  const machine = fakeMachine({ disks, media: [fakeMedium(medium)] });
  const world = { console, machine, version: '9', signal: new AbortController().signal, lookEvery: 2000 };
  t.is(await runAgent(world), 'poweroff');
  t.is(console.fact('restore-done', 'exceptions'), 0);
  return console.events.filter(({ name }) => name === 'question').map(({ facts }) => String(facts['id']));
}

const needs = requires('zstd');

needs('a person puts two NetWare disks onto one', async (t: ExecutionContext) => {
  const { folder, medium } = await scene(t);
  const disks = [blankImage(join(folder, 'new.raw'), 64 * MiB)];
  const asked = await answered(t, medium, disks, { 'target.disk1': disks[0]! });
  // With no disk left there is nothing more to ask.
  t.deepEqual(asked, ['action', 'set', 'target.disk1', 'confirm', 'after']);
  t.like((await remetal(['check', ...disks, '--json'])).last(), { sound: true });
});

needs('a person puts two NetWare disks onto three, one of them asked for', async (t: ExecutionContext) => {
  const { folder, medium } = await scene(t);
  const disks = [18, 16, 15].map((size, index) => blankImage(join(folder, `new${index}.raw`), size * MiB));
  const asked = await answered(t, medium, disks, {
    'target.disk1': disks[0]!,
    'target.disk2': disks[1]!,
    'target.more': disks[2]!,
  });
  t.deepEqual(asked, ['action', 'set', 'target.disk1', 'target.disk2', 'target.more', 'confirm', 'after']);
  t.like((await remetal(['check', ...disks, '--json'])).last(), { sound: true });
});

needs('a person keeps a disk out of it', async (t: ExecutionContext) => {
  const { folder, medium } = await scene(t);
  const disks = [64, 64].map((size, index) => blankImage(join(folder, `new${index}.raw`), size * MiB));
  const asked = await answered(t, medium, disks, {
    'target.disk1': disks[1]!,
    'target.disk2': 'none of its own',
    'target.more': 'no more disks',
  });
  t.true(asked.includes('target.more'));
  t.like((await remetal(['check', disks[1]!, '--json'])).last(), { sound: true });
});
