import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import {
  makeNetware,
  noise,
  type EntryWish,
  type NetwareDescription,
  type Trustee,
} from '../fixtures/netware-maker.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { codes, readDisks, unlike, type ReaderOutput } from './reader.ts';

const test = requires('python3');

function trustees(count: number): Trustee[] {
  return Array.from({ length: count }, (_, i) => ({ id: 0x0a000001 + i, rights: (i * 37) & 0x1ff }));
}

/** A tree with everything a volume can hold. */
function tree(version: 3 | 4 = 4): EntryWish[] {
  return [
    { path: 'EMPTY', directory: true, modified: '1994-02-03T04:05:06', trustees: trustees(9) },
    { path: 'ZERO.LEN' },
    ...[1, 511, 512, 513, 4095, 4096, 4097, 65535, 65536, 65537].map((size) => ({
      path: `SIZES/S${size}.DAT`,
      content: { noise: size, seed: size },
    })),
    { path: 'A/B/C/DEEP.DAT', content: { noise: 150000 }, fragmented: true, owner: 0x0e000003 },
    { path: 'A/B/FRAG.DAT', content: { noise: 90000 }, fragmented: true, trustees: trustees(40) },
    {
      path: 'HOLES.DAT',
      content: Buffer.concat([
        Buffer.alloc(70000),
        noise(300),
        Buffer.alloc(200000),
        noise(70000),
        Buffer.alloc(140000),
      ]),
      sparse: true,
      attributes: 0x1021,
      created: '1980-01-01T00:00:00',
      modified: '2107-12-31T23:59:58',
      archived: '1995-01-01T00:00:00',
      accessed: '1995-02-02',
      modifier: 0x0e000003,
      archiver: 0x01000001,
      inheritedRights: 0,
      trustees: trustees(version === 3 ? 6 : 4),
    },
    { path: 'ALLHOLE.DAT', content: Buffer.alloc(100000), sparse: true },
    ...Array.from({ length: 70 }, (_, i) => ({
      path: `MANY/F${i}.TXT`,
      content: { noise: 13 * i, seed: i },
    })),
    {
      path: 'A/GONE.TXT',
      content: { noise: 5000, seed: 7 },
      deleted: { at: '1997-03-11T14:15:16', by: 0x0e000003 },
    },
    { path: 'A/GONE.TXT', content: { noise: 66000 }, deleted: { at: '1997-03-12T14:15:16', by: 1 } },
    { path: 'A/GONE.TXT', content: { noise: 700 } },
  ];
}

function accepted(t: ExecutionContext<any>, description: NetwareDescription): ReaderOutput {
  const manifest = makeNetware(temporary(t), description);
  const { status, output, stderr } = readDisks(manifest.paths);
  t.is(stderr, '');
  t.is(status, 0);
  t.deepEqual(unlike(manifest, output), []);
  return output;
}

for (const blockSize of [4096, 8192, 16384, 32768, 65536] as const) {
  for (const [version, suballocation] of [
    [3, false],
    [4, false],
    [4, true],
  ] as const) {
    test(`blocks of ${blockSize}, ${version}.x, suballocation ${suballocation}`, (t) => {
      const output = accepted(t, {
        disks: [{ name: 'disk.img', sectors: 60000, partition: { stamped: version === 4 } }],
        volumes: [
          { name: 'SYS', blockSize, version, suballocation, segments: [{ disk: 0 }], entries: tree(version) },
        ],
      });
      const tails = output.volumes['SYS']!.entries.filter(
        ({ first_block: first = 0 }) => first > 2 ** 31 && first < 2 ** 32 - 1,
      );
      t.is(tails.length > 0, suballocation);
    });
  }
}

