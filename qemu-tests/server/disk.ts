import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blankDisk, run } from '../harness/index.ts';
import { installBiosLoader, layEfiLoader } from './boot-loader.ts';
import { incompressible, incompressiblePath } from './incompressible.ts';
import { partitions, type PartitionName, serverBytes, uuids } from './shape.ts';

const files = join(import.meta.dirname, 'files');

/** Attaches one partition of the disk image as a loop device, calls `work` with it and takes it off again. */
async function withPartition(
  disk: string,
  name: PartitionName,
  work: (device: string) => Promise<void>,
): Promise<void> {
  const { start, sectors } = partitions[name];
  const bytes = sectors * 512;
  const device = await run('losetup', [
    '-f',
    '--show',
    '-o',
    String(start * 512),
    '--sizelimit',
    String(bytes),
    disk,
  ]);
  try {
    await work(device);
  } finally {
    await run('losetup', ['-d', device]);
  }
}

async function mounted(device: string, folder: string, work: () => Promise<void>): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await run('mount', ['-t', 'ext4', device, folder]);
  try {
    await work();
  } finally {
    await run('umount', [folder]);
  }
}

function writePartitionTable(disk: string): Promise<string> {
  const lines = Object.entries(partitions).map(
    ([name, { start, sectors, type, uuid }]) =>
      `start=${start}, size=${sectors}, type=${type}, uuid=${uuid}, name=${name}`,
  );
  return run('sfdisk', ['-q', disk], ['label: gpt', `label-id: ${uuids.disk}`, ...lines, ''].join('\n'));
}

function configure(root: string): void {
  writeFileSync(
    join(root, 'etc/fstab'),
    [
      `UUID=${uuids.root} / ext4 defaults 0 1`,
      `UUID=${uuids.boot} /boot ext4 defaults 0 2`,
      `UUID=${uuids.esp} /boot/efi vfat umask=0077 0 2`,
      `UUID=${uuids.swap} none swap sw 0 0`,
      '',
    ].join('\n'),
  );
  writeFileSync(join(root, 'etc/hostname'), 'web1\n');
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost web1\n');
  appendFileSync(join(root, 'etc/environment'), 'LANG=C.UTF-8\n');
}

async function installOwnPrograms(root: string): Promise<void> {
  const places: Readonly<Record<string, string>> = {
    'remetal-token': 'usr/local/sbin/remetal-token',
    'remetal-up': 'usr/local/sbin/remetal-up',
    'token.py': 'usr/local/lib/remetal/token.py',
    'remetal-up.service': 'etc/systemd/system/remetal-up.service',
  };
  for (const [file, place] of Object.entries(places)) {
    const mode = place.includes('sbin') ? '755' : '644';
    await run('install', ['-D', '-m', mode, join(files, file), join(root, place)]);
  }
  const wants = join(root, 'etc/systemd/system/multi-user.target.wants');
  mkdirSync(wants, { recursive: true });
  await run('ln', ['-s', '/etc/systemd/system/remetal-up.service', wants]);
}

function writeMenu(boot: string): void {
  const kernel = readdirSync(boot).find((name) => name.startsWith('vmlinuz-'));
  if (kernel === undefined) throw new Error('The server tree holds no kernel.');
  const version = kernel.slice('vmlinuz-'.length);
  mkdirSync(join(boot, 'grub'), { recursive: true });
  writeFileSync(
    join(boot, 'grub/grub.cfg'),
    [
      'serial --unit=0 --speed=115200',
      'terminal_output console serial',
      'set timeout=0',
      `search --no-floppy --fs-uuid --set=root ${uuids.boot}`,
      'menuentry "Debian GNU/Linux" {',
      `  linux /vmlinuz-${version} root=UUID=${uuids.root} ro quiet console=tty0 console=ttyS0,115200n8 init=/usr/local/sbin/remetal-token`,
      `  initrd /initrd.img-${version}`,
      '}',
      '',
    ].join('\n'),
  );
}

/**
 * Makes the server's disk from its file tree: GPT with BIOS boot partition, ESP, /boot, swap and the
 * root last, boot loaders for BIOS and UEFI, files of every awkward kind, some of them deleted again.
 * Needs root, loop devices and ext4 in the kernel, but neither vfat nor device-mapper.
 */
export async function makeServerDisk(disk: string, tree: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'remetal-server-'));
  const root = join(work, 'root');
  const loaders = join(work, 'loaders');
  const boot = join(work, 'boot');
  try {
    blankDisk(disk, serverBytes);
    await writePartitionTable(disk);
    mkdirSync(loaders);
    await withPartition(disk, 'root', async (device) => {
      await run('mkfs.ext4', ['-q', '-U', uuids.root, '-L', 'root', '-E', 'lazy_itable_init=0', device]);
      await mounted(device, root, async () => {
        await run('tar', [
          '-x',
          '-p',
          '--numeric-owner',
          '--xattrs',
          '--xattrs-include=*',
          '-f',
          tree,
          '-C',
          root,
        ]);
        // The tree's /boot is what the boot partition will hold.
        await run('cp', ['-a', join(root, 'boot'), work]);
        rmSync(join(root, 'boot'), { recursive: true });
        mkdirSync(join(root, 'boot'));
        for (const file of ['shimx64.efi.signed', 'mmx64.efi.signed', 'BOOTX64.CSV']) {
          copyFileSync(join(root, 'usr/lib/shim', file), join(loaders, file));
        }
        const grub = 'grubx64.efi.signed';
        copyFileSync(join(root, 'usr/lib/grub/x86_64-efi-signed', grub), join(loaders, grub));
        configure(root);
        await installOwnPrograms(root);
        await run('sh', [join(files, 'content.sh'), root]);
        writeFileSync(join(root, incompressiblePath), incompressible());
      });
    });
    mkdirSync(join(boot, 'efi'));
    writeMenu(boot);
    await withPartition(disk, 'boot', async (device) => {
      await run('mkfs.ext4', ['-q', '-U', uuids.boot, '-L', 'boot', '-d', boot, device]);
    });
    await withPartition(disk, 'swap', async (device) => {
      await run('mkswap', ['-U', uuids.swap, '-L', 'swap', device]);
    });
    await withPartition(disk, 'esp', (device) => layEfiLoader(device, loaders));
    await installBiosLoader(disk, work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
