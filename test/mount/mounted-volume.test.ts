import { readdirSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDisk } from '../../src/disk/index.ts';
import { withMountedVolume } from '../../src/mount/mounted-volume.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { leftovers, madeImage } from './images.ts';

const tools = {
  ext4: ['mkfs.ext4'],
  xfs: ['mkfs.xfs'],
  btrfs: ['mkfs.btrfs'],
  ntfs: ['mkfs.ntfs', 'ntfs-3g'],
} as const;

// One after the other: what is mounted is served by this process, which must not wait for a program meanwhile.
for (const filesystem of ['ext4', 'xfs', 'btrfs', 'ntfs'] as const) {
  requiresRoot(
    'losetup',
    'mount',
    'nbdfuse',
    ...tools[filesystem],
  )(
    `${filesystem}: what a device holds is there as files while work is done, and nothing is left`,
    async (t) => {
      const folder = temporary(t);
      const image = madeImage(folder, filesystem);
      const before = await readFile(image);
      const device = await openDisk(image);
      const names = await withMountedVolume(device, { folder, filesystem, replay: false }, async (root) => {
        t.is((await readFile(join(root, 'folder 3', 'link'))).length, 977);
        return await readdir(join(root, 'folder 3', 'deep'));
      });
      t.is(names.length, 25);
      t.deepEqual(leftovers(folder), []);
      t.deepEqual(
        readdirSync(folder).filter((name) => name.startsWith('remetal-')),
        [],
      );
      const wrong = new Error('what went wrong');
      await t.throwsAsync(
        withMountedVolume(device, { folder, filesystem, replay: false }, () => Promise.reject(wrong)),
        { is: wrong },
      );
      t.deepEqual(leftovers(folder), []);
      await device.close();
      t.true((await readFile(image)).equals(before), 'the device is as it was');
    },
  );
}

requiresRoot(
  'losetup',
  'mount',
  'nbdfuse',
  'mkfs.ext4',
)('what is no such volume is refused', async (t) => {
  const folder = temporary(t);
  const device = await openDisk(madeImage(folder, 'ext4'));
  const work = (): Promise<void> => Promise.resolve(t.fail('it was mounted'));
  await t.throwsAsync(withMountedVolume(device, { folder, filesystem: 'xfs', replay: false }, work), {
    code: 'mount-failed',
  });
  await t.throwsAsync(withMountedVolume(device, { folder, filesystem: 'luks', replay: false }, work), {
    code: 'mount-failed',
  });
  t.deepEqual(leftovers(folder), []);
  await device.close();
});
