import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { recording, memoryDisk } from '../../src/disk/index.ts';
import { addFallbackLoaders } from '../../src/drill/fallback-loader.ts';
import { layoutSchema } from '../../src/layout/index.ts';
import type { Notice } from '../../src/progress/index.ts';
import { requires } from '../helpers/requires.ts';
import { blankImage } from '../helpers/server-image.ts';
import { temporary } from '../helpers/temporary.ts';
import { gpt } from '../restore/sets.ts';
import { identityOfMemory } from '../restore/targets.ts';

const sectors = 8192;
const first = 256;

function tool(program: string, ...args: string[]): void {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  execFileSync(program, args, {
    env: { ...process.env, PATH: path, MTOOLS_SKIP_CHECK: '1' },
    stdio: 'ignore',
  });
}

requires(
  'mkfs.vfat',
  'mmd',
  'mcopy',
  'mtype',
)(
  'a loader that only a boot entry names is found at the path of last resort, and little is written',
  async (t) => {
    const folder = temporary(t);
    const esp = blankImage(join(folder, 'esp.img'), sectors * 512);
    const loader = join(folder, 'loader');
    writeFileSync(loader, 'MZ the loader');
    tool('mkfs.vfat', '-F', '12', esp);
    tool('mmd', '-i', esp, '::/EFI', '::/EFI/debian');
    tool('mcopy', '-i', esp, loader, '::/EFI/debian/shimx64.efi');
    tool('mcopy', '-i', esp, loader, '::/EFI/debian/grubx64.efi');
    const disk = memoryDisk((first + sectors + 256) * 512);
    const before = readFileSync(esp);
    await disk.write(before, first * 512);
    const watched = recording(disk);
    const layout = layoutSchema.parse({
      version: 1,
      machine: { hostname: 'x', firmware: 'uefi', vendor: null, product: null, serial: null },
      disks: [
        {
          id: 'disk1',
          identity: identityOfMemory(disk, 'x'),
          table: gpt([sectors], ['c12a7328-f81f-11d2-ba4b-00a0c93ec93b']),
        },
      ],
      volumes: [],
    });
    const told: Notice[] = [];
    const work = { layout, disks: new Map([['disk1', watched]]), folder: temporary(t) };
    await addFallbackLoaders({ ...work, tell: (notice) => told.push(notice) });
    const after = Buffer.alloc(before.length);
    await disk.read(after, first * 512);
    writeFileSync(esp, after);
    const found = join(folder, 'found');
    tool('mcopy', '-i', esp, '::/EFI/BOOT/BOOTX64.EFI', found);
    t.is(readFileSync(found, 'utf8'), 'MZ the loader');
    t.is(told[0]?.code, 'fallback-loader');
    t.regex(told[0]?.message ?? '', /partition 1 of disk1/);
    const written = watched.accesses.filter(({ call }) => call === 'write');
    t.true(written.reduce((sum, { length }) => sum + length, 0) < 200_000);
  },
);

test('disks without an EFI system partition are left alone', async (t) => {
  const disk = memoryDisk(2 ** 20);
  const layout = layoutSchema.parse({
    version: 1,
    machine: { hostname: 'x', firmware: null, vendor: null, product: null, serial: null },
    disks: [{ id: 'disk1', identity: identityOfMemory(disk, 'x'), table: gpt([64]) }],
    volumes: [],
  });
  const told: Notice[] = [];
  const disks = new Map([['disk1', disk]]);
  await addFallbackLoaders({ layout, disks, folder: '/nonexistent', tell: (notice) => told.push(notice) });
  t.deepEqual(told, []);
});
