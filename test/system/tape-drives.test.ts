import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { listChangers, listTapeDrives, serialOfPage80 } from '../../src/system/index.ts';
import { temporary } from '../helpers/temporary.ts';

function page80(serial: string): Buffer {
  return Buffer.concat([Buffer.from([1, 0x80, 0, serial.length]), Buffer.from(serial)]);
}

function tree(root: string, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [path, contents] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), contents);
  }
}

/** A library of two drives and a changer, and a disk, as the kernel shows them. */
function library(root: string): void {
  const host = 'sys/devices/host0/target0:0:';
  const units: [string, string, string, string, string | null][] = [
    ['1', '1', 'IBM     ', 'ULT3580-TD8     ', '  00DRIVE1'],
    ['2', '1', 'IBM     ', 'ULT3580-TD8     ', null],
    ['3', '8', 'IBM     ', '3573-TL         ', '00LIBRARY1'],
    ['4', '0', 'ATA     ', 'DISK            ', 'D'],
  ];
  mkdirSync(join(root, 'sys/class/scsi_generic'), { recursive: true });
  mkdirSync(join(root, 'sys/class/scsi_tape'), { recursive: true });
  for (const [unit, type, vendor, model, serial] of units) {
    const device = `${host}${unit}/0:0:${unit}:0`;
    tree(root, {
      [`${device}/type`]: `${type}\n`,
      [`${device}/vendor`]: `${vendor}\n`,
      [`${device}/model`]: `${model}\n`,
      [`${device}/scsi_generic/sg${unit}/dev`]: `21:${unit}\n`,
      [`dev/sg${unit}`]: '',
      ...(serial === null ? {} : { [`${device}/vpd_pg80`]: page80(serial) }),
    });
    symlinkSync(join(root, device), join(root, `${device}/scsi_generic/sg${unit}/device`));
    symlinkSync(
      join(root, `${device}/scsi_generic/sg${unit}`),
      join(root, `sys/class/scsi_generic/sg${unit}`),
    );
    if (type !== '1') continue;
    // The second drive was found first.
    const at = unit === '1' ? '10' : '9';
    for (const name of [`st${at}`, `nst${at}`, `st${at}a`, `nst${at}a`, `nst${at}m`]) {
      tree(root, { [`${device}/scsi_tape/${name}/dev`]: '9:0\n', [`dev/${name}`]: '' });
      symlinkSync(join(root, device), join(root, `${device}/scsi_tape/${name}/device`));
      symlinkSync(join(root, `${device}/scsi_tape/${name}`), join(root, `sys/class/scsi_tape/${name}`));
    }
  }
}

test('drives and changers are found where no udev runs', async (t) => {
  const root = temporary(t);
  library(root);
  const roots = { sys: join(root, 'sys'), dev: join(root, 'dev') };
  t.deepEqual(await listTapeDrives(roots), [
    {
      path: join(root, 'dev/nst9'),
      byId: null,
      vendor: 'IBM',
      model: 'ULT3580-TD8',
      serial: null,
      generic: join(root, 'dev/sg2'),
    },
    {
      path: join(root, 'dev/nst10'),
      byId: null,
      vendor: 'IBM',
      model: 'ULT3580-TD8',
      serial: '00DRIVE1',
      generic: join(root, 'dev/sg1'),
    },
  ]);
  t.deepEqual(await listChangers(roots), [
    { path: join(root, 'dev/sg3'), byId: null, vendor: 'IBM', model: '3573-TL', serial: '00LIBRARY1' },
  ]);
});

test('names that stay are those of udev', async (t) => {
  const root = temporary(t);
  library(root);
  mkdirSync(join(root, 'dev/tape/by-id'), { recursive: true });
  for (const [link, node] of [
    ['scsi-00DRIVE1', 'st10'],
    ['scsi-00DRIVE1-nst', 'nst10'],
    ['scsi-00LIBRARY1-changer', 'sg3'],
    ['scsi-GONE-nst', 'nst77'],
  ]) {
    symlinkSync(`../../${node!}`, join(root, 'dev/tape/by-id', link!));
  }
  const roots = { sys: join(root, 'sys'), dev: join(root, 'dev') };
  t.deepEqual(
    (await listTapeDrives(roots)).map((drive) => drive.byId),
    [null, join(root, 'dev/tape/by-id/scsi-00DRIVE1-nst')],
  );
  t.is((await listChangers(roots))[0]!.byId, join(root, 'dev/tape/by-id/scsi-00LIBRARY1-changer'));
});

test('a machine without drivers has no drives', async (t) => {
  const root = temporary(t);
  t.deepEqual(await listTapeDrives({ sys: root, dev: root }), []);
  t.deepEqual(await listChangers({ sys: root, dev: root }), []);
});

test('a serial number page of any content is no crash', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const serial = serialOfPage80(Buffer.from(bytes));
      t.true(serial === null || serial.length > 0);
    }),
  );
});