test('other name spaces, and resource forks of the Mac', (t) => {
  const long = { LONG: `${'Long name '.repeat(7)}.text`, NFS: 'long-name', MAC: 'Long Name' };
  const folder = temporary(t);
  const manifest = makeNetware(folder, {
    disks: [{ name: 'disk.img', sectors: 40000 }],
    volumes: [
      {
        name: 'SYS',
        blockSize: 4096,
        suballocation: true,
        spaces: ['LONG', 'MAC', 'NFS'],
        segments: [{ disk: 0 }],
        trustees: trustees(30),
        entries: [
          ...tree(),
          { path: 'LONGN~1.TXT', names: long, content: { noise: 20000 }, resource: noise(9000, 3) },
          { path: 'LONGD~1', directory: true, names: { LONG: 'a Directory with a long name' } },
          { path: 'LONGD~1/IN.TXT', names: { LONG: '..' }, content: noise(10) },
        ],
      },
    ],
  });
  const out = join(folder, 'out');
  const { status, output } = readDisks(manifest.paths, ['--extract', out, '--names', 'LONG']);
  t.is(status, 0);
  t.deepEqual(unlike(manifest, output), []);
  const entry = output.volumes['SYS']!.entries.find(({ path }) => path === '/LONGN~1.TXT')!;
  t.deepEqual(entry.names, long);
  t.is(entry.forks?.MAC.size, 9000);
  t.true(readFileSync(join(out, 'SYS', `${long.LONG}.rsrc`)).equals(noise(9000, 3)));
  t.true(readFileSync(join(out, 'SYS/a Directory with a long name/%2E%2E')).equals(noise(10)));
});

test('segments over three disks, two volumes, FAT blocks in several segments and runs', (t) => {
  const output = accepted(t, {
    disks: [
      { name: 'one.img', sectors: 600000 },
      { name: 'two.img', sectors: 40000, partition: { start: 2048, sectors: 30000 } },
      { name: 'three.img', sectors: 300000, partition: { stamped: false } },
    ],
    volumes: [
      { name: 'SYS', blockSize: 8192, segments: [{ disk: 0, sectors: 20000 }], entries: tree() },
      {
        name: 'VOL1',
        blockSize: 4096,
        segments: [
          // The first has more than one run of FAT blocks (64 of them), the second none, the third its own.
          { disk: 0, start: 40000, sectors: 540000 },
          { disk: 1, start: 8000, sectors: 1203 },
          { disk: 2 },
          { disk: 1, start: 160, sectors: 7000 },
        ],
        entries: [
          ...tree(),
          { path: 'BIG.DAT', content: { allocated: 330_000_000 } },
          { path: 'END.DAT', content: noise(99999) },
        ],
      },
    ],
  });
  t.is(output.partitions[1]!.vdt[0]!.position, 3);
  t.true(output.volumes['VOL1']!.geometry.used_blocks > output.partitions[0]!.vdt[1]!.sectors / 8);
});

test('redirected units of data, FAT, directory and volume table, in an area with two groups of tables', (t) => {
  const redirected = [
    ...(['fat', 'mirror fat', 'directory', 'mirror directory'] as const).flatMap((of) => [
      { of, unit: 0 },
      { of, unit: 1 },
    ]),
    ...[0, 1, 2, 9].map((unit) => ({ of: { file: 'A/B/C/DEEP.DAT' }, unit })),
  ];
  const output = accepted(t, {
    disks: [{ name: 'disk.img', sectors: 60000, partition: { hotfix: 8800, redirectedTables: [0, 2] } }],
    volumes: [{ name: 'SYS', blockSize: 8192, segments: [{ disk: 0 }], entries: tree(), redirected }],
  });
  t.is(output.partitions[0]!.redirections.length, redirected.length + 2);
});

test('mirrored partitions are one', (t) => {
  const output = accepted(t, {
    disks: [
      { name: 'one.img', sectors: 40000 },
      { name: 'two.img', sectors: 41000, partition: { mirrors: 0, sectors: 39937 } },
    ],
    volumes: [
      {
        name: 'SYS',
        blockSize: 4096,
        segments: [{ disk: 0 }],
        entries: tree(),
        redirected: [{ of: 'directory', unit: 0 }],
      },
    ],
  });
  t.deepEqual(output.partitions[0]!.mirror_members, ['0x76114800', '0x76114802']);
});

requires(
  'python3',
  'mkfs.vfat',
  'mcopy',
)('a boot partition in front', (t) => {
  const folder = temporary(t);
  const description: NetwareDescription = {
    disks: [
      { name: 'disk.img', sectors: 60000, boot: { sectors: 20000, files: { 'SERVER.EXE': noise(70000) } } },
    ],
    volumes: [{ name: 'SYS', blockSize: 4096, segments: [{ disk: 0 }], entries: tree() }],
  };
  const manifest = makeNetware(folder, description);
  const { status, output } = readDisks(manifest.paths);
  t.is(status, 0);
  t.deepEqual(unlike(manifest, output), []);
  t.true(readFileSync(manifest.paths[0]!).includes(noise(512)));
  const again = makeNetware(temporary(t), description);
  t.true(readFileSync(manifest.paths[0]!).equals(readFileSync(again.paths[0]!)));
});

