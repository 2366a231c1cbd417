import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Program to the Debian package that brings it. */
const packageOf: Readonly<Record<string, string>> = {
  debugfs: 'e2fsprogs',
  e2fsck: 'e2fsprogs',
  'fsck.fat': 'dosfstools',
  'grub-mkimage': 'grub-common',
  losetup: 'mount',
  mcopy: 'mtools',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.vfat': 'dosfstools',
  mkswap: 'util-linux',
  mmd: 'mtools',
  mtype: 'mtools',
  mmdebstrap: 'mmdebstrap',
  python3: 'python3',
  'qemu-img': 'qemu-utils',
  'qemu-system-x86_64': 'qemu-system-x86',
  setfacl: 'acl',
  setfattr: 'attr',
  sfdisk: 'fdisk',
  tgtadm: 'tgt',
  tgtd: 'tgt',
  tgtimg: 'tgt',
  zstd: 'zstd',
};

/** Files that are not programs, to the package that brings them. */
const fileOf: Readonly<Record<string, string>> = {
  '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd': 'ovmf',
  '/usr/lib/grub/i386-pc/boot.img': 'grub-pc-bin',
  // QEMU's iSCSI initiator, which the tape scenarios use.
  '/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so': 'qemu-block-extra',
};

function there(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** What the rig needs and this machine lacks, each with the Debian package that brings it. */
export function missingTools(): { name: string; debianPackage: string }[] {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const programs = Object.keys(packageOf).filter(
    (program) => !folders.some((folder) => there(join(folder, program), constants.X_OK)),
  );
  const files = Object.keys(fileOf).filter((path) => !there(path, constants.R_OK));
  return [
    ...programs.map((name) => ({ name, debianPackage: packageOf[name] ?? name })),
    ...files.map((name) => ({ name, debianPackage: fileOf[name] ?? name })),
  ];
}
