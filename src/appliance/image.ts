import {
  copyFile,
  lutimes,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RemetalError } from '../errors/index.ts';
import { filesUnder, linkOrCopy } from './cache.ts';
import { buildEpoch } from './epoch.ts';
import { efiConfiguration } from './menu.ts';
import type { UnpackedPackage } from './packages.ts';
import type { Tools } from './tools.ts';

/** Volume identifier of the image, the label the agent finds it by. */
export const LABEL = 'REMETAL';

/** Modules of GRUB's BIOS core image: what it needs to read its configuration and what that uses. */
const biosModules = [
  'biosdisk',
  'iso9660',
  'part_msdos',
  'part_gpt',
  'fat',
  'normal',
  'linux',
  'search',
  'search_fs_file',
  'search_label',
  'serial',
  'terminal',
  'echo',
  'test',
  'configfile',
  'minicmd',
  'halt',
  'reboot',
  'ls',
  'cat',
  'sleep',
  'regexp',
  'chain',
  'drivemap',
  'boot',
  'true',
  'all_video',
  'video',
  'vbe',
  'vga',
];

/** GPT types: the appended EFI system partition and, for the image itself, Microsoft basic data, both as xorriso wants them. */
const EFI_SYSTEM = '28732ac11ff8d211ba4b00a0c93ec93b';
const BASIC_DATA = 'a2a0d0ebe5b9334487c068b6b72699c7';

const EFI_PARTITION_BYTES = 8 * 1024 * 1024;

export interface ImageRequest {
  readonly output: string;
  readonly scratch: string;
  /** Names the build; a file of that name on the image is how GRUB finds it under EFI. */
  readonly buildId: string;
  readonly kernel: string;
  /** File on the image (below `remetal/`) to the initramfs segment it holds. */
  readonly segments: ReadonlyMap<string, string>;
  readonly grubConfiguration: string;
  readonly settings: string;
  readonly boot: readonly UnpackedPackage[];
  /** More files: path on the image to file. */
  readonly extra: ReadonlyMap<string, string>;
  readonly tools: Tools;
}

function fromPackage(boot: readonly UnpackedPackage[], name: string, path: string): string {
  const unpacked = boot.find((candidate) => candidate.name === name);
  if (unpacked === undefined) throw new RemetalError('internal', `The package ${name} was not unpacked`);
  return join(unpacked.folder, path);
}

async function place(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await linkOrCopy(from, to);
}

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

async function stamp(folder: string): Promise<void> {
  const time = buildEpoch();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    await lutimes(join(entry.parentPath, entry.name), time, time);
  }
  await lutimes(folder, time, time);
}

async function efiPartition(request: ImageRequest): Promise<string> {
  const { scratch, boot, tools } = request;
  const tree = join(scratch, 'esp');
  const loaders = join(tree, 'EFI', 'BOOT');
  await mkdir(loaders, { recursive: true });
  const copies: [string, string, string][] = [
    ['shim-signed', 'usr/lib/shim/shimx64.efi.signed', 'BOOTX64.EFI'],
    ['shim-helpers-amd64-signed', 'usr/lib/shim/mmx64.efi.signed', 'mmx64.efi'],
    ['grub-efi-amd64-signed', 'usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed', 'grubx64.efi'],
  ];
  for (const [name, path, as] of copies) await copyFile(fromPackage(boot, name, path), join(loaders, as));
  await put(join(loaders, 'remetal.txt'), 'The boot loaders of a Remetal appliance.\r\n');
  await put(join(tree, 'boot', 'grub', 'grub.cfg'), efiConfiguration(request.buildId));
  await stamp(tree);
  const image = join(scratch, 'efi.img');
  await writeFile(image, '');
  await truncate(image, EFI_PARTITION_BYTES);
  // A FAT keeps its serial number and its files' times, so both are given.
  await tools.run('mformat', ['-i', image, '-v', 'REMETAL-EFI', '-N', '5a17c0de', '::']);
  await tools.run('mcopy', ['-i', image, '-s', '-m', '-Q', join(tree, 'EFI'), join(tree, 'boot'), '::']);
  return image;
}

