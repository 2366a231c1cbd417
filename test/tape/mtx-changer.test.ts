import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { mtxChanger } from '../../src/tape/mtx-changer.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { requestSense } from './mtx-output.ts';

/**
 * Puts a program in front of the real mtx that writes down how it is called, then fails with each of
 * `errors` in turn, then prints `output`.
 */
function pretend(t: ExecutionContext, output: string, ...errors: string[]): { calls: () => string[] } {
  const folder = temporary(t);
  const log = join(folder, 'calls');
  writeFileSync(log, '');
  writeFileSync(join(folder, 'output'), output);
  for (const [i, error] of errors.entries()) writeFileSync(join(folder, `error${i + 1}`), error);
  writeFileSync(
    join(folder, 'mtx'),
    `#!/bin/sh
echo "$@" >> ${log}
call=$(wc -l < ${log})
if [ -e ${folder}/error$call ]; then cat ${folder}/error$call >&2; exit 1; fi
cat ${folder}/output
`,
  );
  chmodSync(join(folder, 'mtx'), 0o755);
  const before = process.env['PATH'];
  process.env['PATH'] = `${folder}:${before}`;
  t.teardown(() => {
    process.env['PATH'] = before;
  });
  return { calls: () => readFileSync(log, 'utf8').trimEnd().split('\n') };
}

const status = `  Storage Changer /dev/sg6:1 Drives, 1 Slots ( 0 Import/Export )
Data Transfer Element 0:Empty
      Storage Element 1:Full :VolumeTag=A00001L8
`;

test.serial('a changer says what it holds and moves cartridges', async (t) => {
  const mtx = pretend(t, status);
  const changer = mtxChanger('/dev/sg6');
  t.is(changer.name, '/dev/sg6');
  t.like((await changer.status()).slots[0], { barcode: 'A00001L8' });
  await changer.load(3, 0);
  await changer.unload(3, 1);
  await changer.transfer(4, 12);
  t.deepEqual(mtx.calls(), [
    '-f /dev/sg6 status',
    '-f /dev/sg6 load 3 0',
    '-f /dev/sg6 unload 3 1',
    '-f /dev/sg6 transfer 4 12',
  ]);
});

test.serial('what mtx says of a refusal is told', async (t) => {
  pretend(t, '', 'Source Element Address 1028 is Empty\n', 'Drive needs offline before move\n');
  const changer = mtxChanger('/dev/sg6');
  const error = await t.throwsAsync(() => changer.load(5, 0), {
    code: 'changer-failed',
    message: /refused load 5 0: Source Element Address 1028 is Empty/,
  });
  t.like(error, { facts: { changer: '/dev/sg6', said: 'Source Element Address 1028 is Empty' } });
  await t.throwsAsync(() => changer.unload(5, 0), { code: 'changer-failed' });
});

test.serial('news of a reset is no failure', async (t) => {
  const attention = requestSense('Unit Attention', '28', '00', 'READ ELEMENT STATUS Command Failed');
  const mtx = pretend(t, status, attention, attention);
  t.is((await mtxChanger('/dev/sg6').status()).drives.length, 1);
  t.is(mtx.calls().length, 3);
});

test.serial('news without end is a failure', async (t) => {
  const attention = requestSense('Unit Attention', '28', '00', 'READ ELEMENT STATUS Command Failed');
  const mtx = pretend(t, status, ...Array.from({ length: 20 }, () => attention));
  await t.throwsAsync(() => mtxChanger('/dev/sg6').load(1, 0), { code: 'changer-failed' });
  t.is(mtx.calls().length, 5);
});

test.serial('a changer that starts is waited for, but not for ever', async (t) => {
  const starting = Array.from({ length: 3 }, () =>
    requestSense('Not Ready', '04', '01', 'READ ELEMENT STATUS Command Failed'),
  );
  const waits: number[] = [];
  const wait = async (milliseconds: number): Promise<void> => {
    waits.push(milliseconds);
    await Promise.resolve();
  };
  pretend(t, status, ...starting);
  t.is((await mtxChanger('/dev/sg6', { wait }).status()).drives.length, 1);
  t.deepEqual(waits, [5000, 5000, 5000]);
  pretend(t, status, ...starting);
  await t.throwsAsync(() => mtxChanger('/dev/sg6', { wait, seconds: 10 }).status(), {
    code: 'changer-failed',
    message: /becoming ready/,
  });
});

requires('mtx').serial('the real mtx says so where there is no changer', async (t) => {
  for (const path of [join(temporary(t), 'sg9'), '/dev/null']) {
    await t.throwsAsync(() => mtxChanger(path).status(), { code: 'changer-not-found' });
  }
});
