import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { madeOnce } from '../../qemu-tests/harness/index.ts';
import { temporary } from '../helpers/temporary.ts';

test('what two want at once is made by one of them', async (t) => {
  const folder = temporary(t);
  const [path, lock] = [join(folder, 'made'), join(folder, 'lock')];
  let made = 0;
  const make = async (): Promise<void> => {
    made++;
    await delay(50);
    writeFileSync(path, '');
  };
  t.deepEqual(await Promise.all([madeOnce(path, lock, make), madeOnce(path, lock, make)]), [path, path]);
  t.is(made, 1);
  t.false(existsSync(lock));
});

test('who fails at it leaves it to the next', async (t) => {
  const folder = temporary(t);
  const [path, lock] = [join(folder, 'made'), join(folder, 'lock')];
  await t.throwsAsync(
    madeOnce(path, lock, () => Promise.reject(new Error('no'))),
    { message: 'no' },
  );
  await madeOnce(path, lock, async () => writeFileSync(path, ''));
  t.true(existsSync(path));
});

test('the lock of one who died is void', async (t) => {
  const folder = temporary(t);
  const [path, lock] = [join(folder, 'made'), join(folder, 'lock')];
  // No process has a number as high.
  symlinkSync(String(2 ** 30), lock);
  await madeOnce(path, lock, async () => writeFileSync(path, ''));
  t.true(existsSync(path));
});
