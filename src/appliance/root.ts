import { mkdir, readFile, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RemetalError } from '../errors/index.ts';
import { run } from '../system/index.ts';
import { exists, filesUnder, linkFolder, linkOrCopy } from './cache.ts';
import { libraryClosure } from './elf.ts';
import type { Tree } from './initramfs.ts';
import type { ListedPackage } from './lists.ts';
import { moduleClosure, parseModuleList } from './modules.ts';
import type { UnpackedPackage } from './packages.ts';
import { findProgram, libraryIndex, libraryPlace, type Tools } from './tools.ts';

/** Names under which programs are called beside their own. */
const otherNames: Readonly<Record<string, readonly string[]>> = {
  e2fsck: ['fsck.ext2', 'fsck.ext3', 'fsck.ext4'],
  'fsck.fat': ['fsck.vfat'],
  kmod: ['modprobe', 'insmod', 'rmmod', 'lsmod', 'modinfo', 'depmod'],
  lvm: ['lvs', 'lvcreate', 'lvchange', 'vgs', 'vgcreate', 'vgchange', 'pvs', 'pvcreate', 'vgcfgrestore'],
  mke2fs: ['mkfs.ext2', 'mkfs.ext3', 'mkfs.ext4'],
  'mkfs.fat': ['mkfs.vfat'],
  'mt-st': ['mt'],
  mtools: ['mcopy', 'mdel', 'mdir', 'mmd'],
  'ntfs-3g': ['mount.ntfs-3g', 'mount.ntfs'],
  tune2fs: ['e2label'],
};

/** Folders that must be there, with modes of their own where they have one. */
const folders: Readonly<Record<string, number>> = {
  dev: 0o755,
  etc: 0o755,
  media: 0o755,
  mnt: 0o755,
  proc: 0o555,
  root: 0o700,
  run: 0o755,
  sys: 0o555,
  tmp: 0o1777,
  'var/log': 0o755,
};

/** depmod's tables that the appliance does not read. */
const unreadTables = new Set(['modules.symbols', 'modules.symbols.bin']);

export interface RootRequest {
  readonly programs: readonly ListedPackage[];
  readonly packages: readonly UnpackedPackage[];
  /** Files that bring needs of their own: the agent's runtime. Only their libraries are taken. */
  readonly runtimes: readonly string[];
  /** Folders laid over the root, in order. */
  readonly overlays: readonly string[];
}

/**
 * The appliance's root without kernel modules and agent: the picked programs, the libraries they need,
 * busybox for everything else, and the overlays. Throws `build-failed` naming a library nobody has.
 */
export async function rootTree(request: RootRequest): Promise<Tree> {
  const tree: Tree = new Map();
  for (const [path, mode] of Object.entries(folders)) tree.set(path, { type: 'directory', mode });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    tree.set(name, { type: 'symlink', target: `usr/${name}` });
  }
  // The kernel opens it for /init before devtmpfs is mounted.
  tree.set('dev/console', { type: 'device', mode: 0o600, major: 5, minor: 1 });

  const files: string[] = [...request.runtimes];
  let busybox: string | undefined;
  for (const listed of request.programs) {
    const unpacked = request.packages.find((candidate) => candidate.name === listed.name);
    if (unpacked === undefined)
      throw new RemetalError('internal', `The package ${listed.name} was not unpacked`);
    for (const program of listed.programs) {
      const { place, file } = await findProgram(unpacked, program);
      const folder = place.endsWith('sbin') ? 'usr/sbin' : 'usr/bin';
      tree.set(`${folder}/${program}`, { type: 'file', mode: 0o755, source: file });
      for (const name of otherNames[program] ?? []) {
        tree.set(`${folder}/${name}`, { type: 'symlink', target: program });
      }
      files.push(file);
      if (program === 'busybox') busybox = file;
    }
  }
  await addLibraries(tree, request.packages, files);
  await addCharacterSet(tree, request.packages);
  if (busybox !== undefined) await addApplets(tree, busybox);
  for (const overlay of request.overlays) await addOverlay(tree, overlay, '');
  return tree;
}

