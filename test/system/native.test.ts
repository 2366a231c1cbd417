import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { nextData, punchHole, rereadPartitions, zeroDevice } from '../../src/system/index.ts';
import { systemFailure } from '../../src/system/native.ts';
import { temporary } from '../helpers/temporary.ts';

test('finds the data of a sparse file and makes holes in it', async (t) => {
  const fd = openSync(join(temporary(t), 'sparse'), 'w+');
  t.teardown(() => closeSync(fd));
  ftruncateSync(fd, 2 ** 36);
  t.is(nextData(fd, 0), null);
  const at = 2 ** 35;
  writeSync(fd, Buffer.alloc(65536, 1), 0, 65536, at);
  t.deepEqual(nextData(fd, 0), { start: at, end: at + 65536 });
  t.deepEqual(nextData(fd, at + 4096), { start: at + 4096, end: at + 65536 });
  t.is(nextData(fd, at + 65536), null);
  await punchHole(fd, at, 65536);
  t.is(nextData(fd, 0), null);
});

test('a call that fails says so by the name of its errno', async (t) => {
  const fd = openSync(join(temporary(t), 'file'), 'w+');
  t.teardown(() => closeSync(fd));
  await t.throwsAsync(() => zeroDevice(fd, 0, 512), { code: 'ENOTTY' });
  await t.throwsAsync(() => rereadPartitions(fd), { code: 'ENOTTY' });
  t.throws(() => nextData(9999, 0), { code: 'EBADF' });
});

function named(errno: number): string | undefined {
  return systemFailure('open', errno).code;
}

test('errors have the names Node gives them, and others where it has none', (t) => {
  t.is(named(11), 'EAGAIN');
  t.is(named(95), 'ENOTSUP');
  t.is(named(123), 'ENOMEDIUM');
  t.is(named(4000), 'errno 4000');
  t.like(systemFailure('open', 30), { message: 'EROFS: open', errno: -30, syscall: 'open' });
});
