import { readFileSync } from 'node:fs';
import test from 'ava';
import { remetal } from './run.ts';

test('without a verb and with --help the verbs are listed, hidden ones not', async (t) => {
  for (const args of [[], ['--help'], ['help']]) {
    const { status, stdout } = await remetal(args);
    t.is(status, 0);
    for (const verb of [
      'build',
      'write-usb',
      'backup',
      'list',
      'show',
      'verify',
      'plan',
      'restore',
      'disks',
      'check',
      'files',
      'extract',
    ]) {
      t.regex(stdout, new RegExp(`^ {2}${verb} `, 'm'));
    }
    t.notRegex(stdout, /^ {2}(agent|errors-page) /m);
  }
});

test('the version is that of the package', async (t) => {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  t.true(manifest.includes(`"version": "${(await remetal(['--version'])).stdout.trim()}"`));
});

test('every verb has help with its exit status 0', async (t) => {
  for (const verb of [
    'build',
    'write-usb',
    'backup',
    'list',
    'show',
    'verify',
    'plan',
    'restore',
    'disks',
    'check',
    'files',
    'extract',
  ]) {
    for (const args of [
      ['help', verb],
      [verb, '--help'],
    ]) {
      const { status, stdout } = await remetal(args);
      t.is(status, 0, args.join(' '));
      t.true(stdout.includes(`remetal ${verb}`), args.join(' '));
    }
  }
});

test('a command line that is not understood ends with 2 and says where to look', async (t) => {
  for (const args of [
    ['frobnicate'],
    ['backup'],
    ['backup', '--disk', 'x'],
    ['backup', '--disk', 'x', '--to', 'y', '--on-read-error', 'cry'],
    ['backup', '--disk', 'x', '--to', 'y', '--part-size', 'large'],
    ['backup', '--disk', 'x', '--to', 'y', '--level', '77'],
    ['list'],
    ['list', 'a', 'b'],
    ['restore', 'x', '--frob'],
  ]) {
    const { status, stderr, stdout } = await remetal(args);
    t.is(status, 2, args.join(' '));
    t.regex(stderr, /^remetal: .+\.\nhint: .+\ncode: usage \(exit status 2\)\n$/, args.join(' '));
    t.is(stdout, '');
  }
});

test('with --json, before or after the verb, an error is an object on standard output', async (t) => {
  for (const args of [
    ['--json', 'list', '/there/is/nothing'],
    ['list', '/there/is/nothing', '--json'],
  ]) {
    const { status, last, stderr } = await remetal(args);
    t.is(status, 10);
    t.like(last(), { type: 'error', code: 'medium-not-found', exitStatus: 10 });
    t.is(stderr, '');
  }
});

test('check-answers tells the complete from the open and the wrong', async (t) => {
  const guide = new URL('../../docs/answers.md', import.meta.url).pathname;
  t.is((await remetal(['check-answers', guide])).status, 2);
  t.is((await remetal(['check-answers', '/there/is/nothing'])).status, 2);
});
