import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { memoryDisk } from '../../src/disk/memory.ts';
import type { BlockDevice } from '../../src/disk/block-device.ts';
import { grow } from '../../src/restore/grow.ts';
import { withMount } from '../../src/restore/mounting.ts';

const MiB = 1 << 20;
const time = new Date('2030-01-01T00:00:00Z');
const offset = MiB;
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };

function quiet(program: string, args: string[]): void {
  execFileSync(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
}

const none = (): Promise<void> => Promise.reject(new Error('not used'));

const sum = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** A file as a device, plain enough for what growing asks of it. */
function fileDevice(path: string): BlockDevice {
  const fd = openSync(path, 'r+');
  return {
    name: path,
    size: statSync(path).size,
    sectorSize: 512,
    async read(target, at) {
      readSync(fd, target, 0, target.length, at);
    },
    async write(source, at) {
      writeSync(fd, source, 0, source.length, at);
    },
    writeZeroes: none,
    discard: none,
    async flush() {
      fsyncSync(fd);
    },
    async close() {
      closeSync(fd);
    },
  };
}

/** A disk of `room` bytes with a file system of `size` bytes at 1 MiB, and a file in it. */
async function made(folder: string, type: string, size: number, room: number): Promise<string> {
  const volume = join(folder, 'volume');
  writeFileSync(volume, '');
  execFileSync('truncate', ['-s', String(size), volume]);
  quiet(`mkfs.${type}`, ['-q', volume]);
  await withMount({ path: volume, offset: 0, size, sectorSize: 512 }, [], async (root) => {
    writeFileSync(join(root, 'file'), Buffer.alloc(3 * MiB, 'remetal'));
  });
  const disk = join(folder, 'disk.img');
  writeFileSync(disk, '');
  execFileSync('truncate', ['-s', String(room), disk]);
  execFileSync('dd', [`if=${volume}`, `of=${disk}`, 'bs=1M', 'seek=1', 'conv=notrunc,sparse'], {
    stdio: 'ignore',
  });
  return disk;
}

async function grown(disk: string, by: 'resize2fs' | 'xfs_growfs', size: number): Promise<void> {
  const device = fileDevice(disk);
  await grow({ growth: { by }, device, place: { path: disk, offset, size, sectorSize: 512 }, time });
  await device.close();
}

requiresRoot(
  'mkfs.ext4',
  'resize2fs',
  'losetup',
)('ext4 grows to the last block, and twice gives the same bytes', async (t: ExecutionContext) => {
  const size = 200 * MiB;
  const first = await made(temporary(t), 'ext4', 24 * MiB, offset + size + MiB);
  const second = join(temporary(t), 'disk.img');
  copyFileSync(first, second);
  await grown(first, 'resize2fs', size);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await grown(second, 'resize2fs', size);
  t.is(sum(first), sum(second));
  const place = { path: first, offset, size, sectorSize: 512 };
  await withMount(place, ['ro'], async (root) => {
    t.true(readFileSync(join(root, 'file')).equals(Buffer.alloc(3 * MiB, 'remetal')));
    const blocks = execFileSync('stat', ['-f', '-c', '%b %S', root], { encoding: 'utf8' })
      .split(' ')
      .map(Number);
    t.true(blocks[0]! * blocks[1]! > 180 * MiB);
  });
  const alone = join(temporary(t), 'volume');
  execFileSync('dd', [`if=${first}`, `of=${alone}`, 'bs=1M', 'skip=1', `count=${size / MiB}`], {
    stdio: 'ignore',
  });
  t.notThrows(() => quiet('e2fsck', ['-f', '-n', alone]));
  t.is(
    readFileSync(first)
      .subarray(offset + size)
      .findIndex((byte) => byte !== 0),
    -1,
  );
});

requiresRoot(
  'mkfs.xfs',
  'xfs_growfs',
  'losetup',
)('XFS grows to the last block', async (t: ExecutionContext) => {
  const size = 700 * MiB;
  const disk = await made(temporary(t), 'xfs', 320 * MiB, offset + size);
  await grown(disk, 'xfs_growfs', size);
  await withMount({ path: disk, offset, size, sectorSize: 512 }, ['ro'], async (root) => {
    t.true(readFileSync(join(root, 'file')).equals(Buffer.alloc(3 * MiB, 'remetal')));
    const blocks = execFileSync('stat', ['-f', '-c', '%b %S', root], { encoding: 'utf8' })
      .split(' ')
      .map(Number);
    t.true(blocks[0]! * blocks[1]! > 600 * MiB);
  });
});

test('a header is rewritten in place, in whole sectors', async (t) => {
  const device = memoryDisk(8 * MiB, { sectorSize: 4096 });
  await device.write(Buffer.alloc(65536, 7), offset);
  await grow({
    growth: { by: 'header', grownHeader: (stored, size) => Buffer.from([stored[0]! + 1, size / MiB]) },
    device,
    place: { path: 'memory', offset, size: 4 * MiB, sectorSize: 4096 },
    time,
  });
  const after = Buffer.alloc(8192);
  await device.read(after, offset);
  t.deepEqual([...after.subarray(0, 3)], [8, 4, 7]);
  t.true(after.subarray(2).every((byte) => byte === 7));
});

requiresRoot('losetup', 'resize2fs')('a growth that fails is coded', async (t: ExecutionContext) => {
  const disk = join(temporary(t), 'disk.img');
  writeFileSync(disk, Buffer.alloc(4 * MiB));
  await t.throwsAsync(grown(disk, 'resize2fs', 2 * MiB), { code: 'program-failed' });
});
