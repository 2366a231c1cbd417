import test from 'ava';
import { RemetalError } from '../../src/errors/index.ts';
import { nameVolumes, parseLayout, type Layout, type Volume } from '../../src/layout/index.ts';

const layout: Layout = {
  version: 1,
  machine: { hostname: 'web1', firmware: 'bios', vendor: null, product: null, serial: null },
  disks: [
    {
      id: 'disk1',
      identity: {
        path: 'disk.raw',
        size: 1024,
        sectorSize: 512,
        physicalSectorSize: 512,
        model: null,
        serial: null,
        wwn: null,
        transport: 'file',
        removable: false,
      },
      table: { kind: 'none' },
    },
  ],
  volumes: [],
};

test('a record comes back from its JSON', (t) => {
  t.deepEqual(parseLayout(JSON.parse(JSON.stringify(layout))), layout);
});

test('another version and another shape are refused by name', (t) => {
  for (const [json, words] of [
    [{ ...layout, version: 2 }, /version 2, not 1/],
    [null, /version none/],
    ['{}', /version none/],
    [{ ...layout, disks: [] }, /schema: disks/],
    [{ ...layout, volumes: [{ id: 1 }] }, /schema: volumes/],
  ] as const) {
    const error = t.throws<RemetalError>(() => parseLayout(json));
    t.is(error.code, 'layout-unknown');
    t.regex(error.message, words);
  }
});

const volume = (id: string, label: string | null, name = id): Volume => ({
  id,
  name,
  kind: 'partition',
  segments: [{ disk: 'disk1', start: 0, length: 1 }],
  partition: 1,
  filesystem: label === null ? null : { type: 'ext4', uuid: null, label, size: 0, blockSize: 4096 },
});

test('labels name volumes; a shared label names none', (t) => {
  t.deepEqual(
    nameVolumes([
      volume('a', 'root'),
      volume('b', 'data'),
      volume('c', 'data'),
      volume('d', '', 'EFI'),
      volume('e', 'a'),
    ]).map((named) => named.name),
    ['root', 'b', 'c', 'EFI', 'e'],
  );
});