for (const [what, partition, stale, wanted] of [
  ['a lost copy of HOTFIX00', { lost: [{ of: 'hotfix', copy: 0 }] }, undefined, ['hotfix-copy']],
  ['a lost copy of MIRROR00', { lost: [{ of: 'mirror', copy: 3 }] }, undefined, ['mirror-copy']],
  [
    'a lost copy of the volume table',
    { lost: [{ of: 'volume table', copy: 0 }] },
    undefined,
    ['volume-table-copy'],
  ],
  [
    'a lost copy of the redirections',
    { lost: [{ of: 'redirections', copy: 0 }] },
    undefined,
    ['redirection-copy'],
  ],
  ['a lost copy of the bad bits', { lost: [{ of: 'bad bits', copy: 0 }] }, undefined, ['bad-bits-copy']],
  ['a stale FAT', {}, 'fat', ['fat-mirror']],
  ['a stale directory', {}, 'directory', ['directory-mirror']],
] as const) {
  test(`${what} is told, and everything is read all the same`, (t) => {
    const manifest = makeNetware(temporary(t), {
      disks: [
        {
          name: 'disk.img',
          sectors: 40000,
          partition: { ...partition, lost: [...('lost' in partition ? partition.lost : [])] },
        },
      ],
      volumes: [
        {
          name: 'SYS',
          blockSize: 4096,
          segments: [{ disk: 0 }],
          entries: tree(),
          redirected: [{ of: 'directory', unit: 0 }],
          ...(stale === undefined ? {} : { stale }),
        },
      ],
    });
    const { status, output } = readDisks(manifest.paths);
    t.is(status, 1);
    t.deepEqual(codes(output.findings), [...wanted]);
    t.deepEqual(unlike(manifest, output), []);
  });
}

test('a mirror out of sync is told and not read; a missing one is told', (t) => {
  const manifest = makeNetware(temporary(t), {
    disks: [
      { name: 'one.img', sectors: 40000, partition: { outOfSync: true } },
      { name: 'two.img', sectors: 40000, partition: { mirrors: 0 } },
    ],
    volumes: [{ name: 'SYS', blockSize: 4096, segments: [{ disk: 0 }], entries: tree() }],
  });
  const both = readDisks(manifest.paths);
  t.is(both.status, 1);
  t.deepEqual(codes(both.output.findings), ['mirror-stale']);
  t.deepEqual(unlike(manifest, both.output), []);
  const one = readDisks(manifest.paths.slice(1));
  t.deepEqual(codes(one.output.findings), ['mirror-group']);
  t.deepEqual(unlike({ ...manifest, partitions: manifest.partitions.slice(1) }, one.output), []);
});

test('what the reader says differently from a manifest is noticed', (t) => {
  const manifest = makeNetware(temporary(t), {
    disks: [{ name: 'disk.img', sectors: 40000 }],
    volumes: [{ name: 'SYS', blockSize: 4096, segments: [{ disk: 0 }], entries: tree() }],
  });
  const { output } = readDisks(manifest.paths);
  manifest.volumes['SYS']!.entries[0]!.attributes++;
  manifest.partitions[0]!.vdt[0]!.dir2++;
  t.is(unlike(manifest, output).length, 2);
  manifest.volumes['SYS']!.entries.pop();
  t.is(unlike(manifest, output).length, 2);
});

test('what makes no disk is not made', (t) => {
  const make = (description: Partial<NetwareDescription['volumes'][0]>, sectors = 40000) =>
    makeNetware(temporary(t), {
      disks: [{ name: 'disk.img', sectors }],
      volumes: [{ name: 'SYS', blockSize: 4096, segments: [{ disk: 0 }], ...description }],
    });
  t.throws(() => make({ segments: [{ disk: 0, sectors: 400 }] }), { message: /too small/ });
  t.throws(() => make({ segments: [{ disk: 0, start: 100 }] }), { message: /segment 0/ });
  t.throws(() => make({ segments: [{ disk: 1 }] }), { message: /no partition/ });
  t.throws(() => make({ entries: [{ path: 'A.DAT', content: { noise: 30_000_000 } }] }), { message: /full/ });
  t.throws(() => make({ entries: [{ path: 'NAMETOOLONG.DATA' }] }), { message: /does not fit/ });
  t.throws(() => make({}, 2000), { message: /no room/ });
});
