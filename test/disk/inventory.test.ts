import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { identityOf, listDisks } from '../../src/disk/index.ts';
import { attachLoop } from '../../src/system/index.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

/** A page of a SCSI disk's vital product data: code, length, body. */
function page(code: number, body: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head[1] = code;
  head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}

function tree(root: string, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [path, contents] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), contents);
  }
}

test('disks are told apart by what /sys says of them, without udev', async (t) => {
  const root = temporary(t);
  const pci = 'sys/devices/pci0000:00';
  const naa = page(0x83, Buffer.from('010300085000c500a1b2c3d4', 'hex'));
  tree(root, {
    [`${pci}/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/size`]: '1953525168\n',
    [`${pci}/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/queue/logical_block_size`]: '512\n',
    [`${pci}/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/queue/physical_block_size`]: '4096\n',
    [`${pci}/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/removable`]: '0\n',
    [`${pci}/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/device/model`]: 'ST1000DM010-2EP1\n',
    [`${pci}/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/device/vpd_pg80`]: page(
      0x80,
      Buffer.from('            Z9ABC123'),
    ),
    [`${pci}/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/device/vpd_pg83`]: naa,
    [`${pci}/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1/partition`]: '1\n',
    [`${pci}/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1/start`]: '2048\n',
    [`${pci}/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1/size`]: '4096\n',
    [`${pci}/0000:01:00.0/nvme/nvme0/nvme0n1/size`]: '8388608\n',
    [`${pci}/0000:01:00.0/nvme/nvme0/nvme0n1/queue/logical_block_size`]: '4096\n',
    [`${pci}/0000:01:00.0/nvme/nvme0/nvme0n1/wwid`]: 'eui.0025385B71B0C1D2\n',
    [`${pci}/0000:01:00.0/nvme/nvme0/nvme0n1/device/serial`]: 'S4EWNX0M123456      \n',
    [`${pci}/0000:01:00.0/nvme/nvme0/nvme0n1/device/model`]: 'Samsung SSD 970 EVO Plus 1TB            \n',
    [`${pci}/0000:00:05.0/virtio2/block/vdb/size`]: '20971520\n',
    [`${pci}/0000:00:05.0/virtio2/block/vdb/queue/logical_block_size`]: '512\n',
    [`${pci}/0000:00:05.0/virtio2/block/vdb/serial`]: 'data-disk-1',
    [`${pci}/0000:00:14.0/usb2/2-1/serial`]: '4C530001230615117082\n',
    [`${pci}/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb/size`]: '60062500\n',
    [`${pci}/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb/removable`]: '1\n',
    'sys/devices/virtual/block/loop0/size': '100\n',
    'sys/devices/virtual/block/dm-0/size': '100\n',
    [`${pci}/0000:00:1f.2/ata2/host1/target1:0:0/1:0:0:0/block/sr0/size`]: '100\n',
    'dev/sda': '',
  });
  mkdirSync(join(root, 'sys/block'));
  for (const path of [
    `${pci}/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda`,
    `${pci}/0000:01:00.0/nvme/nvme0/nvme0n1`,
    `${pci}/0000:00:05.0/virtio2/block/vdb`,
    `${pci}/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb`,
    'sys/devices/virtual/block/loop0',
    'sys/devices/virtual/block/dm-0',
    `${pci}/0000:00:1f.2/ata2/host1/target1:0:0/1:0:0:0/block/sr0`,
  ]) {
    symlinkSync(join(root, path), join(root, 'sys/block', path.split('/').at(-1)!));
  }
  mkdirSync(join(root, 'dev/disk/by-path'), { recursive: true });
  symlinkSync('../../sda', join(root, 'dev/disk/by-path/pci-0000:00:1f.2-ata-1'));

  const dev = join(root, 'dev');
  const disks = await listDisks({ sys: join(root, 'sys'), dev });
  t.deepEqual(
    disks.map((disk) => disk.name),
    ['nvme0n1', 'sda', 'sdb', 'vdb'],
  );
  const [nvme, sata, usb, virtio] = disks;
  t.like(sata!.identity, {
    size: 1953525168 * 512,
    sectorSize: 512,
    physicalSectorSize: 4096,
    model: 'ST1000DM010-2EP1',
    serial: 'Z9ABC123',
    wwn: '0x5000c500a1b2c3d4',
    transport: 'sata',
    removable: false,
  });
  t.deepEqual(sata!.partitions, [
    { name: 'sda1', path: join(dev, 'sda1'), number: 1, offset: 2048 * 512, size: 4096 * 512 },
  ]);
  t.deepEqual(sata!.paths, [
    join(dev, 'sda'),
    join(dev, 'disk/by-path/pci-0000:00:1f.2-ata-1'),
    join(dev, 'disk/by-id/wwn-0x5000c500a1b2c3d4'),
    join(dev, 'disk/by-id/ata-ST1000DM010-2EP1_Z9ABC123'),
  ]);
  t.like(nvme!.identity, {
    size: 4 * 2 ** 30,
    sectorSize: 4096,
    serial: 'S4EWNX0M123456',
    wwn: 'eui.0025385b71b0c1d2',
    transport: 'nvme',
  });
  t.like(usb!.identity, { serial: '4C530001230615117082', transport: 'usb', removable: true, wwn: null });
  t.like(virtio!.identity, { serial: 'data-disk-1', transport: 'virtio', model: null });
});

test('hostile product data is not read past its end', async (t) => {
  const root = temporary(t);
  const pages = [
    Buffer.alloc(0),
    Buffer.from('0083ffff010300ff5000', 'hex'),
    Buffer.from('00830004010300', 'hex'),
    Buffer.from('0080ffff41', 'hex'),
  ];
  for (const [i, vpd] of pages.entries()) {
    const name = `sd${'abcd'[i]}`;
    tree(root, {
      [`sys/block/${name}/size`]: '2048',
      [`sys/block/${name}/device/vpd_pg80`]: vpd,
      [`sys/block/${name}/device/vpd_pg83`]: vpd,
    });
  }
  const disks = await listDisks({ sys: join(root, 'sys'), dev: join(root, 'dev') });
  t.deepEqual(
    disks.map(({ identity }) => [identity.serial, identity.wwn]),
    [
      [null, null],
      [null, null],
      [null, null],
      ['A', null],
    ],
  );
});

test('an image file has an identity of its own kind', async (t) => {
  const path = join(temporary(t), 'a.raw');
  writeFileSync(path, Buffer.alloc(5000));
  t.like(await identityOf(path), { path, size: 4608, sectorSize: 512, transport: 'file', serial: null });
  await t.throwsAsync(() => identityOf(`${path}.missing`), { code: 'disk-not-found' });
  await t.throwsAsync(() => identityOf('/dev/null'), { code: 'disk-not-found' });
});

requiresRoot('losetup')(
  'a block device has the size and sectors the kernel gives it',
  async (t: ExecutionContext) => {
    const path = join(temporary(t), 'a.raw');
    writeFileSync(path, Buffer.alloc(1024 * 1024));
    const loop = await attachLoop({ path, sectorSize: 4096 });
    try {
      t.like(await identityOf(loop.path), { size: 1024 * 1024, sectorSize: 4096, transport: 'loop' });
    } finally {
      await loop.detach();
    }
  },
);
