import { createHash } from 'node:crypto';
import test from 'ava';
import { openDisk } from '../../../src/disk/index.ts';
import {
  openNetwareVolume,
  type NetwareFile,
  type NetwareFileSystem,
} from '../../../src/filesystem/netware/index.ts';
import { readTable } from '../../../src/layout/index.ts';
import { logicalOf, readNetware, volumeDevice } from '../../../src/layout/netware/index.ts';
import {
  makeNetware,
  type EntryWish,
  type ManifestEntry,
  type NetwareDescription,
  type VolumeWish,
} from '../../fixtures/netware-maker.ts';
import { temporary } from '../../helpers/temporary.ts';
import { all } from './volumes.ts';

const trustees = Array.from({ length: 40 }, (_, i) => ({ id: 0x0100_0001 + i, rights: (i * 37) & 0x1_ff }));

const entries: EntryWish[] = [
  { path: 'EMPTY' },
  {
    path: 'SMALL.TXT',
    content: { noise: 300 },
    attributes: 0x21,
    modified: '1994-05-06T07:08:10',
    owner: 0xa1b2c3,
  },
  {
    path: 'BIG.DAT',
    content: { noise: 300_001 },
    fragmented: true,
    trustees: trustees.slice(0, 5),
    accessed: '1995-01-02',
  },
  {
    path: 'MANY.DAT',
    content: { noise: 4097, seed: 3 },
    trustees,
    inheritedRights: 0x1_fb,
    archiver: 7,
    archived: '1996-02-29T23:59:58',
  },
  { path: 'HOLES.DAT', content: Buffer.concat([Buffer.alloc(70_000), Buffer.from('end')]), sparse: true },
  { path: 'USERS', directory: true, trustees: trustees.slice(0, 12), inheritedRights: 0x41 },
  ...Array.from({ length: 70 }, (_, i): EntryWish => ({
    path: `USERS/ALICE/F${i}.TXT`,
    content: { noise: i * 97, seed: i },
  })),
  {
    path: 'USERS/ALICE/OLD.TXT',
    content: { noise: 9000, seed: 9 },
    deleted: { at: '1997-08-09T10:11:12', by: 0x0100_0005 },
  },
  {
    path: 'USERS/BOB/OLD.TXT',
    content: { noise: 90, seed: 8 },
    deleted: { at: '1997-08-10T10:11:12', by: 2 },
  },
];

const named: EntryWish[] = [
  ...entries,
  {
    path: 'LONGN~1.TXT',
    names: { LONG: 'Long Name with Blanks.txt', NFS: 'long-name', MAC: 'A Mac Name' },
    content: { noise: 5 },
  },
  {
    path: 'LONGER~1',
    names: { LONG: 'abcdefghij'.repeat(8), NFS: 'n'.repeat(40) },
    content: { noise: 5000, seed: 4 },
  },
  {
    path: 'FORKED',
    names: { MAC: 'Forked' },
    content: { noise: 10 },
    resource: Buffer.from('resource '.repeat(1000)),
  },
];

const volume = (name: string, wish: Partial<VolumeWish>): VolumeWish => ({
  name,
  blockSize: 4096,
  segments: [{ disk: 0 }],
  entries,
  ...wish,
});

const cases: Record<string, NetwareDescription> = {
  '3.x, DOS names': { disks: [{ name: 'a.img', sectors: 40_000 }], volumes: [volume('SYS', { version: 3 })] },
  '3.x, NFS and MAC names': {
    disks: [{ name: 'a.img', sectors: 60_000 }],
    volumes: [
      volume('SYS', {
        version: 3,
        spaces: ['MAC', 'NFS'],
        entries: named.map(({ names, ...rest }) => ({
          ...rest,
          ...(names === undefined
            ? {}
            : {
                names: {
                  ...(names.MAC === undefined ? {} : { MAC: names.MAC }),
                  ...(names.NFS === undefined ? {} : { NFS: names.NFS }),
                },
              }),
        })),
      }),
    ],
  },
  '4.x, every name space, suballocated': {
    disks: [{ name: 'a.img', sectors: 100_000 }],
    volumes: [
      volume('SYS', {
        blockSize: 16_384,
        spaces: ['MAC', 'NFS', 'LONG'],
        suballocation: true,
        entries: named,
        trustees: trustees.slice(0, 20),
      }),
    ],
  },
  'a stale mirror FAT': {
    disks: [{ name: 'a.img', sectors: 40_000 }],
    volumes: [volume('SYS', { stale: 'fat' })],
  },
  'a stale mirror directory': {
    disks: [{ name: 'a.img', sectors: 40_000 }],
    volumes: [volume('SYS', { stale: 'directory' })],
  },
  'units in the hotfix area': {
    disks: [{ name: 'a.img', sectors: 40_000 }],
    volumes: [
      volume('SYS', {
        redirected: [
          { of: 'fat', unit: 0 },
          { of: 'mirror fat', unit: 1 },
          { of: 'directory', unit: 1 },
          { of: 'mirror directory', unit: 0 },
          { of: { file: 'BIG.DAT' }, unit: 3 },
        ],
      }),
    ],
  },
  'two volumes over three disks': {
    disks: ['a.img', 'b.img', 'c.img'].map((name) => ({ name, sectors: 60_000 })),
    volumes: [
      volume('SYS', { segments: [{ disk: 0, sectors: 30_000 }] }),
      volume('VOL1', {
        blockSize: 8192,
        segments: [{ disk: 1 }, { disk: 0 }, { disk: 2 }],
        entries: named,
        spaces: ['LONG', 'NFS', 'MAC'],
        suballocation: true,
      }),
    ],
  },
};

