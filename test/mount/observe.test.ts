import { lstat, readdir, readFile, readlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityOf, openDisk, recording, type BlockDevice } from '../../src/disk/index.ts';
import { detect } from '../../src/filesystem/index.ts';
import { setVolume } from '../../src/mount/index.ts';
import { withMountedVolume } from '../../src/mount/mounted-volume.ts';
import { observeControlSet } from '../../src/mount/observe.ts';
import { intersect, normalize, type Extent } from '../../src/bytes/index.ts';
import { backedUp, type BackedUp } from '../helpers/backed-up.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { noise } from '../restore/sets.ts';
import { temporary } from '../helpers/temporary.ts';
import { leftovers, madeImage, tool } from './images.ts';

/** As ls -lR goes about it, one call at a time. */
async function listed(root: string): Promise<number> {
  let count = 0;
  for (const name of await readdir(root)) {
    const path = join(root, name);
    const facts = await lstat(path);
    count++;
    if (facts.isSymbolicLink()) await readlink(path);
    if (facts.isDirectory()) count += await listed(path);
  }
  return count;
}

async function stored(image: string, device: BlockDevice, folder: string): Promise<BackedUp> {
  return await backedUp([{ device, identity: await identityOf(image) }], {
    observe: (volume, type) => observeControlSet(volume, type, { folder }),
  });
}

const needsOf = {
  ext4: ['mkfs.ext4'],
  xfs: ['mkfs.xfs'],
  btrfs: ['mkfs.btrfs'],
  ntfs: ['mkfs.ntfs', 'ntfs-3g'],
} as const;

for (const filesystem of ['ext4', 'xfs', 'btrfs', 'ntfs'] as const) {
  requiresRoot('losetup', 'mount', ...needsOf[filesystem]).serial(
    `${filesystem}: a later mount reads nothing outside the control set, but the files that are opened`,
    async (t) => {
      const folder = temporary(t);
      const image = madeImage(folder, filesystem);
      const device = await openDisk(image);
      const { reader, totals } = await stored(image, device, folder);
      const [volume] = totals.volumes;
      t.is(volume!.control?.by, filesystem === 'ext4' ? 'format' : 'observation');
      const map = reader.maps.get('disk1.whole')!;
      t.true(map.control.length > 0);
      t.true(volume!.control!.bytes < volume!.kept, 'it is not everything');

      const read = recording(setVolume(reader, 'disk1.whole'));
      const outside = (): readonly Extent[] => {
        const touched = read.accesses.map(({ offset, length }) => ({ start: offset, length }));
        // What is in no record is zeros, and costs the medium nothing.
        return intersect(normalize(touched), map.data);
      };
      await withMountedVolume(read, { folder, filesystem, replay: false }, async (root) => {
        // Folders, deep folders, links and files; ext4 has its lost+found.
        t.is(await listed(root), 12 * (3 + 25) + 2 + (filesystem === 'ext4' ? 1 : 0));
        t.deepEqual(outside(), []);
        t.is((await readFile(join(root, 'large'))).length, 3 * 1024 * 1024);
        t.true(outside().length > 0, 'what a file holds is fetched when it is read');
      });
      await reader.close();
      await device.close();
      t.deepEqual(leftovers(folder), []);
    },
  );
}

requiresRoot('losetup', 'mount', 'mkfs.ext4').serial(
  'what cannot be observed has no control set',
  async (t) => {
    const folder = temporary(t);
    const image = madeImage(folder, 'ext4', () => {});
    const device = await openDisk(image);
    t.deepEqual(await observeControlSet(device, 'luks', { folder }), []);
    await t.throwsAsync(observeControlSet(device, 'xfs', { folder }), { code: 'mount-failed' });
    await device.close();
    t.deepEqual(leftovers(folder), []);
  },
);

requires(
  'mkfs.fat',
  'mcopy',
  'mmd',
)('FAT: our own reader lists the files from the control set alone', async (t) => {
  const folder = temporary(t);
  const image = join(folder, 'fat.img');
  await writeFile(image, '');
  await truncate(image, 64 * 1024 * 1024);
  tool('mkfs.fat', '-F', '32', image);
  await writeFile(join(folder, 'words'), noise(40_000, 3));
  for (let i = 0; i < 10; i++) {
    tool('mmd', '-i', image, `::folder-${i}`);
    tool('mcopy', '-i', image, join(folder, 'words'), `::folder-${i}/a long name ${i}.txt`);
  }
  const device = await openDisk(image);
  t.teardown(() => device.close());
  const { reader, totals } = await stored(image, device, folder);
  t.is(totals.volumes[0]!.control?.by, 'format');
  const read = recording(setVolume(reader, 'disk1.whole'));
  const filesystem = await detect(read);
  const tree = await filesystem!.tree!();
  let files = 0;
  for await (const file of tree.walk()) if (file.kind === 'file') files++;
  t.is(files, 10);
  const touched = read.accesses.map(({ offset, length }) => ({ start: offset, length }));
  t.deepEqual(intersect(normalize(touched), reader.maps.get('disk1.whole')!.data), []);
  await reader.close();
});
