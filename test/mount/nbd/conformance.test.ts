import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { memoryDisk, openDisk, overlay } from '../../../src/disk/index.ts';
import { exportUri, serveNbd } from '../../../src/mount/nbd/index.ts';
import { requires } from '../../helpers/requires.ts';
import { temporary } from '../../helpers/temporary.ts';
import { MiB, patterned, serving, sparseDisk } from './serving.ts';

const execute = promisify(execFile);
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };

async function run(program: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await execute(program, args, { env, maxBuffer: 64 * MiB });
  return stdout + stderr;
}

requires('nbdinfo')('nbdinfo lists the exports with what they are', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const listen = { socket: join(folder, 's') };
  const server = await serveNbd({
    listen,
    exports: [
      { name: 'root', description: 'the root file system', device: await sparseDisk(), readOnly: true },
      {
        name: 'über uns',
        description: '',
        device: memoryDisk(4 * MiB, { sectorSize: 4096 }),
        readOnly: false,
      },
    ],
  });
  t.teardown(() => server.close());
  const listed = JSON.parse(await run('nbdinfo', '--list', '--json', server.uri));
  t.is(listed.protocol, 'newstyle-fixed');
  t.deepEqual(
    listed.exports.map((one: Record<string, unknown>) => one['export-name']),
    ['root', 'über uns'],
  );
  const [root, other] = listed.exports;
  t.like(root, {
    description: 'the root file system',
    'export-size': 16 * MiB,
    is_read_only: true,
    can_multi_conn: true,
    can_df: true,
    can_cache: true,
    can_flush: false,
    can_trim: false,
    can_zero: false,
    contexts: ['base:allocation'],
    block_size_minimum: 512,
    block_size_preferred: 4096,
    block_size_maximum: 32 * MiB,
  });
  t.like(other, {
    'export-size': 4 * MiB,
    is_read_only: false,
    can_flush: true,
    can_fua: true,
    can_trim: true,
    can_zero: true,
    can_fast_zero: false,
    block_size_minimum: 4096,
  });
  t.is((await run('nbdinfo', '--size', exportUri(listen, 'über uns'))).trim(), String(4 * MiB));
  await t.throwsAsync(() => run('nbdinfo', exportUri(listen, 'nothing')), {
    message: /No such file or directory/,
  });
});

requires('nbdinfo')('nbdinfo --map tells data from holes', async (t: ExecutionContext) => {
  const { server } = await serving(t, await sparseDisk());
  const map = JSON.parse(await run('nbdinfo', '--map', '--json', server.uri));
  t.deepEqual(
    map.map(({ offset, length, type }: Record<string, number>) => [offset! / MiB, length! / MiB, type]),
    [
      [0, 1, 0],
      [1, 2, 3],
      [3, 1, 0],
      [4, 11, 3],
      [15, 1, 0],
    ],
  );
});

requires('nbdcopy')('nbdcopy reads a disk out, holes and all', async (t: ExecutionContext) => {
  const { server, folder } = await serving(t, await sparseDisk());
  for (const options of [[], ['--no-extents'], ['--connections=1', '--requests=1'], ['--synchronous']]) {
    const to = join(folder, 'copy');
    writeFileSync(to, '');
    truncateSync(to, 16 * MiB);
    await run('nbdcopy', ...options, server.uri, to);
    const wanted = Buffer.alloc(16 * MiB);
    await (await sparseDisk()).read(wanted, 0);
    t.true(readFileSync(to).equals(wanted), options.join(' '));
  }
  t.is(server.bytesInFlight, 0);
});

requires('nbdcopy')('nbdcopy writes a disk in', async (t: ExecutionContext) => {
  const disk = memoryDisk(24 * MiB);
  await disk.write(Buffer.alloc(24 * MiB, 0xee), 0);
  const { server, folder } = await serving(t, disk, { readOnly: false });
  const from = join(folder, 'from');
  const wanted = Buffer.concat([patterned(7 * MiB), Buffer.alloc(10 * MiB), patterned(7 * MiB, 9)]);
  writeFileSync(from, wanted);
  await run('nbdcopy', '--flush', from, server.uri);
  const found = Buffer.alloc(wanted.length);
  await disk.read(found, 0);
  t.true(found.equals(wanted));
});

requires('qemu-img')('qemu-img knows the disk and converts it', async (t: ExecutionContext) => {
  const { server, folder } = await serving(t, await sparseDisk());
  const info = JSON.parse(await run('qemu-img', 'info', '--output=json', server.uri));
  t.like(info, { format: 'raw', 'virtual-size': 16 * MiB });
  const to = join(folder, 'copy.qcow2');
  await run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', server.uri, to);
  await run('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', server.uri, to);
  const map = JSON.parse(await run('qemu-img', 'map', '-f', 'raw', '--output=json', server.uri));
  t.deepEqual(
    map.map(({ start, length, zero }: Record<string, number>) => [start! / MiB, length! / MiB, zero]),
    [
      [0, 1, false],
      [1, 2, true],
      [3, 1, false],
      [4, 11, true],
      [15, 1, false],
    ],
  );
});

