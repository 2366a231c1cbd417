import test from 'ava';
import {
  controllerFor,
  emulatorArguments,
  firmwareFor,
  type Hardware,
  type MachineDisk,
} from '../../src/drill/hardware.ts';
import { layoutSchema, type Layout } from '../../src/layout/index.ts';
import { gpt } from '../restore/sets.ts';

const identity = {
  path: '/dev/sda',
  size: 2 ** 30,
  sectorSize: 512,
  physicalSectorSize: 512,
  model: null,
  serial: null,
  wwn: null,
  transport: null,
  removable: false,
};

const disk: MachineDisk = {
  source: { kind: 'nbd', socket: '/run/a,b/s', export: 'disk1' },
  controller: 'ahci',
  sectorSize: 512,
  serial: 'WEB1 OLD,DISK',
  wwn: '5000c500a1b2c3d4',
};

function argumentsFor(changes: Partial<Hardware>): string[] {
  return emulatorArguments({
    firmware: 'bios',
    accelerator: 'tcg',
    memoryBytes: 2 ** 30,
    cpus: 2,
    disks: [disk],
    forward: null,
    pflash: null,
    control: '/run/x,y/control',
    ...changes,
  });
}

test('a machine has its disks, no network and nothing else', (t) => {
  const words = argumentsFor({});
  t.is(words.join(' ').match(/-netdev|-nic|-net /), null);
  t.true(words.includes('-nodefaults'));
  t.true(words.includes('unix:/run/x,,y/control,server=on,wait=off'));
  const node: unknown = JSON.parse(words[words.indexOf('-blockdev') + 1]!);
  t.deepEqual(node, {
    driver: 'nbd',
    'node-name': 'disk0',
    server: { type: 'unix', path: '/run/a,b/s' },
    export: 'disk1',
    discard: 'unmap',
  });
  t.true(
    words.includes('ide-hd,bus=ide.0,drive=disk0,bootindex=0,serial=WEB1OLDDISK,wwn=0x5000c500a1b2c3d4'),
  );
});

test('the network lets one port through and nothing else', (t) => {
  const forward = { hostPort: 40_022, address: null, guestPort: 22 };
  t.true(argumentsFor({ forward }).includes('user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:40022-:22'));
  t.true(
    argumentsFor({ forward: { ...forward, address: '192.0.2.2' } }).includes(
      'user,id=net0,restrict=on,net=192.0.2.0/24,host=192.0.2.9,hostfwd=tcp:127.0.0.1:40022-192.0.2.2:22',
    ),
  );
});

test('many disks find a port each, and a disc beside them', (t) => {
  const many = argumentsFor({
    disks: [...Array.from({ length: 8 }, () => disk), { ...disk, controller: 'cd' }],
  });
  const places = many.flatMap((word) => /^ide-.*?bus=([^,]+)/.exec(word)?.[1] ?? []);
  t.is(new Set(places).size, 9);
  t.is(many.filter((word) => word.startsWith('ich9-ahci')).length, 1);
  const old = argumentsFor({
    disks: [
      { ...disk, controller: 'ide' },
      { ...disk, controller: 'cd' },
    ],
  });
  t.true(old.includes('pc'));
  t.true(old.some((word) => word.startsWith('ide-cd,bus=ide.0,unit=1,')));
  const large = argumentsFor({ disks: [{ ...disk, controller: 'scsi', sectorSize: 4096 }] });
  t.true(large.some((word) => word.includes('logical_block_size=4096')));
});

test('UEFI has a firmware of its own, on the newer machine', (t) => {
  const words = argumentsFor({
    firmware: 'uefi',
    disks: [{ ...disk, controller: 'ide' }],
    pflash: { code: '/c', variables: '/v' },
  });
  t.true(words.includes('q35'));
  t.true(words.includes('if=pflash,unit=0,format=raw,readonly=on,file=/c'));
});

test('a disk is attached as it was, or as nearly every guest reads it', (t) => {
  t.is(controllerFor(identity), 'ahci');
  t.is(controllerFor({ ...identity, transport: 'nvme' }), 'nvme');
  t.is(controllerFor({ ...identity, transport: 'virtio' }), 'virtio');
  t.is(controllerFor({ ...identity, transport: 'sas', sectorSize: 4096 }), 'scsi');
});

function layout(firmware: 'bios' | 'uefi' | null, types: string[]): Layout {
  return layoutSchema.parse({
    version: 1,
    machine: { hostname: 'x', firmware, vendor: null, product: null, serial: null },
    disks: [{ id: 'disk1', identity, table: gpt([64], types) }],
    volumes: [],
  });
}

test('the firmware is that of the machine, else what the disks can start from', (t) => {
  const efi = ['c12a7328-f81f-11d2-ba4b-00a0c93ec93b'];
  t.is(firmwareFor(layout('uefi', []), 512), 'uefi');
  t.is(firmwareFor(layout('bios', efi), 0), 'bios');
  t.is(firmwareFor(layout(null, efi), 0), 'uefi');
  t.is(firmwareFor(layout(null, efi), 512), 'bios');
  t.is(firmwareFor(layout(null, []), 0), 'bios');
});