async function asManifest(filesystem: NetwareFileSystem, file: NetwareFile): Promise<unknown> {
  const sha = async (fork: 'data' | 'resource'): Promise<string> => {
    const hash = createHash('sha256');
    for await (const piece of filesystem.stream(file, { fork })) hash.update(piece);
    return hash.digest('hex');
  };
  const { path, number, parent, attributes, flags, kind, deletion, created, modified, archived, owner } =
    file;
  return {
    path,
    dirno: number,
    parent,
    attributes,
    flags,
    type: kind === 'file' ? 'file' : 'dir',
    deleted: deletion !== null,
    created,
    modified,
    archived,
    owner,
    archiver: file.archiver,
    inherited_rights: file.inheritedRights,
    trustees: file.trustees,
    ...(Object.keys(file.names).length === 0 ? {} : { names: file.names }),
    ...(deletion === null ? {} : { deleted_date: deletion.at, deleter: deletion.by }),
    ...(kind === 'directory'
      ? {}
      : {
          modifier: file.modifier,
          size: file.size,
          first_block: file.firstBlock,
          last_access: file.accessed,
          sha256: await sha('data'),
        }),
    ...(file.resourceFork === null || file.resourceFork.size === 0
      ? {}
      : { forks: { MAC: { size: file.resourceFork.size, sha256: await sha('resource') } } }),
  };
}

/** Without the dwords of dates, which the texts say as well. */
function comparable({
  created_raw: _c,
  modified_raw: _m,
  archived_raw: _a,
  deleted_date_raw: _d,
  ...entry
}: ManifestEntry): unknown {
  return entry;
}

/** Findings each case comes with; none where it is not named. */
const findings: Record<string, readonly string[]> = {
  'a stale mirror FAT': ['fat-copies-differ'],
  'a stale mirror directory': ['directory-copies-differ'],
};

for (const [title, description] of Object.entries(cases)) {
  test(`made by the maker of disks: ${title}`, async (t) => {
    const manifest = makeNetware(temporary(t), description);
    const disks = [];
    for (const path of manifest.paths) {
      const device = await openDisk(path);
      t.teardown(() => device.close());
      disks.push({ id: path, device, table: (await readTable(device)).table });
    }
    const netware = await readNetware(disks);
    t.deepEqual(netware.broken, []);
    for (const found of netware.volumes) {
      const wanted = manifest.volumes[found.definition.name]!;
      const filesystem = await openNetwareVolume(
        volumeDevice(found, (index) => logicalOf(netware, index)),
        found.definition,
      );
      const expected = findings[title] ?? [];
      t.deepEqual([...new Set((await filesystem.check()).map(({ code }) => code))], expected);
      t.is((await filesystem.usedMap()).trusted, expected.length === 0);
      const files = [...(await all(filesystem.walk())), ...(await all(filesystem.deleted()))].toSorted(
        (a, b) => a.number - b.number,
      );
      const mine = await Promise.all(files.map((file) => asManifest(filesystem, file)));
      t.deepEqual(mine, wanted.entries.toSorted((a, b) => a.dirno - b.dirno).map(comparable));
      t.deepEqual((await filesystem.root())?.trustees, wanted.trustees);
    }
    t.is(netware.volumes.length, description.volumes.length);
  });
}