requires('qemu-io')(
  'qemu-io reads the patterns it wrote, on the grid and off it',
  async (t: ExecutionContext) => {
    for (const sectorSize of [512, 4096]) {
      const { server } = await serving(t, memoryDisk(16 * MiB, { sectorSize }), { readOnly: false });
      const commands = [
        'write -P 1 0 1M',
        'write -P 2 1000 1',
        'write -P 3 65000 3000',
        'read -P 2 1000 1',
        'read -P 1 1001 63999',
        'read -P 3 65000 3000',
        'write -z 2M 1M',
        'read -P 0 2M 1M',
        'aio_write -P 4 4M 8M',
        'aio_flush',
        'read -P 4 4M 8M',
        'discard 4M 1M',
        'read -P 4 5M 7M',
        'write -f -P 5 15M 1M',
        'flush',
        'read -P 5 15M 1M',
      ];
      const said = await run('qemu-io', '-f', 'raw', ...commands.flatMap((one) => ['-c', one]), server.uri);
      t.notRegex(said, /fail|error|Pattern/i);
      t.is(server.bytesInFlight, 0);
    }
  },
);

requires('nbd-client')('nbd-client lists the exports', async (t: ExecutionContext) => {
  const { server, socket } = await serving(t, await sparseDisk());
  t.regex(await run('nbd-client', '-unix', socket, '-l'), /^disk/m);
  t.is(server.bytesInFlight, 0);
});

requires(
  'fio',
  'nbdfuse',
  'fusermount3',
)(
  'fio finds what it wrote at random places, through a file made of the disk',
  async (t: ExecutionContext) => {
    const disk = memoryDisk(32 * MiB);
    const { server, folder } = await serving(t, disk, { readOnly: false });
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const fuse = execFile('nbdfuse', [file, server.uri], { env });
    t.teardown(() => fuse.kill());
    try {
      for (let turn = 0; turn < 500 && !readFileSync('/proc/mounts', 'utf8').includes(` ${file} `); turn++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      const said = await run(
        'fio',
        '--name=verify',
        `--filename=${file}`,
        '--rw=randwrite',
        '--bsrange=512-64k',
        '--blockalign=512',
        '--size=32m',
        '--io_size=24m',
        '--ioengine=psync',
        '--verify=crc32c',
        '--do_verify=1',
        '--verify_fatal=1',
        '--verify_state_save=0',
        '--randseed=7',
      );
      t.regex(said, /err= 0/);
    } finally {
      await run('fusermount3', '-u', file);
    }
  },
);

/** Programs built without what a test needs are missing as much as those that are not installed. */
function fioWithNbd(): string {
  try {
    return execFileSync('fio', ['--enghelp'], { env, encoding: 'utf8' }).includes('nbd')
      ? 'fio'
      : 'fio-with-nbd';
  } catch {
    return 'fio';
  }
}

requires(fioWithNbd())(
  'fio finds what it wrote over a disk that stays as it was, many requests at a time',
  async (t: ExecutionContext) => {
    const below = await sparseDisk(32 * MiB);
    const before = Buffer.alloc(32 * MiB);
    await below.read(before, 0);
    const folder = temporary(t);
    const device = await overlay(below, { folder, memoryBytes: MiB, mostBytes: 64 * MiB });
    const { server } = await serving(t, device, { readOnly: false });
    const said = await run(
      'fio',
      '--name=verify',
      '--ioengine=nbd',
      `--uri=${server.uri}`,
      '--rw=randwrite',
      '--bsrange=512-64k',
      '--blockalign=512',
      '--iodepth=16',
      '--filesize=32m',
      '--io_size=24m',
      '--verify=crc32c',
      '--do_verify=1',
      '--verify_fatal=1',
      '--verify_state_save=0',
      '--randseed=9',
    );
    t.regex(said, /err= 0/);
    const after = Buffer.alloc(32 * MiB);
    await below.read(after, 0);
    t.true(after.equals(before));
    await server.close();
    await device.close();
  },
);

requires(
  'fsck.ext4',
  'mke2fs',
  'nbdcopy',
)(
  'a file system in an image file comes out as it is, past the page cache too',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = join(folder, 'image');
    mkdirSync(join(folder, 'tree'));
    writeFileSync(join(folder, 'tree', 'file'), patterned(3 * MiB));
    await run('mke2fs', '-q', '-F', '-t', 'ext4', '-d', join(folder, 'tree'), image, '64M');
    for (const direct of [true, false]) {
      const disk = await openDisk(image, { direct });
      const { server } = await serving(t, disk);
      const to = join(folder, 'copy');
      writeFileSync(to, '');
      truncateSync(to, 64 * MiB);
      await run('nbdcopy', server.uri, to);
      t.true(readFileSync(to).equals(readFileSync(image)));
      await run('fsck.ext4', '-fn', to);
      await server.close();
      await disk.close();
    }
  },
);
