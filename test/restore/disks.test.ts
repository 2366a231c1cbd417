import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { openSet, type SetReader } from '../../src/archive/index.ts';
import { backup } from '../../src/backup/index.ts';
import { faulty, identityOf, openDisk, type BlockDevice } from '../../src/disk/index.ts';
import { memoryMedium, type MemoryMedium } from '../../src/medium/memory.ts';
import { silent } from '../../src/progress/index.ts';
import { apply, journalStore, type ApplyOptions } from '../../src/restore/apply.ts';
import { logIntoSystem } from '../../src/restore/log.ts';
import { withMount, type VolumePlace } from '../../src/restore/mounting.ts';
import type { Plan } from '../../src/restore/plan-document.ts';
import { plan } from '../../src/restore/plan.ts';
import type { RestoreReport } from '../../src/restore/request.ts';
import type { Wishes } from '../../src/restore/wishes.ts';
import { attachLoop, run } from '../../src/system/index.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { alone, diskImage, emptyFile, fill, tool, treeOf, type MadeImage } from './images.ts';
import { noise } from './sets.ts';

const MiB = 1024 * 1024;

interface Stored {
  readonly medium: MemoryMedium;
  readonly set: string;
}

async function backUp(image: string, sectorSize = 512, allSectors = false): Promise<Stored> {
  const medium = memoryMedium();
  const device = await openDisk(image, { sectorSize });
  const { set } = await backup({
    disks: [{ device, identity: await identityOf(image, sectorSize) }],
    medium,
    machine: { hostname: 'web1', firmware: null, vendor: null, product: null, serial: null },
    name: 'web1',
    note: '',
    allSectors,
    onReadError: 'stop',
    level: 1,
    now: new Date('2031-02-03T04:05:06Z'),
    reporter: silent,
  });
  await device.close();
  return { medium, set };
}

interface Target {
  readonly path: string;
  readonly sectorSize?: number;
  readonly wishes?: Partial<Wishes>;
  readonly options?: Partial<ApplyOptions>;
  readonly through?: (device: BlockDevice) => BlockDevice;
}

async function planFor(reader: SetReader, target: Target): Promise<Plan> {
  const identity = await identityOf(target.path, target.sectorSize ?? 512);
  return plan({
    head: reader.head,
    layout: reader.layout,
    maps: [...reader.maps.values()],
    candidates: [{ identity, paths: [target.path], holds: [], reserved: null }],
    wishes: {
      targets: { disk1: { path: target.path } },
      grow: 'last',
      release: ['all'],
      bootEntry: false,
      ...target.wishes,
    },
    firmware: null,
  });
}

async function restore(stored: Stored, target: Target): Promise<{ plan: Plan; report: RestoreReport }> {
  const reader = await openSet(stored.medium, stored.set);
  const made = await planFor(reader, target);
  const disk = await openDisk(target.path, { write: true, sectorSize: target.sectorSize ?? 512 });
  const device = target.through?.(disk) ?? disk;
  const targets = new Map([['disk1', { device, identity: await identityOf(target.path, disk.sectorSize) }]]);
  try {
    const report = await apply(made, {
      reader,
      targets,
      journal: journalStore(made, targets, null),
      verify: true,
      onDamage: 'stop',
      reporter: silent,
      interval: { bytes: MiB, milliseconds: 1e9 },
      ...target.options,
    });
    return { plan: made, report };
  } finally {
    await disk.close();
    await reader.close();
  }
}

const efi = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';
const server = [
  { type: efi, size: 9, format: 'fat' },
  { type: 'L', size: 40, format: 'ext4' },
  { type: 'S', size: 4, format: 'swap' },
] as const;

/** The volumes of the restored disk by volume id. */
function placesOf(made: Plan, path: string, sectorSize = 512): Map<string, VolumePlace> {
  return new Map(
    made.steps.flatMap((step) => {
      if (step.kind !== 'volume') return [];
      const { start, count } = step.segments[0]!;
      return [
        [step.volume, { path, offset: start * sectorSize, size: count * sectorSize, sectorSize }] as const,
      ];
    }),
  );
}

