import { readFileSync } from 'node:fs';
import test from 'ava';
import { moduleClosure, parseModuleList } from '../../src/appliance/modules.ts';
import { isCoded } from '../../src/errors/index.ts';

const tables = {
  dependencies: [
    'kernel/drivers/scsi/sd_mod.ko: kernel/drivers/scsi/scsi_mod.ko kernel/lib/crc64.ko',
    'kernel/drivers/scsi/scsi_mod.ko: kernel/drivers/scsi/scsi_common.ko',
    'kernel/drivers/scsi/scsi_common.ko:',
    'kernel/lib/crc64.ko:',
    'kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko',
    'kernel/fs/jbd2/jbd2.ko:',
    'kernel/crypto/crc32c_generic.ko.xz:',
    'kernel/arch/x86/crypto/crc32c-intel.ko.xz:',
    'kernel/drivers/usb/storage/usb-storage.ko:',
  ].join('\n'),
  soft: '# Soft dependencies\nsoftdep ext4 pre: crc32c post: absent\n',
  builtin: 'kernel/drivers/input/serio/i8042.ko\n',
  aliases: [
    '# Aliases',
    'alias crc32c crc32c_generic',
    'alias crc32c crc32c_intel',
    'alias pci:v* sd_mod',
  ].join('\n'),
};

test('a closure follows firm and soft dependencies and aliases', (t) => {
  t.deepEqual(moduleClosure(tables, parseModuleList('# disks\n[disk]\nsd_mod ext4')), [
    'kernel/arch/x86/crypto/crc32c-intel.ko.xz',
    'kernel/crypto/crc32c_generic.ko.xz',
    'kernel/drivers/scsi/scsi_common.ko',
    'kernel/drivers/scsi/scsi_mod.ko',
    'kernel/drivers/scsi/sd_mod.ko',
    'kernel/fs/ext4/ext4.ko',
    'kernel/fs/jbd2/jbd2.ko',
    'kernel/lib/crc64.ko',
  ]);
});

test('hyphens and underscores are one, built-in and optional names are fine', (t) => {
  t.deepEqual(moduleClosure(tables, parseModuleList('usb_storage i8042 nosuch?')), [
    'kernel/drivers/usb/storage/usb-storage.ko',
  ]);
});

test('a module the kernel does not have is an error that names it', (t) => {
  const error = t.throws(() => moduleClosure(tables, parseModuleList('sd_mod nosuch other')));
  t.true(isCoded(error, 'build-failed'));
  t.regex(error.message, /nosuch, other/);
});

test('dependencies in a circle end', (t) => {
  const circle = { ...tables, dependencies: 'a/a.ko: a/b.ko\na/b.ko: a/a.ko\n', soft: 'softdep a pre: b\n' };
  t.deepEqual(moduleClosure(circle, parseModuleList('a')), ['a/a.ko', 'a/b.ko']);
});

test('the committed list has the controllers the rig and most servers have, each name once', (t) => {
  const list = parseModuleList(readFileSync(new URL('../../iso/modules.txt', import.meta.url), 'utf8'));
  const names = list.map((wanted) => wanted.name);
  t.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
  for (const name of [
    'ahci',
    'nvme',
    'virtio_blk',
    'virtio_scsi',
    'megaraid_sas',
    'mpt3sas',
    'usb-storage',
  ]) {
    t.true(names.includes(name), name);
  }
});
