import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { isCoded } from '../../src/errors/index.ts';
import { describeUse, liesOn, openDisk } from '../../src/disk/index.ts';
import { attachLoop, run } from '../../src/system/index.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

function sparse(path: string, size: number, data: readonly number[]): string {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  for (const at of data) writeSync(fd, Buffer.alloc(4096, 1), 0, 4096, at);
  closeSync(fd);
  return path;
}

test('what is no disk is refused with a code of its own', async (t) => {
  const folder = temporary(t);
  for (const path of [join(folder, 'missing'), folder, '/dev/null']) {
    await t.throwsAsync(() => openDisk(path), { code: 'disk-not-found' });
  }
});

test('a ragged tail is cut off and told', async (t) => {
  const path = sparse(join(temporary(t), 'a.raw'), 8192 + 700, []);
  const disk = await openDisk(path);
  t.is(disk.size, 8192 + 512);
  t.is(disk.raggedTail, 188);
  await disk.close();
  const large = await openDisk(path, { sectorSize: 4096 });
  t.is(large.size, 8192);
  await large.close();
});

test('the holes of an image file are found without reading', async (t) => {
  const path = sparse(join(temporary(t), 'a.raw'), 2 ** 40, [0, 2 ** 30, 2 ** 39]);
  const disk = await openDisk(path);
  const extents = (await disk.dataExtents?.()) ?? [];
  t.deepEqual(
    extents.map(({ start }) => start),
    [0, 2 ** 30, 2 ** 39],
  );
  t.true(extents.every(({ length }) => length <= 65536));
  await disk.close();
});

test('zeroing an image file gives its room back', async (t) => {
  const path = join(temporary(t), 'a.raw');
  writeFileSync(path, Buffer.alloc(4 * 1024 * 1024, 1));
  const disk = await openDisk(path, { write: true });
  await disk.writeZeroes(1024 * 1024, 2 * 1024 * 1024);
  await disk.flush();
  t.is(statSync(path).size, 4 * 1024 * 1024);
  t.true(statSync(path).blocks * 512 <= 2.1 * 1024 * 1024);
  await disk.close();
});

test('a file that is cut short under our hands is a failed read, not an endless one', async (t) => {
  const path = sparse(join(temporary(t), 'a.raw'), 65536, [0]);
  const disk = await openDisk(path);
  truncateSync(path, 4096);
  await disk.read(Buffer.alloc(4096), 0);
  await t.throwsAsync(() => disk.read(Buffer.alloc(8192), 0), { code: 'disk-read-failed' });
  await disk.close();
});

test('a disk opened for reading does not write', async (t) => {
  const disk = await openDisk(sparse(join(temporary(t), 'a.raw'), 65536, []));
  await t.throwsAsync(() => disk.write(Buffer.alloc(512), 0), { code: 'internal' });
  await disk.close();
});

requiresRoot(
  'losetup',
  'mkfs.ext4',
  'mount',
)('a mounted disk is not opened for writing, and what is mounted is named', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const file = sparse(join(folder, 'a.raw'), 16 * 1024 * 1024, []);
  await run('mkfs.ext4', ['-q', file]);
  const loop = await attachLoop({ path: file });
  const at = join(folder, 'mnt with space');
  mkdirSync(at);
  try {
    t.deepEqual(await describeUse(loop.path), []);
    t.deepEqual(await describeUse(file), [`the file is shown as ${loop.path.slice(5)}`]);
    await run('mount', [loop.path, at]);
    try {
      const use = [`${loop.path.slice(5)} is mounted at ${at}`];
      const error = await t.throwsAsync(() => openDisk(loop.path, { write: true }), {
        code: 'disk-busy',
      });
      t.true(isCoded(error, 'disk-busy') && isDeepStrictEqual(error.facts['use'], use));
      t.deepEqual(await describeUse(file), use);
      t.true(await liesOn(join(at, 'new', 'set'), file));
      t.true(await liesOn(at, loop.path));
      t.false(await liesOn(folder, file));
      const reading = await openDisk(loop.path);
      await reading.close();
    } finally {
      await run('umount', [at]);
    }
    const disk = await openDisk(loop.path, { write: true });
    await disk.close();
  } finally {
    await loop.detach();
  }
});

requiresRoot('losetup')(
  'a device that shrinks under our hands is a coded error',
  async (t: ExecutionContext) => {
    const file = sparse(join(temporary(t), 'a.raw'), 1024 * 1024, [0]);
    const loop = await attachLoop({ path: file });
    const disk = await openDisk(loop.path);
    try {
      truncateSync(file, 4096);
      const error = await t.throwsAsync(() => disk.read(Buffer.alloc(65536), 512 * 1024));
      t.true(isCoded(error, 'disk-read-failed', 'disk-gone'));
    } finally {
      await disk.close();
      await loop.detach();
    }
  },
);