async function sameTree(
  t: ExecutionContext,
  image: MadeImage,
  number: number,
  place: VolumePlace,
): Promise<void> {
  t.is(await treeOf(place), await treeOf(image.places[number - 1]!), `partition ${number}`);
}

/** Runs programs until resize2fs, which wrecks the volume and dies. */
const cutInGrowth: ApplyOptions['run'] = async (program, args, options) => {
  if (program !== 'resize2fs') return await run(program, args, options);
  // What a tool that was cut off may leave: anything.
  const device = args?.at(-1) ?? '';
  tool('dd', [
    'if=/dev/urandom',
    `of=${device}`,
    'bs=1M',
    'count=1',
    'seek=2',
    'conv=notrunc',
    'status=none',
  ]);
  throw new Error('the power failed');
};

const tools = ['sfdisk', 'mkfs.ext4', 'mkfs.fat', 'mkswap', 'mcopy', 'losetup', 'resize2fs', 'e2fsck'];

requiresRoot(...tools)(
  'a GPT server comes back on an equal and on a larger image',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = diskImage(folder, { label: 'gpt', size: 56, parts: server });
    const stored = await backUp(image.path);
    const source = readFileSync(image.path);

    const equal = emptyFile(join(folder, 'equal.img'), 56 * MiB);
    const first = await restore(stored, { path: equal });
    t.true(first.report.verified);
    t.deepEqual(first.report.damage, []);
    const back = readFileSync(equal);
    t.true(back.subarray(0, 34 * 512).equals(source.subarray(0, 34 * 512)), 'boot code and table');
    t.true(back.subarray(-33 * 512).equals(source.subarray(-33 * 512)), 'second copy of the table');
    const places = placesOf(first.plan, equal);
    await sameTree(t, image, 2, places.get('disk1.part2')!);
    t.notThrows(() => tool('e2fsck', ['-f', '-n', alone(places.get('disk1.part2')!, join(folder, 'ext'))]));
    t.notThrows(() => tool('fsck.fat', ['-n', alone(places.get('disk1.part1')!, join(folder, 'fat'))]));
    t.true(statSync(equal).blocks * 512 < 30 * MiB, 'a sparse image stays sparse');
    const loader = tool('mdir', ['-b', '-i', `${equal}@@1M`, '::/EFI/BOOT']);
    t.regex(loader, /BOOTX64\.EFI/i);

    const larger = emptyFile(join(folder, 'larger.img'), 90 * MiB);
    const second = await restore(stored, { path: larger });
    t.notThrows(() => tool('sfdisk', ['--verify', larger]));
    const grown = placesOf(second.plan, larger).get('disk1.part2')!;
    t.true(grown.size > 70 * MiB);
    await sameTree(t, image, 2, grown);
    t.notThrows(() => tool('e2fsck', ['-f', '-n', alone(grown, join(folder, 'ext'))]));
    await withMount(grown, ['ro'], (root) => {
      const [blocks, size] = tool('stat', ['-f', '-c', '%b %S', root]).split(' ').map(Number);
      t.true(blocks! * size! > 60 * MiB);
      return Promise.resolve();
    });
    const swap = placesOf(second.plan, larger).get('disk1.part3')!;
    t.regex(tool('swaplabel', [alone(swap, join(folder, 'swap'))]), /UUID/);
    t.is(
      await logIntoSystem([{ place: grown, type: 'ext4' }], 'now.log', 'text'),
      '/var/log/remetal/now.log',
    );
  },
);

requiresRoot(...tools)(
  'a cut in the middle, and in the growth, ends in the same bytes',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = diskImage(folder, { label: 'gpt', size: 56, parts: server });
    const stored = await backUp(image.path);
    const whole = emptyFile(join(folder, 'a.img'), 90 * MiB);
    // One path for both: a file is known by it, and the plan's hash is in the journal.
    await restore(stored, { path: whole });
    const wanted = readFileSync(whole);
    for (const cut of [12, 25]) {
      emptyFile(whole, 90 * MiB);
      const through = (device: BlockDevice): BlockDevice => faulty(device, { cutAfterWrites: cut });
      await t.throwsAsync(restore(stored, { path: whole, through }), { code: 'disk-gone' });
      const { report } = await restore(stored, { path: whole });
      t.not(report.resumedAt, null);
      t.true(readFileSync(whole).equals(wanted), `cut after ${cut} writes`);
    }
    emptyFile(whole, 90 * MiB);
    await t.throwsAsync(restore(stored, { path: whole, options: { run: cutInGrowth } }), {
      message: 'the power failed',
    });
    await restore(stored, { path: whole });
    t.true(readFileSync(whole).equals(wanted), 'cut in the growth');
  },
);

