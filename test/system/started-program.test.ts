import { once } from 'node:events';
import test from 'ava';
import { startProgram } from '../../src/system/index.ts';

test('a program runs beside this one, and how it ended is told', async (t) => {
  const program = await startProgram('sh', ['-c', 'echo here; echo why >&2; exit 7']);
  const [said] = await once(program.stdout, 'data');
  t.is(String(said), 'here\n');
  t.deepEqual(await program.ended, { status: 7, signal: null, stderr: 'why' });
  await program.kill();
});

test('its standard input stays open, and it is taken off when it is no longer wanted', async (t) => {
  const program = await startProgram('cat', []);
  t.true(program.pid > 0);
  await program.kill();
  const { status, signal } = await program.ended;
  t.deepEqual([status, signal], [null, 'SIGKILL']);
});

test('one that is not there is named with the package that has it', async (t) => {
  await t.throwsAsync(startProgram('remetal-no-such-program', []), { code: 'program-missing' });
});
