import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { backup } from '../../src/backup/index.ts';
import { openSet } from '../../src/archive/index.ts';
import { identityOf, openDisk, recording } from '../../src/disk/index.ts';
import { memoryMedium } from '../../src/medium/memory.ts';
import { setVolume } from '../../src/mount/index.ts';
import { withMountedVolume } from '../../src/mount/mounted-volume.ts';
import { observeControlSet } from '../../src/mount/observe.ts';
import { silent } from '../../src/progress/index.ts';
import { intersect, normalize, type Extent } from '../../src/bytes/index.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { leftovers, madeImage } from './images.ts';

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
      const medium = memoryMedium();
      const { set, totals } = await backup({
        disks: [{ device, identity: await identityOf(image) }],
        medium,
        machine: { hostname: 'x', firmware: null, vendor: null, product: null, serial: null },
        name: 'x',
        note: '',
        allSectors: false,
        onReadError: 'stop',
        level: 1,
        now: new Date('2031-02-03T04:05:06Z'),
        reporter: silent,
        observe: (volume, type) => observeControlSet(volume, type, { folder }),
      });
      const [volume] = totals.volumes;
      t.is(volume!.control?.by, filesystem === 'ext4' ? 'format' : 'observation');
      const reader = await openSet(medium, set);
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