requiresRoot(...tools)(
  'a block device full of old data takes a server and grows it',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = diskImage(folder, { label: 'gpt', size: 56, parts: server });
    const stored = await backUp(image.path);
    const behind = emptyFile(join(folder, 'behind.img'), 80 * MiB);
    tool('dd', ['if=/dev/urandom', `of=${behind}`, 'bs=1M', 'count=80', 'conv=notrunc', 'status=none']);
    const loop = await attachLoop({ path: behind });
    try {
      const { plan: made, report } = await restore(stored, { path: loop.path });
      t.true(report.verified);
      const grown = placesOf(made, loop.path).get('disk1.part2')!;
      t.true(grown.size > 60 * MiB);
      await sameTree(t, image, 2, grown);
      t.notThrows(() => tool('e2fsck', ['-f', '-n', alone(grown, join(folder, 'ext'))]));
      t.regex(tool('sfdisk', ['--dump', loop.path]), /type=C12A7328/);
    } finally {
      await loop.detach();
    }
  },
);

requiresRoot(...tools)('a disk of 4096-byte sectors comes back and grows', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const parts = [{ ...server[0], size: 24 }, server[1], server[2]];
  const image = diskImage(folder, { label: 'gpt', size: 72, parts, sectorSize: 4096 });
  const stored = await backUp(image.path, 4096);
  const path = emptyFile(join(folder, 'larger.img'), 100 * MiB);
  const { plan: made, report } = await restore(stored, { path, sectorSize: 4096 });
  t.true(report.verified);
  const places = placesOf(made, path, 4096);
  const grown = places.get('disk1.part2')!;
  t.true(grown.size > 60 * MiB);
  await sameTree(t, image, 2, grown);
  t.notThrows(() => tool('e2fsck', ['-f', '-n', alone(grown, join(folder, 'ext'))]));
  t.notThrows(() => tool('fsck.fat', ['-n', alone(places.get('disk1.part1')!, join(folder, 'fat'))]));
  t.regex(tool('mdir', ['-b', '-i', `${path}@@1M`, '::/EFI/BOOT']), /BOOTX64\.EFI/i);
});

requiresRoot(
  ...tools,
  'mkfs.xfs',
  'xfs_growfs',
  'xfs_repair',
)('an MBR disk with XFS comes back and grows', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const parts = [
    { type: '82', size: 8, format: 'swap' },
    { type: '83', size: 310, format: 'xfs' },
  ] as const;
  const image = diskImage(folder, { label: 'dos', size: 320, parts });
  await withMount(image.places[1]!, [], (root) => Promise.resolve(fill(root, 5)));
  const stored = await backUp(image.path);
  const larger = emptyFile(join(folder, 'larger.img'), 500 * MiB);
  const { plan: made, report } = await restore(stored, { path: larger });
  t.true(report.verified);
  const grown = placesOf(made, larger).get('disk1.part2')!;
  t.true(grown.size > 450 * MiB);
  await sameTree(t, image, 2, grown);
  tool('losetup', ['--version']);
  t.notThrows(() => tool('xfs_repair', ['-n', '-f', alone(grown, join(folder, 'xfs'))]));
  await withMount(grown, ['ro', 'nouuid'], (root) => {
    const [blocks, size] = tool('stat', ['-f', '-c', '%b %S', root]).split(' ').map(Number);
    t.true(blocks! * size! > 400 * MiB);
    return Promise.resolve();
  });
});

