import { closeSync, mkdirSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { subtract, total } from '../../src/bytes/index.ts';
import { detect } from '../../src/filesystem/index.ts';
import { trustedMap } from '../contract/filesystem.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { imageDevice, strip } from './devices.ts';
import { blank, copied, manifest, partcloneUsed, run, sourceTree, status } from './fixtures.ts';

const MiB = 1024 * 1024;

const variants: { name: string; type: string; size: number; args: string[] }[] = [
  { name: 'FAT12, floppy', type: 'fat12', size: 1.40625, args: ['-F', '12'] },
  { name: 'FAT12, 8 MiB', type: 'fat12', size: 8, args: ['-F', '12'] },
  { name: 'FAT16', type: 'fat16', size: 40, args: ['-F', '16'] },
  { name: 'FAT16, one table', type: 'fat16', size: 40, args: ['-F', '16', '-f', '1'] },
  { name: 'FAT32', type: 'fat32', size: 80, args: ['-F', '32'] },
  { name: 'FAT32, 4 KiB sectors', type: 'fat32', size: 300, args: ['-F', '32', '-S', '4096'] },
];

/** Fills the image with mtools: long names, nested folders, then every third file taken out again. */
function fill(image: string, folder: string): void {
  const tree = sourceTree(join(folder, 'tree'));
  for (const name of ['short link', 'long link', 'n'.repeat(255)]) rmSync(join(tree, name));
  const big = statSync(image).size > 2 * MiB;
  if (!big) for (const name of ['large.bin', 'other.bin', 'holes']) rmSync(join(tree, name));
  mkdirSync(join(tree, 'EFI', 'Boot'), { recursive: true });
  writeFileSync(join(tree, 'EFI', 'Boot', 'grubx64.efi'), 'x'.repeat(50_000));
  run(
    'mcopy',
    '-s',
    '-Q',
    '-i',
    image,
    `${tree}/folder 0`,
    `${tree}/folder 1`,
    `${tree}/folder 6`,
    `${tree}/EFI`,
    '::/',
  );
  if (big) run('mcopy', '-i', image, join(tree, 'large.bin'), join(tree, 'other.bin'), '::/');
  for (const i of [0, 3, 6, 9]) run('mdel', '-i', image, `::/folder 6/a/b/file-${i}`);
  if (big) run('mdel', '-i', image, '::/large.bin');
}

function listed(image: string, into: string): string[] {
  mkdirSync(into);
  run('mcopy', '-s', '-n', '-i', image, '::/*', into);
  return manifest(into);
}

for (const { name, type, size, args } of variants) {
  requires('mkfs.fat', 'fsck.fat', 'mcopy').serial(
    `strip and compare: ${name}`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const image = blank(join(folder, 'image'), size * MiB);
      run('mkfs.fat', '-n', 'EFI', '-i', 'cafe0815', ...args, image);
      fill(image, folder);
      const before = listed(image, join(folder, 'before'));
      t.true(before.length > 30);
      const filesystem = await detect(imageDevice(t, image));
      t.is(filesystem?.facts.label, 'EFI');
      t.is(filesystem?.facts.uuid, 'CAFE-0815');
      const map = await trustedMap(t, imageDevice(t, image), type);
      t.true(total(map.used) < size * MiB * 0.8);
      strip(image, size * MiB, map.used);
      const check = status('fsck.fat', '-n', image);
      t.is(check.status, 0, check.output);
      t.deepEqual(listed(image, join(folder, 'after')), before);
    },
  );
}

