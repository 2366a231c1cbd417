import { readFileSync } from 'node:fs';
import test from 'ava';
import { dependenciesOf, isLeftOut, parseControl, parsePackageList } from '../../src/appliance/lists.ts';

test('the committed list has kernel, signed loaders and the programs a restore runs', (t) => {
  const list = parsePackageList(readFileSync(new URL('../../iso/packages.txt', import.meta.url), 'utf8'));
  const programs = list.appliance.flatMap((entry) => entry.programs);
  for (const program of [
    'busybox',
    'kmod',
    'sfdisk',
    'resize2fs',
    'e2fsck',
    'xfs_growfs',
    'mkfs.fat',
    'efibootmgr',
  ]) {
    t.true(programs.includes(program), program);
  }
  const boot = list.boot.map((entry) => entry.name);
  t.true(
    boot.includes('linux-image-amd64') &&
      boot.includes('shim-signed') &&
      boot.includes('grub-efi-amd64-signed'),
  );
});

test('control paragraphs: fields, continuation lines, first alternatives', (t) => {
  const [one, two, none] = parseControl(
    [
      'Package: linux-image-1',
      'Pre-Depends: dpkg (>= 1)',
      'Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.1) | other, python3:any',
      'Description: a kernel',
      ' with a long',
      ' text',
      '',
      '',
      'Package: second',
    ].join('\n'),
  );
  t.is(one!.get('Description'), 'a kernel\nwith a long\ntext');
  t.deepEqual(dependenciesOf(one!), ['dpkg', 'kmod', 'linux-base', 'initramfs-tools', 'python3']);
  t.is(two!.get('Package'), 'second');
  t.deepEqual(dependenciesOf(two!), []);
  t.is(none, undefined);
});

test('packages are left out by name or by beginning', (t) => {
  t.true(isLeftOut('libicu72', ['libicu*']));
  t.true(isLeftOut('libicu72', ['libicu72']));
  t.false(isLeftOut('libc6', ['libicu*', 'libc']));
});