async function addLibraries(
  tree: Tree,
  packages: readonly UnpackedPackage[],
  files: readonly string[],
): Promise<void> {
  const index = await libraryIndex(packages);
  const closure = await libraryClosure({
    files,
    find: (name) => index.get(name) ?? null,
    read: (path) => readFile(path),
  });
  if (closure.missing.size > 0) {
    const [name, users] = [...closure.missing][0]!;
    throw new RemetalError('build-failed', `The library ${name} is in none of the packages`, {
      hint: `${basename(users[0]!)} needs it: add its package to iso/packages.txt.`,
      facts: { missing: Object.fromEntries(closure.missing) },
    });
  }
  for (const [name, source] of closure.libraries) {
    tree.set(libraryPlace(name), { type: 'file', mode: 0o755, source });
  }
}

/* mtools does nothing without the code page of short FAT names; the overlay's gconv-modules names it. */
async function addCharacterSet(tree: Tree, packages: readonly UnpackedPackage[]): Promise<void> {
  const place = 'usr/lib/x86_64-linux-gnu/gconv/IBM850.so';
  const libc = packages.find(({ name }) => name === 'libc6');
  if (libc === undefined || !(await exists(join(libc.folder, place)))) {
    throw new RemetalError('build-failed', 'No package brings the code page 850', {
      hint: 'libc6 is expected to hold it.',
      facts: { place },
    });
  }
  tree.set(place, { type: 'file', mode: 0o644, source: join(libc.folder, place) });
}

/** Every busybox applet that no real program in the root has the name of. */
async function addApplets(tree: Tree, busybox: string): Promise<void> {
  const { stdout } = await run(busybox, ['--list']);
  for (const applet of stdout.split('\n').filter((name) => name !== '' && name !== 'busybox')) {
    if (tree.has(`usr/sbin/${applet}`) || tree.has(`usr/bin/${applet}`)) continue;
    tree.set(`usr/bin/${applet}`, { type: 'symlink', target: 'busybox' });
  }
}

/** Lays a folder over the tree, under `under`; only the executable bit of a file's mode counts. */
export async function addOverlay(tree: Tree, folder: string, under: string): Promise<void> {
  for (const name of await filesUnder(folder)) {
    const source = join(folder, name);
    const executable = ((await stat(source)).mode & 0o111) !== 0;
    const place = join(under, name).replace(/^(bin|sbin|lib)\//, 'usr/$1/');
    tree.set(place, { type: 'file', mode: executable ? 0o755 : 0o644, source });
  }
}

/**
 * Adds the kernel modules of the committed list with what they need. The files are taken as they are:
 * their signatures, which Secure Boot asks for, cover every byte. `scratch` holds what depmod writes.
 */
export async function addModules(request: {
  readonly tree: Tree;
  readonly kernel: UnpackedPackage;
  readonly release: string;
  readonly list: string;
  readonly tools: Tools;
  readonly scratch: string;
}): Promise<void> {
  const { tree, release, tools, scratch } = request;
  const source = join(request.kernel.folder, 'lib/modules', release);
  // The unpacked package belongs to the cache, so depmod works on a copy made of links.
  const all = join(scratch, 'all');
  await mkdir(join(all, 'lib/modules'), { recursive: true });
  await linkFolder(source, join(all, 'lib/modules', release));
  await tools.run('depmod', ['--basedir', all, release]);
  const table = async (name: string): Promise<string> =>
    readFile(join(all, 'lib/modules', release, name), 'utf8');
  const paths = moduleClosure(
    {
      dependencies: await table('modules.dep'),
      soft: await table('modules.softdep'),
      aliases: await table('modules.alias'),
      builtin: await readFile(join(source, 'modules.builtin'), 'utf8'),
    },
    parseModuleList(request.list),
  );

  const selected = join(scratch, 'selected');
  const place = join(selected, 'lib/modules', release);
  for (const path of paths) {
    await mkdir(dirname(join(place, path)), { recursive: true });
    await linkOrCopy(join(source, path), join(place, path));
    tree.set(`usr/lib/modules/${release}/${path}`, { type: 'file', mode: 0o644, source: join(source, path) });
  }
  for (const name of ['modules.builtin', 'modules.builtin.modinfo', 'modules.order']) {
    await linkOrCopy(join(source, name), join(place, name));
  }
  await tools.run('depmod', ['--basedir', selected, release]);
  for (const name of (await readdir(place)).toSorted()) {
    if (!name.startsWith('modules.') || unreadTables.has(name)) continue;
    // Read now: the scratch folder is gone when the tree is written elsewhere.
    const content = await readFile(join(place, name));
    tree.set(`usr/lib/modules/${release}/${name}`, { type: 'file', mode: 0o644, source: content });
  }
}
