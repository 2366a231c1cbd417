import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../harness/index.ts';
import { partitions, uuids } from './shape.ts';

const findBoot = [
  `search --no-floppy --fs-uuid --set=root ${uuids.boot}`,
  'set prefix=($root)/grub',
  '',
].join('\n');

/**
 * Installs GRUB for BIOS as grub-install does, without mounting anything: core.img in the BIOS boot
 * partition, boot.img in sector 0, each patched with where the next one lies. Offsets are GRUB's own:
 * `GRUB_BOOT_MACHINE_KERNEL_SECTOR` 0x5c, `GRUB_BOOT_MACHINE_DRIVE_CHECK` 0x66 and the block list at
 * the end of core.img's first sector, 0x1f4 (include/grub/i386/pc/boot.h).
 */
export async function installBiosLoader(disk: string, scratch: string): Promise<void> {
  const early = join(scratch, 'early.cfg');
  const corePath = join(scratch, 'core.img');
  writeFileSync(early, findBoot);
  const modules =
    'biosdisk part_gpt ext2 normal linux search search_fs_uuid serial terminal echo configfile minicmd';
  await run('grub-mkimage', [
    '--format=i386-pc',
    '--directory=/usr/lib/grub/i386-pc',
    '--prefix=/grub',
    `--config=${early}`,
    `--output=${corePath}`,
    ...modules.split(' '),
  ]);
  const place = partitions.bios.start;
  const core = readFileSync(corePath);
  if (core.length > partitions.bios.sectors * 512)
    throw new Error('GRUB does not fit the BIOS boot partition.');
  core.writeBigUInt64LE(BigInt(place + 1), 0x1f4);
  const boot = readFileSync('/usr/lib/grub/i386-pc/boot.img');
  boot.writeBigUInt64LE(BigInt(place), 0x5c);
  // Two no-operations, so that the BIOS's own drive number is believed.
  boot.writeUInt16LE(0x9090, 0x66);
  const handle = openSync(disk, 'r+');
  try {
    const first = Buffer.alloc(512);
    readSync(handle, first, 0, 512, 0);
    boot.copy(first, 0, 0, 3);
    // The BIOS parameter block before and the partition table behind the code stay as they are.
    boot.copy(first, 0x5a, 0x5a, 0x1b8);
    writeSync(handle, first, 0, 512, 0);
    writeSync(handle, core, 0, core.length, place * 512);
  } finally {
    closeSync(handle);
  }
}

/**
 * Makes the ESP with Debian's signed chain, once in the place of a boot entry (EFI/debian) and once in
 * the fallback place (EFI/BOOT). Debian's signed GRUB reads EFI/debian/grub.cfg wherever it was started.
 */
export async function layEfiLoader(device: string, loaders: string): Promise<void> {
  await run('mkfs.vfat', ['-F', '32', '-n', 'ESP', '-i', uuids.esp.replace('-', ''), device]);
  const menu = join(loaders, 'grub.cfg');
  writeFileSync(menu, `${findBoot}configfile $prefix/grub.cfg\n`);
  await run('mmd', ['-i', device, '::/EFI', '::/EFI/debian', '::/EFI/BOOT']);
  const laid = [
    ['shimx64.efi.signed', 'debian/shimx64.efi'],
    ['mmx64.efi.signed', 'debian/mmx64.efi'],
    ['grubx64.efi.signed', 'debian/grubx64.efi'],
    ['BOOTX64.CSV', 'debian/BOOTX64.CSV'],
    ['grub.cfg', 'debian/grub.cfg'],
    ['shimx64.efi.signed', 'BOOT/BOOTX64.EFI'],
    ['mmx64.efi.signed', 'BOOT/mmx64.efi'],
    ['grubx64.efi.signed', 'BOOT/grubx64.efi'],
  ] as const;
  for (const [file, place] of laid)
    await run('mcopy', ['-i', device, join(loaders, file), `::/EFI/${place}`]);
}
