import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { linkFolder } from '../../src/appliance/cache.ts';
import type { Ingredients } from '../../src/appliance/ingredients.ts';
import { writeInitramfs, type Tree } from '../../src/appliance/initramfs.ts';
import { findProgram } from '../../src/appliance/tools.ts';
import { cached, keyOf } from '../harness/index.ts';
import type { GuestKernel } from './kernels.ts';
import { loadOrder, nameOf } from './load-order.ts';

/** What a guest needs to see tape drives and the files of the host. */
const always = ['virtio_pci', 'virtio_scsi', '9p', '9pnet_virtio', 'sg', 'st'];

/**
 * Arguments behind `--` on the kernel's command line: how many tape drives to wait for, then the program that
 * runs and its arguments. The host's files are its root, its own devices are the guest's.
 */
const init = (loads: readonly string[]): string => `#!/bin/busybox sh
busybox() { /bin/busybox "$@"; }
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
${loads.map((load) => `busybox insmod ${load} || echo "GUEST-LACKS ${load}"`).join('\n')}
busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /host
for folder in dev proc sys; do busybox mount --bind /$folder /host/$folder; done
busybox mkdir /host/dev/shm
busybox mount -t tmpfs shm /host/dev/shm
export TMPDIR=/dev/shm
drives=$1
shift
waited=0
until [ -e /dev/nst$((drives - 1)) ] || [ $waited -ge 300 ]; do
  busybox usleep 100000
  waited=$((waited + 1))
done
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin busybox chroot /host "$@" 2>&1
echo "GUEST-ENDED $?"
busybox poweroff -f
`;

/** Tables of depmod over a copy made of links. */
async function moduleTables(
  { tools }: Ingredients,
  kernel: GuestKernel,
): Promise<{ dependencies: string; builtin: string }> {
  const work = await mkdtemp(join(tmpdir(), 'remetal-modules-'));
  try {
    const place = join(work, 'usr/lib/modules', kernel.release);
    await mkdir(dirname(place), { recursive: true });
    await symlink('usr/lib', join(work, 'lib'));
    await linkFolder(kernel.modules, place);
    await tools.run('depmod', ['--basedir', work, kernel.release]);
    return {
      dependencies: await readFile(join(place, 'modules.dep'), 'utf8'),
      builtin: await readFile(join(place, 'modules.builtin'), 'utf8'),
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * The initramfs of a guest with tape drives: busybox, modules and an init. `more` are modules beyond the usual
 * ones, by name, with their parameters.
 */
export async function guestInitramfs(
  ingredients: Ingredients,
  kernel: GuestKernel,
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const key = keyOf(kernel.modules, JSON.stringify([always, more]), init([]));
  const folder = await cached('tape-guest', key, async (growing) => {
    const { dependencies, builtin } = await moduleTables(ingredients, kernel);
    const paths = loadOrder(dependencies, builtin, [...always, ...Object.keys(more)]);
    const brings = ingredients.appliance.find(({ name }) => name === 'busybox-static')!;
    const busybox = await findProgram(brings, 'busybox');
    const tree: Tree = new Map();
    tree.set('bin/busybox', { type: 'file', mode: 0o755, source: busybox.file });
    for (const name of ['dev', 'proc', 'sys', 'host']) tree.set(name, { type: 'directory', mode: 0o755 });
    const loads: string[] = [];
    for (const path of paths) {
      const name = nameOf(path);
      tree.set(`modules/${name}.ko`, {
        type: 'file',
        mode: 0o644,
        source: await plainModule(busybox.file, join(kernel.modules, path)),
      });
      loads.push(`/modules/${name}.ko ${more[name] ?? ''}`.trim());
    }
    const script = join(growing, 'init');
    await writeFile(script, init(loads));
    tree.set('init', { type: 'file', mode: 0o755, source: script });
    await writeInitramfs(join(growing, 'initramfs'), tree, 0, ingredients.tools);
  });
  return join(folder, 'initramfs');
}

async function plainModule(busybox: string, path: string): Promise<string | Uint8Array> {
  if (!path.endsWith('.xz')) return path;
  return (await execa(busybox, ['xzcat', path], { encoding: 'buffer' })).stdout;
}
