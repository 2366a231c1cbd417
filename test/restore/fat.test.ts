import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { planRestore } from '../../src/agent/index.ts';
import { openSet, type SetReader } from '../../src/archive/index.ts';
import { backup } from '../../src/backup/index.ts';
import { faulty, identityOf, openDisk, slice, type BlockDevice } from '../../src/disk/index.ts';
import { parseBootSector } from '../../src/filesystem/fat/boot.ts';
import { readTable } from '../../src/layout/index.ts';
import { memoryMedium, type MemoryMedium } from '../../src/medium/memory.ts';
import { silent } from '../../src/progress/index.ts';
import { apply, journalStore, type ApplyOptions } from '../../src/restore/apply.ts';
import type { GrowStep, Plan } from '../../src/restore/plan-document.ts';
import type { RestoreReport } from '../../src/restore/request.ts';
import type { Wishes } from '../../src/restore/wishes.ts';
import { everythingIn, fatImage, fillAsDos } from '../filesystem/fat-fixtures.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { alone, diskImage, emptyFile, tool } from './images.ts';

const MiB = 1024 * 1024;

interface Stored {
  readonly medium: MemoryMedium;
  readonly set: string;
}

async function backUp(
  image: string,
  { sectorSize = 512, allSectors = false, level = 1 } = {},
): Promise<Stored> {
  const medium = memoryMedium();
  const device = await openDisk(image, { sectorSize });
  const { set } = await backup({
    disks: [{ device, identity: await identityOf(image, sectorSize) }],
    medium,
    machine: { hostname: 'nw1', firmware: null, vendor: null, product: null, serial: null },
    name: 'nw1',
    note: '',
    allSectors,
    onReadError: 'stop',
    level,
    now: new Date('2031-02-03T04:05:06Z'),
    reporter: silent,
  });
  await device.close();
  return { medium, set };
}

interface Target {
  readonly path: string;
  readonly wishes: Partial<Wishes>;
  readonly sectorSize?: number;
  readonly options?: Partial<ApplyOptions>;
  readonly through?: (device: BlockDevice) => BlockDevice;
}

async function planFor(reader: SetReader, { path, wishes, sectorSize = 512 }: Target): Promise<Plan> {
  const identity = await identityOf(path, sectorSize);
  const { plan } = await planRestore({
    reader,
    candidates: [{ identity, paths: [path], holds: [], reserved: null }],
    wishes: {
      targets: { disk1: { path } },
      grow: 'last',
      release: ['all'],
      bootEntry: false,
      ...wishes,
    },
    firmware: null,
    journalFile: null,
  });
  return plan;
}

async function restore(stored: Stored, target: Target): Promise<{ plan: Plan; report: RestoreReport }> {
  const reader = await openSet(stored.medium, stored.set);
  const plan = await planFor(reader, target);
  const { path, sectorSize = 512 } = target;
  const disk = await openDisk(path, { write: true, sectorSize });
  const device = target.through?.(disk) ?? disk;
  const targets = new Map([['disk1', { device, identity: await identityOf(path, sectorSize) }]]);
  try {
    const report = await apply(plan, {
      reader,
      targets,
      journal: journalStore(plan, targets, null),
      verify: true,
      onDamage: 'stop',
      reporter: silent,
      interval: { bytes: MiB, milliseconds: 1e9 },
      ...target.options,
    });
    return { plan, report };
  } finally {
    await disk.close();
    await reader.close();
  }
}

const grownBy = (plan: Plan): GrowStep => plan.steps.find((step) => step.kind === 'grow')!;

/** A disk with an MBR, a DOS partition of 16 MiB as a NetWare server starts from, and another behind it. */
function netwareDisk(folder: string): { path: string; start: number; length: number } {
  const start = 63;
  const length = 16 * 2048;
  const path = emptyFile(join(folder, 'source.img'), 24 * MiB);
  tool(
    'sfdisk',
    ['--quiet', path],
    `label: dos\nstart=${start}, size=${length}, type=4, bootable\nstart=34816, size=8192, type=65\n`,
  );
  const image = fatImage(folder, length * 512, '-F', '16', '-s', '2', '-h', '63');
  fillAsDos(image, { rounds: 2, largest: 90_000 });
  tool('dd', [`if=${image.path}`, `of=${path}`, 'bs=512', `seek=${start}`, 'conv=notrunc', 'status=none']);
  return { path, start, length };
}

