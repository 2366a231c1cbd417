import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { memoryDisk } from '../../src/disk/index.ts';
import { RemetalError, type ErrorCode } from '../../src/errors/index.ts';
import type { PlanTarget } from '../../src/restore/plan-document.ts';
import { plan } from '../../src/restore/plan.ts';
import type { TargetDisk } from '../../src/restore/request.ts';
import { describeContents } from '../../src/restore/target-contents.ts';
import { checkTarget, chooseTargets, describeDisk, findTarget } from '../../src/restore/targets.ts';
import { wishesSchema, type TargetRule, type Wishes } from '../../src/restore/wishes.ts';
import { diskOf, partitioned } from '../layout/fixtures.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { identity, inputOf, target } from './plan-inputs.ts';

const GiB = 1024 ** 3;
const candidates: TargetDisk[] = [
  target({ path: '/dev/sda', serial: 'A1', wwn: 'naa.5000C500AABBCCDD', size: 500 * GiB, model: 'ST500' }),
  target(
    { path: '/dev/sdb', serial: ' B2 ', size: 1000 * GiB, transport: 'nvme' },
    { paths: ['/dev/sdb', '/dev/disk/by-id/nvme-B2'] },
  ),
  target({ path: '/dev/sdc', serial: 'C3', size: 32 * GiB, transport: 'usb' }, { reserved: 'boot-medium' }),
  target({ path: '/dev/sdd', serial: 'D4', size: 1000 * GiB }, { reserved: 'mounted' }),
];

for (const [rule, path] of [
  [{ serial: 'a1' }, '/dev/sda'],
  [{ serial: 'B2' }, '/dev/sdb'],
  [{ wwn: '0x5000c500aabbccdd' }, '/dev/sda'],
  [{ wwn: 'wwn-0x5000c500aabbccdd' }, '/dev/sda'],
  [{ path: '/dev/disk/by-id/nvme-B2' }, '/dev/sdb'],
  [{ minSize: '600G' }, '/dev/sdb'],
  [{ maxSize: 500 * GiB, model: 'st500' }, '/dev/sda'],
  [{ transport: 'nvme', minSize: '1000GiB' }, '/dev/sdb'],
] as const satisfies readonly (readonly [TargetRule, string])[]) {
  test(`the rule ${JSON.stringify(rule)} finds ${path}`, (t) => {
    t.is(findTarget('disk1', rule, candidates).identity.path, path);
  });
}

for (const [rule, code] of [
  [{ only: true }, 'target-ambiguous'],
  [{ minSize: 1 }, 'target-ambiguous'],
  [{ serial: 'Z9' }, 'target-not-found'],
  [{ serial: '' }, 'target-not-found'],
  [{ serial: 'C3' }, 'target-is-source'],
  [{ serial: 'D4' }, 'disk-busy'],
] as const satisfies readonly (readonly [TargetRule, ErrorCode])[]) {
  test(`the rule ${JSON.stringify(rule)} is refused with ${code}`, (t) => {
    const error = t.throws<RemetalError>(() => findTarget('disk1', rule, candidates));
    t.is(error.code, code);
    t.deepEqual(error.facts['seen'], candidates.map(describeDisk));
    if (code === 'target-ambiguous') t.regex(error.message, /\/dev\/sda .*; \/dev\/sdb/);
  });
}

test('the only disk left after boot and source medium is taken', (t) => {
  t.is(findTarget('disk1', { only: true }, candidates.slice(1)).identity.path, '/dev/sdb');
});

const table = { kind: 'none' } as const;

function refusal(t: ExecutionContext, targets: TargetDisk[], wishes: Partial<Wishes> = {}): RemetalError {
  return t.throws<RemetalError>(() => plan(inputOf({ table, size: GiB, targets, wishes })));
}

test('data is only overwritten when released, by name or all', (t) => {
  const full = target({ size: GiB, serial: 'F5', path: '/dev/sdf' }, { holds: ['ext4 "data"'] });
  const error = refusal(t, [full]);
  t.is(error.code, 'target-holds-data');
  t.deepEqual(error.facts['holds'], ['ext4 "data"']);
  t.is(refusal(t, [full], { release: ['S1', '/dev/sda'] }).code, 'target-holds-data');
  for (const word of ['all', 'F5', '/dev/sdf']) {
    t.notThrows(() => plan(inputOf({ table, size: GiB, targets: [full], wishes: { release: [word] } })));
  }
});

test('another sector size is refused, and so is an unnamed target', (t) => {
  const error = refusal(t, [target({ size: GiB, sectorSize: 4096 })]);
  t.is(error.code, 'target-sector-size');
  t.like(error.facts, { source: 512, target: 4096 });
  t.is(refusal(t, [target({ size: GiB })], { targets: {} }).code, 'target-not-found');
});

test('two source disks never go onto one target', (t) => {
  const disks = ['disk1', 'disk2'].map((id) => ({ id, identity: identity({ size: GiB }), table }));
  const wishes = wishesSchema.parse({ targets: { disk1: { only: true }, disk2: { serial: 'S1' } } });
  const error = t.throws<RemetalError>(() => chooseTargets(disks, [target({ size: GiB })], wishes));
  t.is(error.code, 'target-doubled');
});

test('a plan is pinned to its disk', (t) => {
  const pinned: PlanTarget = {
    disk: 'disk1',
    path: '/dev/sda',
    serial: 'S1',
    wwn: 'naa.5',
    model: null,
    size: GiB,
    sectorSize: 512,
    holds: [],
    table,
  };
  const same = identity({ size: GiB, wwn: '0x5', path: '/dev/sdz' });
  t.notThrows(() => checkTarget(pinned, same));
  for (const change of [
    { serial: 'S2' },
    { serial: null },
    { wwn: '0x6' },
    { size: GiB + 512 },
    { sectorSize: 4096 },
  ]) {
    const error = t.throws<RemetalError>(() => checkTarget(pinned, { ...same, ...change }));
    t.is(error.code, 'target-changed');
  }
  const unnamed = { ...pinned, serial: null, wwn: null };
  const file = identity({ size: GiB, serial: null, path: '/dev/sda' });
  t.notThrows(() => checkTarget(unnamed, file));
  t.is(
    t.throws<RemetalError>(() => checkTarget(unnamed, { ...file, path: '/dev/sdb' })).code,
    'target-changed',
  );
});

test('a blank disk holds nothing; anything at its ends is data', async (t) => {
  const disk = memoryDisk(64 * 1024 * 1024);
  t.deepEqual(await describeContents(disk), []);
  await disk.write(Buffer.alloc(512, 1), disk.size - 512);
  t.deepEqual(await describeContents(disk), ['data of unknown kind']);
});

requires('sfdisk', 'mkfs.ext4')('tables and file systems are named', async (t: ExecutionContext) => {
  const path = join(temporary(t), 'disk.raw');
  const image = partitioned(path, 32 * 1024 * 1024, 'label: gpt\nsize=8M\nsize=4M\n');
  const ext = `${path}.ext`;
  writeFileSync(ext, '');
  truncateSync(ext, 8 * 1024 * 1024);
  execFileSync('mkfs.ext4', ['-q', '-L', 'data', ext]);
  readFileSync(ext).copy(image, 2048 * 512);
  t.deepEqual(await describeContents(await diskOf(image)), ['GPT with 2 partitions', 'ext4 "data"']);
  t.deepEqual(await describeContents(await diskOf(readFileSync(ext))), ['ext4 "data"']);
  image.fill(0, 512, 8192);
  image.fill(0, image.length - 512);
  t.deepEqual(await describeContents(await diskOf(image)), ['a damaged partition table']);
});
