import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  makeNetware,
  noise,
  type EntryWish,
  type NetwareManifest,
} from '../../test/fixtures/netware-maker.ts';
import type { Rig } from '../steps/index.ts';

/** Sectors of a MiB. */
const MiB = 2048;
export const bootFiles: Readonly<Record<string, string>> = {
  'AUTOEXEC.BAT': '@echo off\r\ncd \\nwserver\r\nserver\r\n',
  'CONFIG.SYS': 'files=40\r\nbuffers=30\r\n',
};

function tree(seed: number): EntryWish[] {
  const many = Array.from({ length: 90 }, (_, i): EntryWish => ({
    path: `MANY/FILE${i}.DAT`,
    content: { noise: 300 + ((i * 7919) % 40_000), seed: seed + i },
    modified: `199${i % 8}-0${(i % 9) + 1}-1${i % 9}T0${i % 10}:12:24`,
    attributes: i % 3 === 0 ? 0x21 : 0x20,
    owner: 0x1000001 + (i % 4),
  }));
  return [
    {
      path: 'USERS/ALICE',
      directory: true,
      trustees: [
        { id: 0x2000001, rights: 0x1fb },
        { id: 0x2000002, rights: 0x41 },
      ],
    },
    {
      path: 'USERS/ALICE/LETTER.TXT',
      names: { LONG: 'A letter to the administrator at three in the morning.txt' },
      content: { noise: 70_000, seed },
      trustees: [{ id: 0x2000003, rights: 0x1 }],
    },
    { path: 'BIG.DAT', content: { noise: 3_000_000, seed: seed + 500 }, fragmented: true },
    {
      path: 'SPARSE.DAT',
      content: Buffer.concat([noise(9000, seed + 1), Buffer.alloc(400_000), noise(5000, seed + 2)]),
      sparse: true,
    },
    { path: 'EMPTY.TXT', content: new Uint8Array() },
    ...many,
    ...Array.from({ length: 6 }, (_, i): EntryWish => ({
      path: `USERS/GONE${i}.TXT`,
      content: { noise: 20_000 + i, seed: seed + 900 + i },
      deleted: { at: `1996-05-0${i + 1}T10:20:30`, by: 0x2000001 },
    })),
  ];
}

/**
 * A NetWare server with two disks: a FAT16 partition it is started from, SYS in one segment, VOL1 in three
 * over both disks, long names, suballocated tails, holes, trustees, deleted files, a unit that had failed.
 */
export function netwareServer(rig: Rig): NetwareManifest {
  const folder = join(rig.scratch, 'netware-server');
  mkdirSync(folder);
  return makeNetware(folder, {
    disks: [
      { name: 'nw0.raw', sectors: 80 * MiB, boot: { sectors: 17 * MiB, files: bootFiles } },
      { name: 'nw1.raw', sectors: 60 * MiB },
    ],
    volumes: [
      {
        name: 'SYS',
        blockSize: 4096,
        segments: [{ disk: 0, sectors: 30 * MiB }],
        entries: tree(1),
        spaces: ['LONG'],
        redirected: [{ of: { file: 'BIG.DAT' }, unit: 2 }],
      },
      {
        name: 'VOL1',
        blockSize: 16_384,
        segments: [
          { disk: 1, sectors: 20 * MiB },
          { disk: 0, sectors: 12 * MiB },
          { disk: 1, sectors: 25 * MiB },
        ],
        suballocation: true,
        entries: tree(5000),
        spaces: ['LONG'],
      },
    ],
  });
}
