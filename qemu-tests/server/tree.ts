import { join } from 'node:path';
import { cached, keyOf, run } from '../harness/index.ts';

const suite = 'bookworm';

const packages = [
  'acl',
  'attr',
  'dbus',
  'e2fsprogs',
  'grub-efi-amd64-signed',
  'grub-pc-bin',
  'initramfs-tools',
  'kmod',
  'linux-image-amd64',
  'procps',
  'python3-minimal',
  'shim-signed',
  'systemd-sysv',
  'udev',
  'util-linux',
  'zstd',
];

/* Documentation and the drivers no server in a rack needs: an emulated machine reads every byte slowly. */
const leftOut = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/locale/*',
  ...['sound', 'drivers/gpu', 'drivers/media', 'drivers/staging', 'drivers/infiniband'].map(
    (folder) => `/lib/modules/*/kernel/${folder}/*`,
  ),
  '/lib/modules/*/kernel/drivers/net/wireless/*',
];

const options = [
  '--variant=minbase',
  '--aptopt=Apt::Install-Recommends "false"',
  ...leftOut.map((path) => `--dpkgopt=path-exclude=${path}`),
  `--include=${packages.join(',')}`,
  suite,
];

export const treeKey = keyOf(JSON.stringify(options));

/** The server's file tree as a tar, made from Debian's packages once and kept in the cache. */
export async function serverTree(): Promise<string> {
  const folder = await cached('tree', treeKey, async (growing) => {
    await run('mmdebstrap', ['--quiet', ...options, join(growing, 'tree.tar')]);
  });
  return join(folder, 'tree.tar');
}
