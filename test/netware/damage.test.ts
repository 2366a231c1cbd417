import { writeFileSync } from 'node:fs';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { DamagedDisk } from './damaged-disk.ts';
import { codes, readDisks } from './reader.ts';

const test = requires('python3');
const none = 0xffffffff;

/** Each kind of damage, in all copies of what it touches, and the findings it must lead to. */
const damages: readonly [string, string[], (disk: DamagedDisk) => void][] = [
  ['no partition table', ['no-partition', 'partition-table'], (d) => d.write([510], Buffer.alloc(2))],
  ['a partition beyond the disk', ['no-partition', 'partition-table'], (d) => d.put([446 + 12], 8192)],
  ['another type of partition', ['no-partition'], (d) => d.write([446 + 4], Buffer.from([0x64]))],
  ['a stamp of another length', ['stamp'], (d) => d.put([d.physical(0) + 20], 17)],
  ['half a stamp', ['stamp'], (d) => d.write([d.physical(0) + 3], Buffer.from('x'))],
  ['a kept table of another disk', ['stamp'], (d) => d.put([d.physical(1) + 446 + 8], 17)],
  ['no HOTFIX00', ['hotfix'], (d) => d.put(d.hotfix(0), 0)],
  ['no MIRROR00', ['mirror'], (d) => d.put(d.mirror(0), 0)],
  ['more data than there is', ['hotfix-size'], (d) => d.put(d.hotfix(20), 6200)],
  ['unit marks of HOTFIX00', ['hotfix-header'], (d) => d.put(d.hotfix(16), 0)],
  ['a pointer to no table', ['redirection-pointer'], (d) => d.put(d.hotfix(28), 64)],
  ['a mirror header of another partition', ['mirror-header'], (d) => d.put(d.mirror(8), 1)],
  ['a group without this partition', ['mirror-group', 'mirror-header'], (d) => d.put(d.mirror(32), 5)],
  [
    'a unit redirected twice',
    ['redirection-table'],
    (d) => d.put(d.table(0, 30), d.dword(d.table(0, 21)[0]!)),
  ],
  ['a redirection of half a unit', ['redirection-table'], (d) => d.put(d.table(0, 30), 1001)],
  ['headers in a spare unit', ['redirection-table'], (d) => d.put(d.table(0, 4), 0)],
  ['lost data', ['bad-bits-table'], (d) => d.put(d.table(1, 21), 0x10)],
  ['no volume table', ['volume-table'], (d) => d.put(d.volumeTable(0), 0)],
  ['nine segments', ['volume-table'], (d) => d.put(d.volumeTable(16), 9)],
  ['a segment beyond the partition', ['segment-place'], (d) => d.put(d.volumeTable(32 + 28), 8000)],
  ['a segment that is missing', ['segments'], (d) => d.write(d.volumeTable(32 + 21), Buffer.from([2]))],
  ['a segment told short', ['segments'], (d) => d.put(d.volumeTable(32 + 28), 4096)],
  ['a FAT in the directory', ['volume-places'], (d) => d.put(d.volumeTable(32 + 40), 1)],
  ['a block size of none', ['block-size'], (d) => d.write(d.volumeTable(32 + 20), Buffer.from([8]))],
  ['a volume without a name', ['volume-name'], (d) => d.write(d.volumeTable(32), Buffer.from([0]))],
  ['a FAT that goes on', ['fat-chain'], (d) => d.put(d.fat(0), 0, 5)],
  ['a free block with an index', ['fat-entry'], (d) => d.put(d.fat(40), 7)],
  ['an entry beyond the volume', ['fat-entry'], (d) => d.put(d.fat(3000), 0, 9)],
  ['a block nobody has', ['unclaimed'], (d) => d.put(d.fat(40), 0, none)],
  ['a file in a free block', ['chain'], (d) => d.put(d.record(d.entry('/A/TWO.DAT').dirno, 52), 40)],
  [
    'a chain out of the volume',
    ['chain', 'unclaimed'],
    (d) => d.put(d.fat(first(d, '/A/THREE.DAT')), 0, 3000),
  ],
  [
    'a chain in a ring',
    ['chain-index', 'unclaimed'],
    (d) => d.put(d.fat(first(d, '/A/THREE.DAT')), 0, first(d, '/A/THREE.DAT')),
  ],
  [
    'two files in one block',
    ['double-claim', 'unclaimed'],
    (d) => d.put(d.record(d.entry('/A/TWO.DAT').dirno, 52), first(d, '/A/THREE.DAT')),
  ],
  ['blocks beyond the size', ['beyond-size'], (d) => d.put(d.record(d.entry('/A/TWO.DAT').dirno, 48), 65536)],
  ['a tail of another size', ['beyond-size'], (d) => d.put(d.record(d.entry('/A/TAIL.DAT').dirno, 48), 1025)],
  [
    'a tail that is not there',
    ['suballocation'],
    (d) => d.put(d.record(d.entry('/A/TAIL.DAT').dirno, 52), 0x82000100),
  ],
  [
    'two files in one tail',
    ['double-claim'],
    (d) => d.put(d.record(d.entry('/A/TAIL.DAT').dirno, 52), d.entry('/A/TAIL2.DAT').first_block!),
  ],
  ['no root', ['root'], (d) => d.put(d.record(0), none)],
  ['flags of the root', ['root'], (d) => d.write(d.record(0, 23), Buffer.from([0xf2]))],
  ['a list of name spaces', ['root'], (d) => d.write(d.record(0, 16), Buffer.from([0]))],
  ['a free record with a rest', ['free-record'], (d) => d.write(d.record(511, 50), Buffer.from([1]))],
  [
    'a record on a foreign page',
    ['page', 'name-list'],
    (d) => d.put(d.record(d.entry('/B/OTHER.DAT').dirno), 0),
  ],
  [
    'a parent that is none',
    ['name-list', 'page', 'parent'],
    (d) => d.put(d.record(d.entry('/B/OTHER.DAT').dirno), 500),
  ],
  [
    'a directory in itself',
    ['name-list', 'page', 'parent'],
    (d) => d.put(d.record(d.entry('/B').dirno), d.entry('/B').dirno),
  ],
  [
    'a name in small letters',
    ['name'],
    (d) => d.write(d.record(d.entry('/A/TWO.DAT').dirno, 12), Buffer.from('a')),
  ],
  [
    'a name of no length',
    ['name'],
    (d) => d.write(d.record(d.entry('/A/TWO.DAT').dirno, 11), Buffer.from([0])),
  ],
  [
    'a name with a rest',
    ['name'],
    (d) => d.write(d.record(d.entry('/A/TWO.DAT').dirno, 22), Buffer.from('x')),
  ],
  [
    'two files of one name',
    ['name'],
    (d) => d.write(d.record(d.entry('/A/TAIL2.DAT').dirno, 11), Buffer.from('\x08TAIL.DAT\0')),
  ],
  [
    'a long name too long',
    ['name'],
    (d) => d.write(d.record(d.entry('/A/TWO.DAT').dirno + 1, 11), Buffer.from([81])),
  ],
  [
    'attributes nobody knows',
    ['attributes'],
    (d) => d.put(d.record(d.entry('/A/TWO.DAT').dirno, 4), 0x80000020),
  ],
  [
    'a file with the attribute of a directory',
    ['record-flags'],
    (d) => d.put(d.record(d.entry('/A/TWO.DAT').dirno, 4), 0x30),
  ],
  [
    'no primary record',
    ['record-flags'],
    (d) => d.write(d.record(d.entry('/A/TWO.DAT').dirno + 1, 9), Buffer.from([8])),
  ],
  ['a month of none', ['date'], (d) => d.put(d.record(d.entry('/A/TWO.DAT').dirno, 40), 0x20004000)],
  [
    'a live file with a date of deletion',
    ['deleted'],
    (d) => d.put(d.record(d.entry('/A/TWO.DAT').dirno, 104), 549537792),
  ],
  ['a deleted file without one', ['deleted'], (d) => d.put(d.record(d.entry('/GONE.DAT').dirno, 104), 0)],
  [
    'rights that are none',
    ['trustee'],
    (d) => d.write(d.record(d.entry('/A/RIGHTS.DAT').dirno, 84), Buffer.from([0, 2])),
  ],
  ['a trustee twice', ['trustee'], (d) => d.put(d.record(d.entry('/A/RIGHTS.DAT').dirno, 60), 0x02000000)],
  ['trustees cut off', ['trustee'], (d) => d.put(d.record(d.entry('/A/RIGHTS.DAT').dirno, 56), 0)],
  ['trustees of another', ['trustee'], (d) => d.put(d.record(d.entry('/A/TWO.DAT').dirno, 56), 0x100)],
  ['another first record', ['name-list'], (d) => d.put(d.record(d.entry('/A/TWO.DAT').dirno, 120), 1)],
  [
    'a long name cut off',
    ['name-list', 'record-flags'],
    (d) => d.put(d.record(d.entry('/A/TWO.DAT').dirno, 124), 0),
  ],
  ['a long name of another', ['name-list'], (d) => d.put(d.record(d.entry('/A/TWO.DAT').dirno + 1, 120), 1)],
  [
    'a record of an unlisted name space',
    ['name-space'],
    (d) => d.write(d.record(d.entry('/A/TWO.DAT').dirno + 1, 10), Buffer.from([9])),
  ],
  ['no suballocation records', ['suballocation'], (d) => d.put(d.record(0, 120), 0)],
  [
    'a suballocation record of the wrong order',
    ['suballocation'],
    (d) => d.write(d.record(2, 9), Buffer.from([1])),
  ],
];