/** A wrapper that counts what is written, in calls. */
function counter(): { counted: (device: BlockDevice) => BlockDevice; writes: () => number } {
  let writes = 0;
  return {
    writes: () => writes,
    counted: (device) => ({
      ...device,
      async write(bytes, offset) {
        writes++;
        await device.write(bytes, offset);
      },
      async writeZeroes(offset, length) {
        writes++;
        await device.writeZeroes(offset, length);
      },
    }),
  };
}

async function everythingAt(path: string, start: number, count: number): Promise<string[]> {
  const disk = await openDisk(path, { sectorSize: 512 });
  try {
    return await everythingIn(slice(disk, start * 512, count * 512));
  } finally {
    await disk.close();
  }
}

const tools = ['sfdisk', 'mkfs.fat', 'fsck.fat', 'mcopy', 'mattrib'];

requires(...tools)(
  'the DOS partition of a NetWare server grows on a larger disk, cut at any write or not',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const source = netwareDisk(folder);
    const stored = await backUp(source.path);
    const before = await everythingAt(source.path, source.start, source.length);
    const wishes = { grow: 'disk1.part1' };
    // 70 MiB wants other clusters, so that everything changes its place.
    const path = emptyFile(join(folder, 'target.img'), 70 * MiB);
    const { counted, writes: written } = counter();
    const { plan: made, report } = await restore(stored, { path, wishes, through: counted });
    t.true(report.verified);
    t.deepEqual(report.notices, []);
    const { count, fat } = grownBy(made);
    t.is(fat?.blockSize, 2048);
    t.deepEqual(await everythingAt(path, source.start, count), before);
    const place = { path, offset: source.start * 512, size: count * 512, sectorSize: 512 };
    t.notThrows(() => tool('fsck.fat', ['-n', alone(place, join(folder, 'fat'))]));
    const disk = await openDisk(path, { sectorSize: 512 });
    const { table } = await readTable(disk);
    await disk.close();
    if (table.kind !== 'mbr') throw new Error(table.kind);
    t.like(table.partitions[0], { start: source.start, length: count, type: 6, active: true });
    t.is(table.partitions[1]!.start, 34816 + count - source.length);

    const wanted = readFileSync(path);
    const boot = wanted.subarray(source.start * 512);
    t.deepEqual([boot.readUInt32LE(28), boot.readUInt16LE(24), boot.readUInt16LE(26)], [63, 63, 255]);
    const writes = written();
    t.true(writes > 30, String(writes));
    let inGrowth = 0;
    for (let cut = 3; cut < writes; cut += Math.ceil(writes / 12)) {
      emptyFile(path, 70 * MiB);
      const through = (device: BlockDevice): BlockDevice => faulty(device, { cutAfterWrites: cut });
      await t.throwsAsync(restore(stored, { path, wishes, through }), { code: 'disk-gone' });
      const resumed = await restore(stored, { path, wishes });
      if (resumed.report.resumedAt !== null && made.steps[resumed.report.resumedAt]?.kind === 'grow')
        inGrowth++;
      t.true(readFileSync(path).equals(wanted), `cut after ${cut} writes`);
    }
    t.true(inGrowth > 2, `${inGrowth} cuts in the growth`);
  },
);

requires(...tools)('a growth that is stopped is taken up again', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const source = netwareDisk(folder);
  const stored = await backUp(source.path, { allSectors: true });
  const path = emptyFile(join(folder, 'target.img'), 30 * MiB);
  const wishes = { grow: 'disk1.part1' };
  const stop = new AbortController();
  const reporter: ApplyOptions['reporter'] = {
    ...silent,
    progress: ({ phase, doneBytes }) => {
      if (phase === 'grow' && doneBytes > 0) stop.abort();
    },
  };
  const options = { reporter, signal: stop.signal };
  await t.throwsAsync(restore(stored, { path, wishes, options }), { code: 'interrupted' });
  const { plan: made } = await restore(stored, { path, wishes });
  t.deepEqual(
    await everythingAt(path, source.start, grownBy(made).count),
    await everythingAt(source.path, source.start, source.length),
  );
});

