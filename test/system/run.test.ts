import test from 'ava';
import { isCoded } from '../../src/errors/index.ts';
import { run } from '../../src/system/index.ts';

test('gives back what a program printed and takes its input', async (t) => {
  const { stdout, stderr, exitCode } = await run('sh', ['-c', 'cat; echo aside >&2'], { input: 'text\n' });
  t.deepEqual([stdout, stderr, exitCode], ['text\n', 'aside\n', 0]);
});

test('a program without input is not left waiting for the terminal', async (t) => {
  t.is((await run('cat')).stdout, '');
});

test('output is never that of another language, and sbin is on the path', async (t) => {
  const { stdout } = await run('sh', ['-c', 'echo $LC_ALL $X; echo $PATH'], { env: { X: 'y' } });
  t.regex(stdout, /^C y\n.*\/usr\/sbin/);
});

test('a missing program is named with the package that has it', async (t) => {
  const error = await t.throwsAsync(() => run('no-such-program'));
  t.true(isCoded(error, 'program-missing'));
});

test('a failure carries the command, the status and the last words', async (t) => {
  const error = await t.throwsAsync(() => run('sh', ['-c', 'echo first; echo wrong >&2; exit 7']));
  t.true(isCoded(error, 'program-failed'));
  t.deepEqual(isCoded(error) ? error.facts : null, {
    command: ['sh', '-c', 'echo first; echo wrong >&2; exit 7'],
    status: 7,
    signal: null,
    stderr: 'wrong',
  });
  const { exitCode } = await run('sh', ['-c', 'exit 7'], { okStatuses: [0, 7] });
  t.is(exitCode, 7);
});

test('a program that takes too long or is told to stop is ended', async (t) => {
  const late = await t.throwsAsync(() => run('sleep', ['20'], { timeout: 100 }));
  t.true(isCoded(late, 'program-failed'));
  const stop = new AbortController();
  const stopped = run('sleep', ['20'], { signal: stop.signal });
  stop.abort();
  t.true(isCoded(await t.throwsAsync(stopped), 'interrupted'));
});
