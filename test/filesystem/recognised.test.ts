import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { detect } from '../../src/filesystem/index.ts';
import { checkFileSystem } from '../contract/filesystem.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { imageDevice, memoryDevice } from './devices.ts';
import { blank, run } from './fixtures.ts';

const MiB = 1024 * 1024;

const made: { type: string; tool: string; size: number; args: string[]; as?: string }[] = [
  { type: 'ntfs', tool: 'mkntfs', size: 20, args: ['-F', '-q', '-Q', '-L', 'data'] },
  { type: 'btrfs', tool: 'mkfs.btrfs', size: 120, args: ['-q', '-L', 'data'] },
  {
    type: 'luks',
    tool: 'cryptsetup',
    size: 20,
    args: [
      'luksFormat',
      '-q',
      '--type',
      'luks2',
      '--label',
      'data',
      '--pbkdf',
      'pbkdf2',
      '--pbkdf-force-iterations',
      '1000',
      '--key-file',
      '/etc/hostname',
    ],
    as: 'crypto_LUKS',
  },
  { type: 'f2fs', tool: 'mkfs.f2fs', size: 64, args: ['-q', '-f', '-l', 'data'] },
  { type: 'exfat', tool: 'mkfs.exfat', size: 20, args: ['-L', 'data'] },
];

for (const { type, tool, size, args, as } of made) {
  requires(tool, 'blkid')(`${type} is known by name and taken whole`, async (t: ExecutionContext) => {
    const image = blank(join(temporary(t), 'image'), size * MiB);
    run(tool, ...args, image);
    const told = new Map<string, string>();
    for (const line of run('blkid', '-p', '-o', 'export', image).split('\n')) {
      const [key = '', value = ''] = line.split('=', 2);
      told.set(key, value);
    }
    const volume = imageDevice(t, image);
    const filesystem = await detect(volume);
    t.is(filesystem?.facts.type, type);
    t.is(told.get('TYPE'), as ?? type);
    t.is(filesystem?.facts.uuid, told.get('UUID') ?? null);
    if (filesystem?.facts.label !== null) t.is(filesystem?.facts.label, told.get('LABEL'));
    if (filesystem !== null) await checkFileSystem(t, volume, filesystem);
    t.is((await filesystem?.usedMap())?.reason, `no used map for ${type}: every sector is taken`);
  });
}

requiresRoot('pvcreate', 'losetup')(
  'an LVM physical volume has the UUID it was made with',
  async (t: ExecutionContext) => {
    const image = blank(join(temporary(t), 'image'), 20 * MiB);
    const uuid = 'abcdef-ghij-klmn-opqr-stuv-wxyz-012345';
    const loop = run('losetup', '-f', '--show', image).trim();
    try {
      run(
        'pvcreate',
        '-q',
        '-y',
        '--config',
        'devices{use_devicesfile=0}',
        '-u',
        uuid,
        '--norestorefile',
        loop,
      );
    } finally {
      run('losetup', '-d', loop);
    }
    t.like((await detect(imageDevice(t, image)))?.facts, { type: 'lvm2-pv', uuid });
  },
);

/** An md superblock of version 1 at `offset`. */
function mdSuperblock(content: Buffer, offset: number): void {
  content.writeUInt32LE(0xa9_2b_4e_fc, offset);
  content.writeUInt32LE(1, offset + 4);
  content.fill(0x11, offset + 16, offset + 32);
  content.write('host:0', offset + 32, 'latin1');
}

test('md members are known at the start, behind it and at the end', async (t) => {
  for (const offset of [0, 4096, MiB - 8192]) {
    const content = Buffer.alloc(MiB);
    mdSuperblock(content, offset);
    t.like((await detect(memoryDevice(content)))?.facts, {
      type: 'md-member',
      uuid: '11111111-1111-1111-1111-111111111111',
      label: 'host:0',
    });
  }
  const old = Buffer.alloc(MiB);
  old.writeUInt32LE(0xa9_2b_4e_fc, MiB - 65_536);
  t.is((await detect(memoryDevice(old)))?.facts.type, 'md-member');
});

test('the rest is known by its signature', async (t) => {
  const signatures: [string, number, Buffer][] = [
    ['bitlocker', 3, Buffer.from('-FVE-FS-')],
    ['zfs-member', 128 * 1024 + 4096, Buffer.from([0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0])],
    ['iso9660', 32_769, Buffer.from('CD001')],
    ['refs', 3, Buffer.from('ReFS\0\0\0\0')],
    ['squashfs', 0, Buffer.from('hsqs')],
    ['apfs', 32, Buffer.from('NXSB')],
    [
      'netware',
      32 * 512,
      Buffer.concat([Buffer.from('HOTFIX00'), Buffer.alloc(504), Buffer.from('MIRROR00')]),
    ],
  ];
  for (const [type, offset, bytes] of signatures) {
    const content = Buffer.alloc(MiB);
    bytes.copy(content, offset);
    t.is((await detect(memoryDevice(content)))?.facts.type, type);
  }
});

test('zeros and tiny volumes are nothing', async (t) => {
  for (const size of [512, 1024, 4096, 65_536, MiB])
    t.is(await detect(memoryDevice(Buffer.alloc(size))), null);
});

test('a start that cannot be read is nothing, not an error', async (t) => {
  const volume = memoryDevice(Buffer.alloc(MiB));
  volume.broken.push({ start: 0, length: MiB });
  t.is(await detect(volume), null);
});

requires('mke2fs', 'mkfs.fat')('two signatures at once are believed neither', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const image = blank(join(folder, 'image'), 20 * MiB);
  run('mke2fs', '-q', '-F', image);
  const other = blank(join(folder, 'other'), 20 * MiB);
  run('mkfs.fat', '-F', '16', '-R', '8', other);
  const boot = Buffer.alloc(512);
  const source = openSync(other, 'r');
  const target = openSync(image, 'r+');
  readSync(source, boot, 0, 512, 0);
  writeSync(target, boot, 0, 512, 0);
  closeSync(source);
  closeSync(target);
  const map = await (await detect(imageDevice(t, image)))?.usedMap();
  t.regex(map?.reason ?? '', /looks like ext2 and like fat16/);
  t.deepEqual(map?.used, [{ start: 0, length: 20 * MiB }]);
});

requires('mke2fs')(
  'a mirror member with its superblock at the end is not taken for its file system',
  async (t: ExecutionContext) => {
    const image = blank(join(temporary(t), 'image'), 20 * MiB);
    run('mke2fs', '-q', '-F', image, '19M');
    const superblock = Buffer.alloc(256);
    mdSuperblock(superblock, 0);
    const fd = openSync(image, 'r+');
    writeSync(fd, superblock, 0, 256, 20 * MiB - 8192);
    closeSync(fd);
    const filesystem = await detect(imageDevice(t, image));
    t.is(filesystem?.facts.type, 'md-member');
    t.deepEqual((await filesystem?.usedMap())?.used, [{ start: 0, length: 20 * MiB }]);
  },
);