requiresRoot(...tools)('a damaged record costs its files, which are named', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const image = diskImage(folder, { label: 'gpt', size: 56, parts: server });
  const stored = await backUp(image.path);
  // The last data record of the ext4 volume that is no zeros: where the large file ends.
  const bytes = stored.medium.bytes(stored.set)[0]!;
  const reader = await openSet(stored.medium, stored.set);
  let hit = -1;
  for await (const group of reader.groups('disk1.part2', { from: 0, onDamage: 'report' })) {
    if (group.plain === null) continue;
    const at = bytes.indexOf(group.plain.subarray(0, 4096));
    if (at >= 0) hit = at;
  }
  await reader.close();
  t.true(hit > 0, 'a record stored plain');
  const damaged = Buffer.from(bytes);
  damaged[hit + 100]! ^= 1;
  stored.medium.put('damaged', [damaged]);
  const target = { path: emptyFile(join(folder, 'target.img'), 80 * MiB) };
  const bad = { ...stored, set: 'damaged' };
  await t.throwsAsync(restore(bad, target), { code: 'record-damaged' });
  const { report, plan: made } = await restore(bad, { ...target, options: { onDamage: 'go-on' } });
  t.is(report.damage.length, 1);
  const [damage] = report.damage;
  t.true(damage!.files.length > 0);
  t.true(damage!.files.every(({ path }) => path?.startsWith('/') === true));
  t.true(damage!.files.every(({ part }) => part === 'data'));
  const grown = placesOf(made, target.path).get('disk1.part2')!;
  await withMount(grown, ['ro'], (root) => {
    const [blocks, size] = tool('stat', ['-f', '-c', '%b %S', root]).split(' ').map(Number);
    t.true(blocks! * size! > 50 * MiB, 'lost file contents do not keep it from growing');
    return Promise.resolve();
  });
});

/** Puts bytes that are no zeros in every sector that lies in no partition, and in unused bytes of the table. */
function litter(path: string, runs: readonly { readonly at: number; readonly length: number }[]): void {
  const bytes = readFileSync(path);
  for (const { at, length } of runs) noise(length, at).copy(bytes, at < 0 ? bytes.length + at : at);
  writeFileSync(path, bytes);
}

const swapBehind = [server[1], { ...server[2], type: '82' }];
/* What sfdisk writes there is zeros: behind the boot code, between and behind the partitions, in unused entries. */
const exactly = [
  {
    label: 'dos',
    parts: swapBehind,
    runs: [
      { at: 300, length: 100 },
      { at: 40 * 512, length: 9000 },
      { at: 50 * MiB, length: 14 * MiB },
    ],
  },
  {
    label: 'gpt',
    parts: [server[1], server[2]],
    runs: [
      { at: 600, length: 424 },
      { at: 40 * 512, length: 9000 },
      { at: 50 * MiB, length: 13 * MiB },
      { at: -400, length: 400 },
    ],
  },
] as const;

requiresRoot(...tools)(
  'every sector on demand: an equal disk ends in the very same bytes, a larger one is laid out anew',
  async (t: ExecutionContext) => {
    for (const { label, parts, runs } of exactly) {
      const folder = temporary(t);
      const image = diskImage(folder, { label, size: 64, parts });
      litter(image.path, runs);
      const source = readFileSync(image.path);
      const stored = await backUp(image.path, 512, true);
      const equal = emptyFile(join(folder, 'equal.img'), 64 * MiB);
      const { report } = await restore(stored, { path: equal });
      t.true(report.verified);
      t.true(readFileSync(equal).equals(source), `${label}: equal to the last byte`);

      const larger = emptyFile(join(folder, 'larger.img'), 90 * MiB);
      const { plan: made } = await restore(stored, { path: larger });
      t.true(made.notices.some(({ code }) => code === 'gaps-left-out'));
      t.notThrows(() => tool('sfdisk', ['--verify', larger]));
      await sameTree(t, image, 1, placesOf(made, larger).get('disk1.part1')!);

      const named = emptyFile(join(folder, 'named.img'), 64 * MiB);
      const grown = await restore(stored, { path: named, wishes: { grow: 'disk1.part1' } });
      t.true(
        grown.plan.steps.some(({ kind }) => kind === 'grow'),
        `${label}: room of the source is taken`,
      );
      t.notThrows(() => tool('sfdisk', ['--verify', named]));
      await sameTree(t, image, 1, placesOf(grown.plan, named).get('disk1.part1')!);
    }
  },
);
