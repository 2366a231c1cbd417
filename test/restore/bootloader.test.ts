import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import {
  bootEntryChange,
  fallbackCopies,
  loaderOf,
  parseBootEntries,
} from '../../src/restore/bootloader-decisions.ts';
import { restoreBootLoaders } from '../../src/restore/bootloader.ts';
import { run, type RunResult } from '../../src/system/index.ts';
import type { Notice } from '../../src/progress/index.ts';

const time = new Date('2031-02-03T04:05:06Z');
const guid = '0b1f7a52-57ab-4a4e-9c11-5a9f3ec0aa01';
const lost = 'ffffffff-57ab-4a4e-9c11-5a9f3ec0aa02';

test('the fallback path is filled from the vendor folder, shim with what it starts', (t) => {
  t.deepEqual(
    fallbackCopies(['/EFI/debian/grubx64.efi', '/EFI/debian/shimx64.efi', '/EFI/debian/mmx64.efi']),
    [
      { from: '/EFI/debian/shimx64.efi', to: '/EFI/BOOT/BOOTX64.EFI' },
      { from: '/EFI/debian/grubx64.efi', to: '/EFI/BOOT/grubx64.efi' },
      { from: '/EFI/debian/mmx64.efi', to: '/EFI/BOOT/mmx64.efi' },
    ],
  );
  t.deepEqual(fallbackCopies(['/EFI/debian/grubx64.efi']), [
    { from: '/EFI/debian/grubx64.efi', to: '/EFI/BOOT/BOOTX64.EFI' },
  ]);
  t.deepEqual(fallbackCopies(['/efi/boot/bootx64.efi', '/EFI/debian/shimx64.efi']), []);
  t.deepEqual(fallbackCopies(['/EFI/Microsoft/Boot/bootmgfw.efi', '/EFI/README']), []);
});

test('the loader and label of the entry come from the vendor folder, else from the fallback path', (t) => {
  t.deepEqual(loaderOf(['/EFI/BOOT/BOOTX64.EFI', '/EFI/debian/shimx64.efi']), {
    loader: '\\EFI\\debian\\shimx64.efi',
    label: 'debian',
  });
  t.deepEqual(loaderOf(['/EFI/BOOT/BOOTX64.EFI']), { loader: '\\EFI\\BOOT\\BOOTX64.EFI', label: 'Linux' });
  t.is(loaderOf(['/EFI/empty']), null);
});

const menu = (last: string): string =>
  [
    'BootCurrent: 0001',
    'Timeout: 0 seconds',
    'BootOrder: 0001,0000,0002',
    'Boot0000* UiApp\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(462caa21-7614-4503-836e-8ab6f4662331)',
    'Boot0001* UEFI QEMU DVD-ROM QM00003 \tPciRoot(0x0)/Pci(0x1f,0x2)/Sata(1,65535,0)N.....YM....R,Y.',
    last,
    '',
  ].join('\n');

test('entries are read as both generations of efibootmgr print them', (t) => {
  for (const file of ['File(\\EFI\\debian\\shimx64.efi)', '\\EFI\\debian\\shimx64.efi']) {
    const { entries, order } = parseBootEntries(
      menu(`Boot0002* debian\tHD(1,GPT,${guid},0x800,0x100000)/${file}`),
    );
    t.deepEqual(order, ['0001', '0000', '0002']);
    t.deepEqual(entries.at(-1), {
      number: '0002',
      label: 'debian',
      guid,
      loader: '\\EFI\\debian\\shimx64.efi',
    });
    t.is(entries.length, 3);
    t.is(entries[0]!.guid, null);
  }
});

const wanted = { label: 'debian', loader: '\\EFI\\debian\\shimx64.efi', guid, present: [guid] };

test('an entry of a partition that is no more gives way to a new one', (t) => {
  const before = parseBootEntries(
    menu(`Boot0002* debian\tHD(1,GPT,${lost},0x800,0x100000)/File(\\EFI\\DEBIAN\\SHIMX64.EFI)`),
  );
  t.deepEqual(bootEntryChange(before, wanted), { remove: ['0002'], create: true, order: null });
  t.deepEqual(bootEntryChange(before, { ...wanted, present: [guid, lost] }), {
    remove: [],
    create: true,
    order: null,
  });
});

test('an entry that is right is kept and put first', (t) => {
  const before = parseBootEntries(
    menu(`Boot0002* debian\tHD(1,GPT,${guid},0x800,0x100000)/File(\\EFI\\debian\\shimx64.efi)`),
  );
  t.deepEqual(bootEntryChange(before, wanted), {
    remove: [],
    create: false,
    order: ['0002', '0001', '0000'],
  });
  const first = { ...before, order: ['0002', '0001'] };
  t.deepEqual(bootEntryChange(first, wanted), { remove: [], create: false, order: null });
});

/** A disk image with a FAT file system at 1 MiB that holds these files. */
function systemPartition(folder: string, files: Record<string, string>): string {
  const image = join(folder, 'disk.img');
  writeFileSync(image, '');
  execFileSync('truncate', ['-s', '9M', image]);
  execFileSync('mkfs.fat', ['--offset', '2048', '-F', '12', image, '8192'], {
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
    stdio: 'ignore',
  });
  const at = ['-i', `${image}@@1M`];
  const folders = new Set(Object.keys(files).map((path) => path.slice(0, path.lastIndexOf('/'))));
  execFileSync('mmd', [...at, '::/EFI', ...[...folders].map((path) => `::${path}`)]);
  for (const [path, content] of Object.entries(files)) {
    const source = join(folder, 'source');
    writeFileSync(source, content);
    execFileSync('mcopy', [...at, source, `::${path}`]);
  }
  return image;
}

