import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { createSet, GroupIndex, openSet } from '../../src/archive/index.ts';
import { faultyMedium, fileMedium, memoryMedium } from '../../src/medium/index.ts';
import { groupBytes, readVolume, testHead, testLayout, testVolume, writeSet } from '../archive/sets.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

test('a medium that is full or fails stops the backup with its code, and nothing looks complete', async (t) => {
  const volume = testVolume('disk1.whole', 7, 8);
  const limits = [1000, 30_000, 150_000, 290_000];
  for (const limit of limits) {
    const full = memoryMedium();
    await t.throwsAsync(writeSet(faultyMedium(full, { fullAfter: limit }), [volume]), {
      code: 'medium-full',
    });
    const failing = memoryMedium();
    await t.throwsAsync(writeSet(faultyMedium(failing, { writeErrorAfter: limit }), [volume]), {
      code: 'medium-failed',
    });
    for (const medium of [full, failing]) {
      t.deepEqual(
        (await medium.list()).filter(({ complete }) => complete),
        [],
      );
    }
  }
});

test('an interrupted backup is refused by name, and can be salvaged', async (t) => {
  const folder = temporary(t);
  const medium = fileMedium(folder);
  const volume = testVolume('disk1.whole', 7, 8);
  const layout = testLayout('disk1.whole');
  const writer = await createSet(medium, {
    head: testHead(),
    layout,
    maps: [volume.map],
    level: 1,
    name: 'set',
  });
  const index = new GroupIndex(volume.map);
  await writer.beginVolume(volume.map);
  for (let i = 0; i < 4; i++) await writer.group(groupBytes(volume, index, i));
  await writer.abort();
  t.like((await medium.list())[0], { name: 'set', complete: false });
  await t.throwsAsync(openSet(medium, 'set'), { code: 'set-incomplete' });
  const got = await readVolume(medium, 'disk1.whole', { salvage: true, onDamage: 'report' });
  t.deepEqual(
    got.damaged,
    [4, 5, 6, 7, 8].map((group) => ({ index: group, code: 'record-missing' })),
  );
  await writeFile(join(folder, 'killed.tar.partial'), '');
  await t.throwsAsync(openSet(medium, 'killed'), { code: 'set-incomplete' });
});

requiresRoot('mount', 'umount')(
  'a full file system stops the backup and says how far it came',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const place = join(folder, 'small');
    await mkdir(place);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'none', place]);
    try {
      const medium = fileMedium(place);
      const volume = testVolume('disk1.whole', 7, 200);
      const error = await t.throwsAsync(writeSet(medium, [volume], { level: 0 }), { code: 'medium-full' });
      t.regex(error?.message ?? '', /full after/);
      t.deepEqual(await readdir(place), ['set.tar.partial']);
      t.like((await medium.list())[0], { complete: false });
    } finally {
      await execa('umount', [place]);
    }
  },
);
