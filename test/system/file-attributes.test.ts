import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  attributeNames,
  makeNode,
  readAttribute,
  renameFile,
  setAttribute,
  setFileTimes,
} from '../../src/system/index.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

test('times are set to the nanosecond, before 1970 as well, and of a link itself', (t) => {
  const folder = temporary(t);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  setFileTimes(file, { seconds: 1_600_000_000, nanoseconds: 123_456_789 }, { seconds: -5, nanoseconds: 7 });
  const { atimeNs, mtimeNs } = statSync(file, { bigint: true });
  t.is(atimeNs, 1_600_000_000_123_456_789n);
  t.is(mtimeNs, -5_000_000_000n + 7n);
  const link = Buffer.from(join(folder, 'link'));
  symlinkSync(file, link);
  setFileTimes(link, null, { seconds: 1_700_000_000, nanoseconds: 1 });
  t.is(lstatSync(link, { bigint: true }).mtimeNs, 1_700_000_000_000_000_001n);
  t.is(statSync(file, { bigint: true }).mtimeNs, -5_000_000_000n + 7n);
});

test('extended attributes are listed, read and set; none is none', async (t) => {
  const file = join(temporary(t), 'file');
  writeFileSync(file, '');
  t.deepEqual(await attributeNames(file), []);
  t.is(await readAttribute(file, 'user.none'), null);
  setAttribute(file, 'user.empty', Buffer.alloc(0));
  setAttribute(file, 'user.note', Buffer.from([0, 1, 255]));
  t.deepEqual((await attributeNames(file)).toSorted(), ['user.empty', 'user.note']);
  t.deepEqual(await readAttribute(file, 'user.note'), Buffer.from([0, 1, 255]));
  t.deepEqual(await readAttribute(file, 'user.empty'), Buffer.alloc(0));
  await t.throwsAsync(attributeNames(`${file}.not`), { code: 'ENOENT' });
  t.throws(() => setAttribute(file, 'bad.name', Buffer.alloc(1)), { code: 'ENOTSUP' });
});

test('a name that is taken stays, unless it is to be replaced; names need not be UTF-8', (t) => {
  const folder = temporary(t);
  const [first, second] = [join(folder, 'first'), Buffer.from(`${folder}/\xff\n`, 'latin1')];
  writeFileSync(first, '1');
  writeFileSync(second, '22');
  t.throws(() => renameFile(first, second, false), { code: 'EEXIST' });
  t.is(statSync(second).size, 2);
  renameFile(first, second, true);
  t.is(statSync(second).size, 1);
  t.throws(() => renameFile(`${folder}\0`, second, true), { code: 'EINVAL' });
});

test('pipes and sockets are made', (t) => {
  const folder = temporary(t);
  makeNode(join(folder, 'pipe'), 'fifo', 0o600);
  makeNode(join(folder, 'socket'), 'socket', 0o600);
  t.true(lstatSync(join(folder, 'pipe')).isFIFO());
  t.true(lstatSync(join(folder, 'socket')).isSocket());
});

requiresRoot('stat')('devices are made with numbers of any size', (t: ExecutionContext) => {
  const folder = temporary(t);
  mkdirSync(join(folder, 'dev'));
  for (const [major, minor] of [
    [1, 3],
    [259, 70_000],
    [4095, 1_048_575],
  ] as const) {
    const path = join(folder, 'dev', `${major}`);
    makeNode(path, 'character', 0o620, { major, minor });
    t.is(
      execFileSync('stat', ['-c', '%t %T', path], { encoding: 'utf8' }).trim(),
      `${major.toString(16)} ${minor.toString(16)}`,
    );
  }
});
