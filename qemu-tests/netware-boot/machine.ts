import {
  chmodSync,
  closeSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeNetware, type ManifestPartition } from '../../test/fixtures/netware-maker.ts';
import { run } from '../harness/index.ts';
import { partitions } from '../server/shape.ts';
import { appliance, type Rig } from '../steps/index.ts';

const sectorSize = 512;
const MiB = 2048;
/** Of a block of 64 KiB. */
const perBlock = 128;
const bootSectors = 120 * MiB;
const bootStart = 63;
const grub = '/usr/lib/grub/i386-pc';

/** The volume's two segments, together as long as the root of the original server. */
const rootBlocks = partitions.root.sectors / perBlock;
const firstBlocks = Math.floor(rootBlocks * 0.45);

/**
 * A machine as the one NetWare servers were: a FAT partition with boot loader, kernel and initramfs, and
 * data partitions on two disks. Its root is an ext4 file system, that of the original server, in a volume
 * of two segments, one on each disk. Gives the paths of the disks.
 */
export async function segmentedMachine(rig: Rig): Promise<string[]> {
  const folder = join(rig.scratch, 'segmented');
  mkdirSync(folder);
  const made = makeNetware(folder, {
    disks: [
      { name: 'seg0.raw', sectors: 1500 * MiB, boot: { sectors: bootSectors } },
      { name: 'seg1.raw', sectors: 1700 * MiB },
    ],
    volumes: [
      {
        name: 'ROOT',
        blockSize: 65_536,
        segments: [
          { disk: 0, sectors: firstBlocks * perBlock },
          { disk: 1, sectors: (rootBlocks - firstBlocks) * perBlock },
        ],
      },
    ],
  });
  for (const [index, partition] of made.partitions.entries()) {
    await copyRoot(rig.original.disk, made.paths[index]!, partition);
  }
  await fillBootPartition(rig, folder, made.paths[0]!);
  await installLoader(folder, made.paths[0]!);
  return made.paths;
}

/* The start of the volume is written zeros and all: the maker's own file system begins there. */
async function copyRoot(
  from: string,
  to: string,
  { start_lba: start, hotfix_sectors: hotfix, vdt }: ManifestPartition,
): Promise<void> {
  const [segment] = vdt;
  const skip = partitions.root.start + segment!.first_block * perBlock;
  const seek = start + hotfix + segment!.start;
  const whole = segment!.first_block === 0 ? 8 * MiB : 0;
  const copy = async (offset: number, count: number, convert: string): Promise<void> => {
    await run('dd', [
      `if=${from}`,
      `of=${to}`,
      'bs=1M',
      'iflag=skip_bytes,count_bytes',
      'oflag=seek_bytes',
      `skip=${(skip + offset) * sectorSize}`,
      `seek=${(seek + offset) * sectorSize}`,
      `count=${count * sectorSize}`,
      `conv=notrunc${convert}`,
      'status=none',
    ]);
  };
  if (whole > 0) await copy(0, whole, '');
  await copy(whole, segment!.sectors - whole, ',sparse');
}

/** Kernel and initramfs are those of the appliance, which knows NetWare volumes; the first program is our own. */
async function fillBootPartition(rig: Rig, folder: string, disk: string): Promise<void> {
  const iso = await appliance(rig, null);
  const taken = join(folder, 'taken');
  mkdirSync(taken);
  await run('xorriso', ['-osirrox', 'on', '-indev', iso, '-extract', '/remetal', taken]);
  const overlay = join(folder, 'overlay');
  mkdirSync(overlay);
  cpSync(join(import.meta.dirname, 'netware-root'), join(overlay, 'netware-root'));
  chmodSync(join(overlay, 'netware-root'), 0o755);
  const packed = join(folder, 'overlay.cpio');
  await run('sh', ['-c', `cd '${overlay}' && echo netware-root | cpio --quiet -o -H newc -F '${packed}'`]);
  const initramfs = join(folder, 'initrd.img');
  writeFileSync(
    initramfs,
    Buffer.concat(
      ['base.img', 'agent.img'].map((name) => padded(join(taken, name))).concat([padded(packed)]),
    ),
  );
  copyFileSync(join(taken, 'vmlinuz'), join(folder, 'vmlinuz'));
  const menu = join(folder, 'grub.cfg');
  writeFileSync(
    menu,
    [
      'serial --unit=0 --speed=115200',
      'terminal_output console serial',
      'linux /vmlinuz quiet console=ttyS0,115200n8 rdinit=/netware-root',
      'initrd /initrd.img',
      'boot',
      '',
    ].join('\n'),
  );
  const at = ['-i', `${disk}@@${bootStart * sectorSize}`];
  await run('mmd', [...at, '::/grub', '::/grub/i386-pc']);
  await run('sh', [
    '-c',
    `mcopy -Q -i '${disk}@@${bootStart * sectorSize}' ${grub}/*.mod ${grub}/*.lst ::/grub/i386-pc/`,
  ]);
  for (const [file, place] of [
    [menu, '::/grub/grub.cfg'],
    [join(folder, 'vmlinuz'), '::/vmlinuz'],
    [initramfs, '::/initrd.img'],
  ] as const) {
    await run('mcopy', [...at, file, place]);
  }
}

/** Segments of an initramfs begin on four bytes. */
function padded(file: string): Buffer {
  const bytes = readFileSync(file);
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

/** GRUB in the gap behind sector 0, as its offsets are told in server/boot-loader.ts. */
async function installLoader(folder: string, disk: string): Promise<void> {
  const path = join(folder, 'core.img');
  await run('grub-mkimage', [
    '--format=i386-pc',
    `--directory=${grub}`,
    '--prefix=(hd0,msdos1)/grub',
    `--output=${path}`,
    'biosdisk',
    'part_msdos',
    'fat',
  ]);
  const core = readFileSync(path);
  if (core.length > (bootStart - 1) * sectorSize)
    throw new Error('GRUB does not fit in front of the first partition.');
  core.writeBigUInt64LE(2n, 0x1f4);
  const boot = readFileSync(join(grub, 'boot.img'));
  boot.writeBigUInt64LE(1n, 0x5c);
  boot.writeUInt16LE(0x9090, 0x66);
  const handle = openSync(disk, 'r+');
  try {
    const first = Buffer.alloc(sectorSize);
    readSync(handle, first, 0, sectorSize, 0);
    boot.copy(first, 0, 0, 3);
    boot.copy(first, 0x5a, 0x5a, 0x1b8);
    writeSync(handle, first, 0, sectorSize, 0);
    writeSync(handle, core, 0, core.length, sectorSize);
  } finally {
    closeSync(handle);
  }
}
