import { readFileSync } from 'node:fs';
import test from 'ava';
import { parseAnswers } from '../../src/agent/answers.ts';
import { mergeAnswers, parseKernelLine } from '../../src/agent/kernel-line.ts';
import { parsePlace, placeText } from '../../src/agent/place.ts';
import { codeOf } from './codes.ts';

test('a kernel line without words of ours asks for nothing', (t) => {
  t.deepEqual(parseKernelLine('BOOT_IMAGE=/vmlinuz quiet console=ttyS0,115200 root=/dev/sda1'), {
    mode: null,
    answers: null,
    overrides: {},
  });
});

test('the words of other tools are understood', (t) => {
  for (const word of ['auto_recover', 'automatic', 'remetal.automatic']) {
    t.is(parseKernelLine(`quiet ${word}`).mode, 'automatic', word);
  }
  for (const word of [
    'unattended',
    'remetal.unattended',
    'remetal.answers=label:B/a.yaml',
    'automatic unattended',
  ]) {
    t.is(parseKernelLine(word).mode, 'unattended', word);
  }
  t.is(parseKernelLine('remetal.unattended remetal.menu').mode, 'attended');
});

test('answers stand on the kernel line and win over the file', (t) => {
  const { overrides } = parseKernelLine(
    'remetal.set=label:"MY USB"/web1 remetal.target.disk2=serial:NEW remetal.release=A,B remetal.grow=DOS remetal.fat32 remetal.verify remetal.after=poweroff',
  );
  const file = parseAnswers(
    'version: 1\naction: restore\nset: {from: any, name: old}\ntargets: {disk1: {only: true}}\nafter: reboot\n',
    'x',
  );
  const merged = mergeAnswers(file, overrides);
  t.deepEqual(merged.set, { from: 'label:MY USB/web1', name: 'old' });
  t.deepEqual(merged.targets, { disk1: { only: true }, disk2: { serial: 'NEW' } });
  t.deepEqual(merged.release, ['A', 'B']);
  t.is(merged.grow, 'DOS');
  t.true(merged.fat32);
  t.true(merged.verify);
  t.is(merged.after, 'poweroff');
});

test('a mistyped word or value is refused', (t) => {
  const refused = (line: string): void => {
    t.is(
      codeOf(() => mergeAnswers(null, parseKernelLine(line).overrides)),
      'answers-invalid',
      line,
    );
  };
  refused('remetal.relaese=all');
  refused('remetal.answers');
  refused('remetal.target.disk1=sda');
  refused('remetal.target.first=only');
  refused('remetal.after=burn');
  refused('remetal.plan=sha256:12');
  refused('remetal.wait=soon');
});

test('the guide lists every word', (t) => {
  const guide = readFileSync(new URL('../../docs/operator.md', import.meta.url), 'utf8');
  const source = readFileSync(new URL('../../src/agent/kernel-line.ts', import.meta.url), 'utf8');
  const keys = [...source.matchAll(/key === '([a-z-]+)'/g)].map((match) => match[1]!);
  t.true(keys.length > 8);
  for (const key of keys) t.true(guide.includes(`remetal.${key}`), key);
});

test('places are read and written', (t) => {
  for (const text of [
    'any',
    'label:BACKUP',
    'label:BACKUP/a/b',
    'uuid:AB-12/x',
    'serial:S1',
    'iso:',
    'iso:/sets',
  ]) {
    t.is(placeText(parsePlace(text)), text);
  }
  for (const text of [
    '',
    'usb',
    'label:',
    'label:/x',
    'iso:sets',
    'label:A/../etc',
    'label:A/./b',
    '/mnt/x',
  ]) {
    t.is(
      codeOf(() => parsePlace(text)),
      'answers-invalid',
      text,
    );
  }
});
