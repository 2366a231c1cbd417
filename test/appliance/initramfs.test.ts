import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { cpio, writeInitramfs, type Tree } from '../../src/appliance/initramfs.ts';
import type { Tools } from '../../src/appliance/tools.ts';
import { run } from '../../src/system/index.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

const hostTools: Tools = {
  run: (program, args, cwd) => run(program, args, cwd === undefined ? {} : { cwd }),
};

async function bytesOf(tree: Tree): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of cpio(tree)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function sample(folder: string, reversed: boolean): Tree {
  writeFileSync(join(folder, 'on-disk'), 'x'.repeat(100_001));
  const entries: [string, Tree extends Map<string, infer E> ? E : never][] = [
    ['init', { type: 'file', mode: 0o755, source: Buffer.from('#!/bin/sh\n') }],
    ['usr/share/deep/name', { type: 'file', mode: 0o644, source: join(folder, 'on-disk') }],
    ['bin', { type: 'symlink', target: 'usr/bin' }],
    ['tmp', { type: 'directory', mode: 0o1777 }],
    ['empty', { type: 'file', mode: 0o600, source: Buffer.alloc(0) }],
    ['dev/console', { type: 'device', mode: 0o600, major: 5, minor: 1 }],
  ];
  return new Map(reversed ? entries.toReversed() : entries);
}

test('the same tree gives the same bytes, in whatever order it was filled', async (t) => {
  const folder = temporary(t);
  const one = await bytesOf(sample(folder, false));
  t.deepEqual(one, await bytesOf(sample(folder, true)));
  t.is(one.length % 4, 0);
});

requires('cpio')('GNU cpio lists and unpacks what is written', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const archive = join(folder, 'a.cpio');
  await writeInitramfs(archive, sample(folder, false), 0, hostTools);
  const listed = await run('cpio', ['-itv', '--quiet', '-F', archive]);
  const names = listed.stdout
    .trim()
    .split('\n')
    .map((line) =>
      line
        .replace(/ -> .*/, '')
        .split(/\s+/)
        .at(-1),
    );
  t.deepEqual(names, [
    'bin',
    'dev',
    'dev/console',
    'empty',
    'init',
    'tmp',
    'usr',
    'usr/share',
    'usr/share/deep',
    'usr/share/deep/name',
  ]);
  t.regex(listed.stdout, /^drwxrwxrwt .* tmp$/m);
  t.regex(listed.stdout, /^crw------- .* 5, +1 .* dev\/console$/m);
  const out = join(folder, 'out');
  mkdirSync(out);
  await run('cpio', ['-idm', '--quiet', '-F', archive, 'usr/*', 'usr/share/*', 'usr/share/deep/*', 'init'], {
    cwd: out,
  });
  t.is(readFileSync(join(out, 'usr/share/deep/name'), 'utf8'), 'x'.repeat(100_001));
});

requires('zstd')('compressed segments are whole, padded and the same twice', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const one = await writeInitramfs(join(folder, 'one'), sample(folder, false), 3, hostTools);
  const two = await writeInitramfs(join(folder, 'two'), sample(folder, true), 3, hostTools);
  t.is(one, two);
  const bytes = readFileSync(join(folder, 'one'));
  t.is(bytes.length % 4, 0);
  t.is(bytes.readUInt32LE(0), 0xfd2fb528);
});