async function biosImage(request: ImageRequest): Promise<Buffer> {
  const { scratch, boot, tools } = request;
  const modules = fromPackage(boot, 'grub-pc-bin', 'usr/lib/grub/i386-pc');
  const core = join(scratch, 'core.img');
  await tools.run('grub-mkimage', [
    '-O',
    'i386-pc',
    '-p',
    '/boot/grub',
    '-d',
    modules,
    '-o',
    core,
    ...biosModules,
  ]);
  return Buffer.concat([await readFile(join(modules, 'cdboot.img')), await readFile(core)]);
}

/**
 * Writes the hybrid image: El Torito for BIOS and EFI, an MBR and a GPT with the EFI system partition for
 * sticks. Every time stamp and identifier is given, so the same inputs give the same bytes.
 */
export async function writeImage(request: ImageRequest): Promise<void> {
  const { scratch, boot, tools, output } = request;
  const tree = join(scratch, 'iso');
  await place(request.kernel, join(tree, 'remetal', 'vmlinuz'));
  for (const [name, segment] of request.segments) await place(segment, join(tree, 'remetal', name));
  await put(join(tree, 'remetal', `build-${request.buildId}`), `${request.buildId}\n`);
  await put(join(tree, '.disk', 'info'), 'Remetal appliance\n');
  await put(join(tree, 'boot', 'grub', 'grub.cfg'), request.grubConfiguration);
  await put(join(tree, 'boot', 'grub', 'settings.cfg'), request.settings);
  await put(join(tree, 'boot', 'grub', 'bios.img'), await biosImage(request));
  for (const [path, source] of request.extra) await place(source, join(tree, path));
  const efi = await efiPartition(request);

  const date = new Date(buildEpoch() * 1000).toISOString().replaceAll(/[-:T]|\..*/g, '');
  const partial = `${output}.partial`;
  await rm(partial, { force: true });
  await tools.run('xorriso', [
    // Written first: no configuration of the person who builds may change the image.
    '-no_rc',
    '-as',
    'mkisofs',
    '-quiet',
    '-r',
    '-J',
    '-joliet-long',
    '-iso-level',
    '3',
    '-V',
    LABEL,
    '-o',
    partial,
    `--modification-date=${date}00`,
    '--set_all_file_dates',
    `${date}00`,
    '--gpt_disk_guid',
    guidOf(request.buildId),
    '--grub2-mbr',
    fromPackage(boot, 'grub-pc-bin', 'usr/lib/grub/i386-pc/boot_hybrid.img'),
    '-partition_offset',
    '16',
    '--mbr-force-bootable',
    '-append_partition',
    '2',
    EFI_SYSTEM,
    efi,
    '-appended_part_as_gpt',
    '-iso_mbr_part_type',
    BASIC_DATA,
    '-c',
    'boot/boot.cat',
    '-b',
    'boot/grub/bios.img',
    '-no-emul-boot',
    '-boot-load-size',
    '4',
    '-boot-info-table',
    '--grub2-boot-info',
    '-eltorito-alt-boot',
    '-e',
    '--interval:appended_partition_2:all::',
    '-no-emul-boot',
    tree,
  ]);
  await rename(partial, output);
}

/** A version-4 GUID from the build's name: xorriso derives all others of the GPT from this one. */
function guidOf(buildId: string): string {
  const hex = buildId.padEnd(32, '0').slice(0, 32);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join('-');
}

/** Files of a folder as extra files of the image, below `under`. */
export async function imageFolder(folder: string, under: string): Promise<Map<string, string>> {
  if (!(await stat(folder).catch(() => null))?.isDirectory()) {
    throw new RemetalError('usage', `The folder ${folder} is not there`, { facts: { folder } });
  }
  const names = await filesUnder(folder);
  return new Map(names.map((name) => [`${under}/${name}`, join(folder, name)]));
}