function collected(): { notices: Notice[]; notice: (notice: Notice) => void } {
  const notices: Notice[] = [];
  return { notices, notice: (notice) => notices.push(notice) };
}

requires('mkfs.fat', 'mcopy')(
  'the fallback loader is copied inside a real FAT image at an offset',
  async (t: ExecutionContext) => {
    const image = systemPartition(temporary(t), {
      '/EFI/debian/shimx64.efi': 'a shim',
      '/EFI/debian/grubx64.efi': 'a grub',
    });
    const partition = { path: image, bootable: false, offset: 1 << 20, number: 1, guid };
    const { notices, notice } = collected();
    await restoreBootLoaders({ partitions: [partition], restored: [], bootEntry: true, time, run, notice });
    const type = (path: string): string =>
      execFileSync('mtype', ['-i', `${image}@@1M`, `::${path}`], { encoding: 'utf8' });
    t.is(type('/EFI/BOOT/BOOTX64.EFI'), 'a shim');
    t.is(type('/EFI/BOOT/grubx64.efi'), 'a grub');
    t.deepEqual(
      notices.map((each) => each.code),
      ['fallback-loader'],
    );
    const after = readFileSync(image);
    await restoreBootLoaders({ partitions: [partition], restored: [], bootEntry: true, time, run, notice });
    t.true(readFileSync(image).equals(after));
  },
);

requires('mkfs.fat', 'mcopy')(
  'a system partition without a loader is said and harms nothing',
  async (t: ExecutionContext) => {
    const image = systemPartition(temporary(t), { '/EFI/tools/notes.txt': 'x' });
    const { notices, notice } = collected();
    const partition = { path: image, bootable: true, offset: 1 << 20, number: 1, guid };
    await restoreBootLoaders({ partitions: [partition], restored: [], bootEntry: true, time, run, notice });
    await restoreBootLoaders({
      partitions: [{ ...partition, offset: 0 }],
      restored: [],
      bootEntry: true,
      time,
      run,
      notice,
    });
    t.deepEqual(
      notices.map((each) => each.code),
      ['no-efi-loader', 'no-efi-loader'],
    );
  },
);

/** Plays the programs: answers in the order they are asked for, and a list of what was called. */
function fakeRun(answers: Record<string, string>): { calls: string[]; run: typeof run } {
  const calls: string[] = [];
  return {
    calls,
    run(program, args = []): Promise<RunResult> {
      const line = [program, ...args].join(' ');
      calls.push(line);
      const found = Object.entries(answers).find(([start]) => line.startsWith(start));
      return Promise.resolve({ stdout: found?.[1] ?? '', stderr: '', exitCode: 0 });
    },
  };
}

const disk = { path: '/dev/vda', bootable: true, offset: 1 << 20, number: 15, guid };
const listing = '::/EFI/BOOT/BOOTX64.EFI\n::/EFI/debian/\n::/EFI/debian/shimx64.efi\n';

test('the calls that write a boot entry', async (t) => {
  const { calls, run: fake } = fakeRun({
    mdir: listing,
    'efibootmgr -v': menu(
      `Boot0002* debian\tHD(1,GPT,${lost},0x800,0x1000)/File(\\EFI\\debian\\shimx64.efi)`,
    ),
    blkid: `${guid}\n`,
  });
  const { notices, notice } = collected();
  const done = await restoreBootLoaders({
    partitions: [disk],
    restored: [],
    bootEntry: true,
    time,
    run: fake,
    notice,
  });
  t.deepEqual(done.entries, ['debian']);
  t.deepEqual(notices, []);
  t.deepEqual(calls.slice(1), [
    'efibootmgr -v',
    'blkid -c /dev/null -s PARTUUID -o value',
    'efibootmgr --quiet --delete-bootnum --bootnum 0002',
    'efibootmgr --quiet --create --disk /dev/vda --part 15 --loader \\EFI\\debian\\shimx64.efi --label debian',
  ]);
});

test('an entry of another disk of the same restore stays', async (t) => {
  const { calls, run: fake } = fakeRun({
    mdir: listing,
    'efibootmgr -v': menu(
      `Boot0002* debian\tHD(1,GPT,${lost},0x800,0x1000)/File(\\EFI\\debian\\shimx64.efi)`,
    ),
  });
  const { notice } = collected();
  const request = { partitions: [disk], restored: [guid, lost], bootEntry: true, time, run: fake, notice };
  await restoreBootLoaders(request);
  t.false(calls.some((call) => call.includes('--delete-bootnum')));
  t.true(calls.some((call) => call.includes('--create')));
});

test('no entry is written when it is not wished for, and a failing tool is a notice', async (t) => {
  const quiet = fakeRun({ mdir: listing });
  const { notices, notice } = collected();
  await restoreBootLoaders({
    partitions: [disk],
    restored: [],
    bootEntry: false,
    time,
    run: quiet.run,
    notice,
  });
  t.is(quiet.calls.length, 1);
  const failing: typeof run = (program, args) =>
    program === 'mdir'
      ? quiet.run(program, args)
      : Promise.reject(new Error('EFI variables are not supported'));
  await restoreBootLoaders({ partitions: [disk], restored: [], bootEntry: true, time, run: failing, notice });
  t.is(notices.length, 1);
  t.regex(notices[0]!.message, /EFI variables are not supported/);
});