function first(disk: DamagedDisk, path: string): number {
  return disk.entry(path).first_block!;
}

test('the disk that is to be damaged is sound', (t) => {
  t.is(readDisks([new DamagedDisk(temporary(t)).path]).stderr, '');
});

for (const [what, wanted, damage] of damages) {
  test(`refused by name: ${what}`, (t) => {
    const disk = new DamagedDisk(temporary(t));
    damage(disk);
    const { status, output, stderr } = readDisks([disk.path]);
    t.is(status, 1);
    const found = codes(output.findings);
    for (const code of wanted) t.true(found.includes(code), `${code} is not among ${found.join(', ')}`);
    t.regex(stderr, /^(FINDING [a-z-]+: .*: .*\n)+$/);
  });
}

test('a data partition of garbage is refused by name', (t) => {
  const disk = new DamagedDisk(temporary(t));
  disk.write([disk.physical(0)], Buffer.alloc(2 << 20, 0x5a));
  const { status, output } = readDisks([disk.path]);
  t.is(status, 1);
  t.true(codes(output.findings).includes('hotfix'));
});

test('mirrored partitions that differ are refused by name', (t) => {
  const disk = new DamagedDisk(temporary(t));
  const twin = new DamagedDisk(temporary(t));
  // Both become members of one group: two ids, each the first of its own header.
  for (const [which, id] of [
    [disk, 0x11],
    [twin, 0x22],
  ] as const) {
    which.put(which.hotfix(8), id);
    which.put(which.mirror(8), id);
    which.put(which.mirror(32), 0x11, 0x22);
  }
  t.is(readDisks([disk.path, twin.path]).stderr, '');
  twin.write([twin.block(40)], Buffer.from('x'));
  t.deepEqual(codes(readDisks([disk.path, twin.path]).output.findings), ['mirror-differs']);
});

test('what is no disk is refused', (t) => {
  const path = `${temporary(t)}/empty.img`;
  writeFileSync(path, '');
  t.deepEqual(codes(readDisks([path]).output.findings), ['no-partition', 'partition-table']);
});
