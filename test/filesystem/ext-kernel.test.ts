import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { detect } from '../../src/filesystem/index.ts';
import { trustedMap } from '../contract/filesystem.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { imageDevice, strip } from './devices.ts';
import { blank, copied, manifest, run, sourceTree, status } from './fixtures.ts';

const MiB = 1024 * 1024;

/** The kernel allocates, and leaves group bitmaps unwritten, by rules of its own: not those of mke2fs. */
const variants: [type: string, ...args: string[]][] = [
  ['ext2', '-b', '1024'],
  ['ext3', '-b', '1024'],
  ['ext4', '-b', '1024'],
  ['ext4', '-b', '4096', '-g', '1024', '-O', '^resize_inode'],
  ['ext4', '-b', '1024', '-O', '^metadata_csum,uninit_bg'],
  ['ext4', '-b', '4096', '-O', 'bigalloc'],
  ['ext4', '-b', '1024', '-O', 'meta_bg,^resize_inode'],
  ['ext4', '-b', '4096', '-O', 'inline_data', '-I', '512'],
];

for (const [type, ...args] of variants) {
  requiresRoot('mke2fs', 'e2fsck', 'mount').serial(
    `written by the kernel: ${type} ${args.join(' ')}`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const size = 128 * MiB;
      const image = blank(join(folder, 'image'), size);
      const tree = sourceTree(join(folder, 'tree'));
      run('mke2fs', '-q', '-F', '-t', type, ...args, image);
      const mount = join(folder, 'mounted');
      mkdirSync(mount);
      const mounted = <T>(options: string, work: () => T): T => {
        run('mount', '-t', type, '-o', options, image, mount);
        try {
          return work();
        } finally {
          run('umount', mount);
        }
      };
      const torn = join(folder, 'torn');
      mounted('loop', () => {
        for (const copy of ['one', 'two', 'three']) run('cp', '-a', tree, join(mount, copy));
        rmSync(join(mount, 'two'), { recursive: true });
        for (let i = 0; i < 400; i++) writeFileSync(join(mount, 'three', `new ${i}`), 'n'.repeat(i * 20));
        for (let i = 0; i < 400; i += 3) rmSync(join(mount, 'three', `new ${i}`));
        run('sync', '-f', mount);
        copied(image, torn);
      });
      const doubtful = await (await detect(imageDevice(t, torn)))?.usedMap();
      t.regex(doubtful?.reason ?? 'trusted', type === 'ext2' ? /not cleanly unmounted/ : /needs recovery/);

      const before = mounted('loop,ro', () => manifest(mount));
      const map = await trustedMap(t, imageDevice(t, image), type);
      strip(image, size, map.used);
      const check = status('e2fsck', '-f', '-n', image);
      t.is(check.status, 0, check.output);
      t.deepEqual(
        mounted('loop,ro', () => manifest(mount)),
        before,
      );
    },
  );
}