requires(...tools, 'mmd')(
  'an EFI system partition grows and is made bootable',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const parts = [
      { type: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B', size: 9, format: 'fat' },
      { type: 'S', size: 4, format: 'swap' },
    ] as const;
    const image = diskImage(folder, { label: 'gpt', size: 16, parts });
    const stored = await backUp(image.path);
    const path = emptyFile(join(folder, 'larger.img'), 300 * MiB);
    const { plan: made, report } = await restore(stored, { path, wishes: { grow: 'disk1.part1' } });
    t.true(report.verified);
    const { start, count } = grownBy(made);
    t.true(count > 280 * 2048);
    const place = { path, offset: start * 512, size: count * 512, sectorSize: 512 };
    t.notThrows(() => tool('fsck.fat', ['-n', alone(place, join(folder, 'fat'))]));
    const listed = tool('mdir', ['-b', '-/', '-i', `${path}@@1M`, '::/EFI']);
    t.regex(listed, /BOOTX64\.EFI/i);
    t.regex(listed, /debian\/shimx64\.efi/i);
    const same = await restore(stored, {
      path,
      wishes: { grow: 'disk1.part1' },
      options: { startAnew: true },
    });
    t.is(same.plan.hash, made.hash);
  },
);

requires(...tools)(
  'a file system that turns out not to be sound keeps its size in the larger partition',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const source = netwareDisk(folder);
    // Two files with the same clusters, which no boot sector tells of.
    const device = await openDisk(source.path, { write: true, sectorSize: 512 });
    const volume = slice(device, source.start * 512, source.length * 512);
    const head = Buffer.alloc(512 * 1024);
    await volume.read(head, 0);
    const { rootOffset } = parseBootSector(head)!;
    const io = head.indexOf('IO      SYS', rootOffset, 'latin1');
    const last = head.indexOf('LAST       ', rootOffset, 'latin1');
    head.copy(head, last + 26, io + 26, io + 28);
    await volume.write(head, 0);
    await device.close();
    const stored = await backUp(source.path);
    const path = emptyFile(join(folder, 'target.img'), 70 * MiB);
    const { plan: made, report } = await restore(stored, { path, wishes: { grow: 'disk1.part1' } });
    t.deepEqual(
      report.notices.map(({ code }) => code),
      ['left-as-is'],
    );
    t.regex(report.notices[0]!.message, /"last" begins at cluster 2, as another file does/);
    const { count } = grownBy(made);
    t.true(count > source.length);
    t.deepEqual(
      await everythingAt(path, source.start, count),
      await everythingAt(source.path, source.start, source.length),
    );
    const back = readFileSync(path).subarray(source.start * 512, source.start * 512 + head.length);
    t.true(back.equals(head), 'not a byte of the structures was changed');
  },
);

/** A set with one bit turned at bytes that stand in it plain. */
function damagedAt({ medium, set }: Stored, bytes: Buffer): Stored {
  const copy = Buffer.from(medium.bytes(set)[0]!);
  const at = copy.indexOf(bytes);
  if (at < 0) throw new Error('the set does not hold these bytes plain');
  copy[at + 20]! ^= 1;
  medium.put('damaged', [copy]);
  return { medium, set: 'damaged' };
}

requires(...tools)(
  'damage: without its boot sector it is not grown, lost contents are named, later on they cannot be',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const source = netwareDisk(folder);
    const image = readFileSync(source.path).subarray(source.start * 512);
    const stored = await backUp(source.path, { level: 0 });
    const path = emptyFile(join(folder, 'target.img'), 70 * MiB);
    const wishes = { grow: 'disk1.part1' };
    const headless = damagedAt(stored, image.subarray(0, 64));
    await t.throwsAsync(restore(headless, { path, wishes }), { code: 'grow-impossible' });

    // The last bytes of its contents, far from the second table, which stands in no control set either.
    const end = image.subarray(0, source.length * 512).findLastIndex((byte) => byte !== 0);
    const holed = damagedAt(stored, image.subarray(end - 64, end));
    const options = { onDamage: 'go-on' } as const;
    const { counted, writes } = counter();
    const first = await restore(holed, { path, wishes, options, through: counted });
    const [damage] = first.report.damage;
    t.true(damage!.files.length > 0 && damage!.files.every(({ part }) => part === 'data'));
    t.deepEqual(
      first.report.notices.map(({ code }) => code),
      ['record-lost'],
    );

    // Power fails behind the growth, before the table is written.
    emptyFile(path, 70 * MiB);
    const grow = first.plan.steps.findIndex(({ kind }) => kind === 'grow');
    const through = (device: BlockDevice): BlockDevice => faulty(device, { cutAfterWrites: writes() - 3 });
    await t.throwsAsync(restore(holed, { path, wishes, options, through }), { code: 'disk-gone' });
    const second = await restore(holed, { path, wishes, options });
    t.true((second.report.resumedAt ?? 0) > grow);
    t.deepEqual(second.report.damage[0]!.files, []);
    t.true(second.report.notices.some(({ code }) => code === 'files-unknown'));
  },
);