for (const { name, size, args } of variants.slice(1, 5)) {
  requires('mkfs.fat', 'mcopy', 'mdir').serial(
    `control set and files: ${name}`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const image = blank(join(folder, 'image'), size * MiB);
      run('mkfs.fat', ...args, image);
      fill(image, folder);
      const listing = (): string => run('mdir', '-/', '-b', '-i', image, '::/');
      const before = listing();
      const filesystem = await detect(imageDevice(t, image));
      const names = (await filesystem?.filesIn?.([{ start: 0, length: size * MiB }])) ?? [];
      const paths = new Set(names.map(({ path }) => path));
      for (const line of before.trim().split('\n')) {
        const path = line.replace(/^::/, '').replace(/(?<=.)\/$/, '');
        t.true(paths.has(path), path);
      }
      const target = names.find(({ path, part }) => path === '/EFI/Boot/grubx64.efi' && part === 'data');
      const shown = run('mshowfat', '-i', image, '::/EFI/Boot/grubx64.efi');
      t.is(target?.inode, Number(/<(\d+)/.exec(shown)?.[1]));
      const control = (await filesystem?.controlSet()) ?? [];
      t.true(total(control) < 700_000);
      strip(image, size * MiB, control);
      t.is(listing(), before);
    },
  );
}

requires('mkfs.fat', 'mcopy', 'partclone.fat').serial(
  'the used map is never smaller than partclone’s',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    for (const { args, size, type } of variants.filter((one) => ['FAT16', 'FAT32'].includes(one.name))) {
      const image = blank(join(folder, type), size * MiB);
      run('mkfs.fat', ...args, image);
      rmSync(join(folder, 'tree'), { recursive: true, force: true });
      fill(image, folder);
      const map = await trustedMap(t, imageDevice(t, image), type);
      const theirs = partcloneUsed('fat', image, folder);
      t.true(theirs.length > 0);
      t.deepEqual(subtract(theirs, map.used), []);
    }
  },
);

requires('mkfs.fat', 'fsck.fat')(
  'a FAT32 with few clusters is read as Linux reads it',
  async (t: ExecutionContext) => {
    const image = blank(join(temporary(t), 'image'), 20 * MiB);
    run('mkfs.fat', '-F', '32', image);
    const map = await trustedMap(t, imageDevice(t, image), 'fat32');
    strip(image, 20 * MiB, map.used);
    t.is(status('fsck.fat', '-n', image).status, 0);
  },
);

requires('mkfs.fat').serial(
  'a table in doubt is taken whole, a bad cluster is not read',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = blank(join(folder, 'image'), 40 * MiB);
    run('mkfs.fat', '-F', '16', '-R', '4', '-f', '2', image);
    const fatLength = Number(/(\d+) bytes per FAT/.exec(run('fsck.fat', '-n', '-v', image))?.[1]);
    const patched = async (
      ...writes: [number, number[]][]
    ): Promise<{ reason: string | null; used: number }> => {
      const copy = join(folder, 'copy');
      copied(image, copy);
      const fd = openSync(copy, 'r+');
      for (const [offset, bytes] of writes) writeSync(fd, Buffer.from(bytes), 0, bytes.length, offset);
      closeSync(fd);
      const map = await (await detect(imageDevice(t, copy)))?.usedMap();
      return { reason: map?.reason ?? null, used: total(map?.used ?? []) };
    };
    const plain = await patched();
    t.is(plain.reason, null);
    t.regex((await patched([37, [1]])).reason ?? '', /not cleanly unmounted/);
    t.regex((await patched([4 * 512 + 2, [0xff, 0x7f]])).reason ?? '', /not cleanly unmounted/);
    t.regex(
      (await patched([4 * 512 + 100, [0xff, 0xff]])).reason ?? '',
      /copies of the allocation table differ/,
    );
    t.regex((await patched([4 * 512, [0xf0]])).reason ?? '', /media byte/);
    t.regex((await patched([19, [0, 0]], [32, [0x50, 0x40, 0x01, 0]])).reason ?? '', /claims 41984000 bytes/);
    const marked: [number, number[]][] = [0, fatLength].map((copy) => [4 * 512 + copy + 100, [0xf7, 0xff]]);
    const bad = await patched(...marked);
    t.is(bad.reason, null);
    t.is(bad.used, plain.used);
  },
);
