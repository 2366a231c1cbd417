import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { faulty, memoryDisk, recording, type BlockDevice } from '../../src/disk/index.ts';
import { silent, type Notice, type Progress } from '../../src/progress/index.ts';
import { apply, journalStore, type ApplyOptions } from '../../src/restore/apply.ts';
import { diskJournal, fileJournal, openJournal } from '../../src/restore/journal.ts';
import type { Plan } from '../../src/restore/plan-document.ts';
import type { RestoreReport } from '../../src/restore/request.ts';
import { temporary } from '../helpers/temporary.ts';
import { gpt, noise, partitioned, setOf, type MadeSet, type VolumeContent } from './sets.ts';
import { identityOfMemory, planOnto, targetsOf } from './targets.ts';
import { volatileDisk } from './volatile.ts';

const swapType = '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f';

/** A swap header as mkswap writes it: 4096-byte pages, `pages` of them. */
function swapHeader(pages: number): Buffer {
  const page = Buffer.alloc(4096);
  page.writeUInt32LE(1, 1024);
  page.writeUInt32LE(pages - 1, 1028);
  page.write('made for the test', 1036, 'latin1');
  page.write('SWAPSPACE2', 4086, 'latin1');
  return page;
}

interface Source {
  readonly made: MadeSet;
  readonly contents: Readonly<Record<string, VolumeContent>>;
}

/**
 * A small disk: boot code in front, a volume with a control set, data, a zero group and known zeros,
 * and a swap area behind it. Cut into groups of 16 KiB.
 */
async function source(sectorSize: number): Promise<Source> {
  const sectors = (bytes: number): number => bytes / sectorSize;
  const table = gpt([sectors(512 * 1024), sectors(128 * 1024)], [undefined!, swapType]);
  const disk = await partitioned({ size: 4 * 1024 * 1024, sectorSize, table });
  const first = table.partitions[0]!.start * sectorSize;
  const second = table.partitions[1]!.start * sectorSize;
  const sector0 = Buffer.alloc(sectorSize);
  await disk.read(sector0, 0);
  noise(440, 9).copy(sector0);
  await disk.write(sector0, 0);
  await disk.write(noise(512 * 1024, 1), first);
  await disk.writeZeroes(first + 196_608, 65_536);
  await disk.writeZeroes(first + 393_216, 65_536);
  await disk.write(swapHeader(32), second);
  const contents: Record<string, VolumeContent> = {
    'disk1.boot': { data: [{ start: 0, length: sectorSize }] },
    'disk1.part1': {
      control: [
        { start: 0, length: 20_480 },
        { start: 131_072, length: 8192 },
      ],
      data: [
        { start: 20_480, length: 40_960 },
        { start: 139_264, length: 163_840 },
        { start: 512 * 1024 - 4096, length: 4096 },
      ],
      zero: [{ start: 393_216, length: 65_536 }],
    },
    'disk1.part2': {
      control: [{ start: 0, length: 4096 }],
      data: [],
      filesystem: { type: 'swap', uuid: null, label: null, size: 131_072, blockSize: 4096 },
    },
  };
  return { made: await setOf(disk, contents), contents };
}

const leftovers = noise(8 * 1024 * 1024, 77);

/** A disk full of what somebody left on it. */
async function usedDisk(size: number, sectorSize: number): Promise<BlockDevice> {
  const disk = memoryDisk(size, { sectorSize });
  await disk.write(leftovers.subarray(0, size), 0);
  return disk;
}

async function contentOf(disk: BlockDevice): Promise<Buffer> {
  const bytes = Buffer.alloc(disk.size);
  await disk.read(bytes, 0);
  return bytes;
}

function restoring(
  made: MadeSet,
  plan: Plan,
  device: BlockDevice,
  more: Partial<ApplyOptions> & { damaged?: readonly string[] } = {},
): Promise<RestoreReport> {
  const targets = targetsOf(device);
  return apply(plan, {
    reader: made.reader(more.damaged),
    targets,
    journal: journalStore(plan, targets, null),
    verify: true,
    onDamage: 'stop',
    reporter: silent,
    interval: { bytes: 32_768, milliseconds: 1e9 },
    ...more,
  });
}

for (const sectorSize of [512, 4096]) {
  test(`a disk of ${sectorSize}-byte sectors comes back on an equal one`, async (t) => {
    const { made, contents } = await source(sectorSize);
    const target = await usedDisk(4 * 1024 * 1024, sectorSize);
    const plan = planOnto(made, target);
    const report = await restoring(made, plan, target);
    t.true(report.verified);
    t.is(report.planHash, plan.hash);
    t.true(report.writtenBytes >= plan.bytes);
    t.true(report.readBack!.bytes >= plan.bytes);
    t.is(report.resumedAt, null);
    const before = await contentOf(made.source);
    const after = await contentOf(target);
    for (const map of made.maps.filter(({ volume }) => contents[volume] !== undefined)) {
      const volume = made.layout.volumes.find(({ id }) => id === map.volume)!;
      const base = volume.segments[0]!.start * sectorSize;
      for (const { start, length } of [...map.control, ...map.data, ...(map.zero ?? [])]) {
        const range = [base + start, base + start + length] as const;
        t.true(before.subarray(...range).equals(after.subarray(...range)), `${map.volume} ${start}`);
      }
    }
    const structures = [
      [0, 2048 * 8],
      [4 * 1024 * 1024 - 33 * 512, 4 * 1024 * 1024],
    ] as const;
    for (const [from, to] of structures) {
      t.true(
        before.subarray(from, Math.min(to, before.length)).equals(after.subarray(from, to)),
        `table ${from}`,
      );
    }
  });

  test(`a larger disk of ${sectorSize}-byte sectors gives its room to the volume that grows`, async (t) => {
    const { made } = await source(sectorSize);
    const target = await usedDisk(8 * 1024 * 1024, sectorSize);
    const plan = planOnto(made, target, { grow: 'disk1.part2' });
    const step = plan.steps.find((each) => each.kind === 'grow');
    if (step?.kind !== 'grow') throw new Error('nothing grows');
    t.is(step.by, 'header');
    await restoring(made, plan, target);
    const after = await contentOf(target);
    const header = after.subarray(step.start * sectorSize, step.start * sectorSize + 4096);
    t.is(header.readUInt32LE(1028) + 1, Math.floor((step.count * sectorSize) / 4096));
    t.true(step.count > step.oldCount);
  });
}

async function uninterrupted(made: MadeSet, plan: Plan, size: number, sectorSize: number): Promise<Buffer> {
  const target = await usedDisk(size, sectorSize);
  await restoring(made, plan, target);
  return await contentOf(target);
}

test('cut off after any write and taken up again it ends in the same bytes', async (t) => {
  const { made } = await source(512);
  const size = 6 * 1024 * 1024;
  const plan = planOnto(made, await usedDisk(size, 512), { grow: 'disk1.part2' });
  const wanted = await uninterrupted(made, plan, size, 512);
  for (let cut = 0; ; cut++) {
    const disk = await usedDisk(size, 512);
    const done = await restoring(made, plan, faulty(disk, { cutAfterWrites: cut }), {
      verify: cut % 2 === 0,
    }).then(
      () => true,
      (error: unknown) => {
        t.like(error, { code: 'disk-gone' });
        return false;
      },
    );
    if (done) {
      t.true(cut > 20, `${cut} writes`);
      break;
    }
    await restoring(made, plan, disk, { verify: cut % 2 === 0 });
    t.true((await contentOf(disk)).equals(wanted), `cut after ${cut} writes`);
  }
});

test('with a write cache that loses what was not flushed, cut off several times, it ends in the same bytes', async (t) => {
  const { made } = await source(512);
  const size = 6 * 1024 * 1024;
  const plan = planOnto(made, await usedDisk(size, 512), { grow: 'disk1.part2' });
  const wanted = await uninterrupted(made, plan, size, 512);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 45 }), fc.integer()), { minLength: 1, maxLength: 4 }),
      async (cuts) => {
        const disk = await usedDisk(size, 512);
        for (const [after, seed] of cuts) {
          const keeps = (sector: number): boolean => (Math.imul(sector ^ seed, 2_654_435_761) & 0x4000) !== 0;
          await restoring(made, plan, volatileDisk(disk, after, keeps)).catch((error: unknown) => {
            t.like(error, { code: 'disk-gone' });
          });
        }
        await restoring(made, plan, disk);
        t.true((await contentOf(disk)).equals(wanted));
      },
    ),
    { numRuns: 40 },
  );
});

test('a restore that is taken up does not write again what was committed', async (t) => {
  const { made } = await source(512);
  const size = 4 * 1024 * 1024;
  const disk = await usedDisk(size, 512);
  const plan = planOnto(made, disk);
  const total = recording(memoryDisk(size));
  await restoring(made, plan, total);
  const writes = total.accesses.filter(({ call }) => call === 'write').length;
  await t.throwsAsync(restoring(made, plan, faulty(disk, { cutAfterWrites: writes - 8 })), {
    code: 'disk-gone',
  });
  const again = recording(disk);
  const report = await restoring(made, plan, again, { verify: false });
  t.true(report.resumedAt! > 0);
  t.true(report.writtenBytes < plan.bytes);
  t.true(report.notices.some(({ code }) => code === 'resumed'));
});

test('the place of the journal is zeros afterwards and nothing outside the plan is written', async (t) => {
  const { made } = await source(512);
  const disk = recording(await usedDisk(4 * 1024 * 1024, 512));
  const plan = planOnto(made, disk);
  await restoring(made, plan, disk, { verify: false });
  const after = await contentOf(disk);
  const { start, count } = plan.journal!;
  t.true(after.subarray(start * 512, (start + count) * 512).every((byte) => byte === 0));
  const allowed = plan.steps
    .flatMap((step) => {
      if ('ranges' in step) return step.ranges;
      return 'segments' in step ? step.segments : [step];
    })
    .map((run) => [run.start * 512, (run.start + run.count) * 512] as const);
  for (const { call, offset, length } of disk.accesses) {
    if (call !== 'write' && call !== 'writeZeroes') continue;
    t.true(
      allowed.some(([from, to]) => offset >= from && offset + length <= to),
      `${call} ${offset}+${length}`,
    );
  }
});

test('a journal of another plan is refused unless told to start anew', async (t) => {
  const { made } = await source(512);
  const disk = await usedDisk(4 * 1024 * 1024, 512);
  const plan = planOnto(made, disk);
  const store = diskJournal(disk, plan.journal!.start * 512);
  const other = { plan: `sha256:${'00'.repeat(32)}`, set: plan.set.id, startAnew: false };
  await (
    await openJournal(store, other)
  ).commit({
    plan: other.plan,
    set: other.set,
    step: 1,
    group: 0,
    changing: null,
    verified: [],
    damage: [],
  });
  const before = await contentOf(disk);
  await t.throwsAsync(restoring(made, plan, disk), { code: 'journal-foreign' });
  t.true((await contentOf(disk)).equals(before));
  await restoring(made, plan, disk, { startAnew: true });
});

test('another disk, another set or a changed plan is refused before anything is written', async (t) => {
  const { made } = await source(512);
  const disk = recording(await usedDisk(4 * 1024 * 1024, 512));
  const plan = planOnto(made, disk);
  const options = { verify: false, onDamage: 'stop', reporter: silent, journal: null } as const;
  const reader = made.reader();
  const changed = new Map([['disk1', { device: disk, identity: identityOfMemory(disk, 'another') }]]);
  await t.throwsAsync(apply(plan, { ...options, reader, targets: changed }), { code: 'target-changed' });
  await t.throwsAsync(apply(plan, { ...options, reader, targets: new Map() }), { code: 'target-not-found' });
  const larger = memoryDisk(5 * 1024 * 1024);
  await t.throwsAsync(apply(plan, { ...options, reader, targets: targetsOf(larger) }), {
    code: 'target-changed',
  });
  const targets = targetsOf(disk);
  const otherSet = { ...reader, head: { ...reader.head, setId: '00000000-0000-4000-8000-000000000000' } };
  await t.throwsAsync(apply(plan, { ...options, reader: otherSet, targets }), { code: 'plan-mismatch' });
  const otherMap = new Map([...reader.maps].map(([id, map]) => [id, { ...map, data: map.data.slice(1) }]));
  await t.throwsAsync(apply(plan, { ...options, reader: { ...reader, maps: otherMap }, targets }), {
    code: 'plan-mismatch',
  });
  await t.throwsAsync(apply({ ...plan, steps: plan.steps.slice(1) }, { ...options, reader, targets }), {
    code: 'plan-mismatch',
  });
  t.false(disk.accesses.some(({ call }) => call === 'write' || call === 'writeZeroes'));
});

test('a damaged record stops the restore with the journal intact, or leaves zeros and is listed', async (t) => {
  const { made } = await source(512);
  const disk = await usedDisk(4 * 1024 * 1024, 512);
  const plan = planOnto(made, disk);
  const damaged = ['disk1.part1:4', 'disk1.part1:5'];
  await t.throwsAsync(restoring(made, plan, disk, { damaged }), { code: 'record-damaged' });
  const notices: Notice[] = [];
  const reporter = { progress: () => {}, notice: (notice: Notice) => void notices.push(notice) };
  const report = await restoring(made, plan, disk, { damaged, onDamage: 'go-on', reporter });
  t.not(report.resumedAt, null);
  t.is(report.damage.length, 1);
  const { volume, extents, reason } = report.damage[0]!;
  t.is(volume, 'volume 1');
  t.is(reason, 'record-damaged');
  t.deepEqual(extents, [
    { start: 53_248, length: 8192 },
    { start: 139_264, length: 24_576 },
  ]);
  const after = await contentOf(disk);
  const base = 256 * 512;
  for (const { start, length } of extents) {
    t.true(after.subarray(base + start, base + start + length).every((byte) => byte === 0));
  }
  t.is(notices.filter(({ code }) => code === 'record-lost').length, 2);
  t.true(report.verified);
});

test('damage found before an interruption is still in the report', async (t) => {
  const { made } = await source(512);
  const disk = await usedDisk(4 * 1024 * 1024, 512);
  const plan = planOnto(made, disk);
  const more = { damaged: ['disk1.part1:1'], onDamage: 'go-on' } as const;
  for (let cut = 8; cut < 30; cut += 4) {
    await restoring(made, plan, faulty(disk, { cutAfterWrites: cut }), more).catch(() => undefined);
  }
  const report = await restoring(made, plan, disk, more);
  t.is(report.damage.length, 1);
  t.deepEqual(
    report.damage[0]!.extents.map(({ length }) => length),
    [4096, 8192],
  );
});

test('a disk that gives back other bytes than it took fails the verification', async (t) => {
  const { made } = await source(512);
  const disk = await usedDisk(4 * 1024 * 1024, 512);
  const plan = planOnto(made, disk);
  const bad = 256 * 512 + 24_576;
  const lying: BlockDevice = {
    ...disk,
    async read(target, offset) {
      await disk.read(target, offset);
      if (offset <= bad && bad < offset + target.length) target[bad - offset]! ^= 1;
    },
  };
  const error = await t.throwsAsync(restoring(made, plan, lying), { code: 'verify-mismatch' });
  t.like(error, { facts: { volume: 'disk1.part1', extentCount: 1 } });
  await t.notThrowsAsync(restoring(made, plan, lying, { verify: false }));
});

test('a sector that cannot be written is named, and a disk that vanishes is gone', async (t) => {
  const { made } = await source(512);
  const disk = await usedDisk(4 * 1024 * 1024, 512);
  const plan = planOnto(made, disk);
  const bad = faulty(disk, { unwritable: [{ start: 256 * 512 + 8192, length: 512 }] });
  const error = await t.throwsAsync(restoring(made, plan, bad), { code: 'disk-write-failed' });
  t.like(error, { facts: { sector: 256 } });
  await t.throwsAsync(restoring(made, plan, faulty(disk, { vanishAfterBytes: 100_000 })), {
    code: 'disk-gone',
  });
  const report = await restoring(made, plan, disk);
  t.not(report.resumedAt, null);
});

test('a restore that is stopped goes on where it was', async (t) => {
  const { made } = await source(512);
  const disk = await usedDisk(4 * 1024 * 1024, 512);
  const plan = planOnto(made, disk);
  const stop = new AbortController();
  const seen: Progress[] = [];
  const reporter = {
    notice: () => {},
    progress(progress: Progress) {
      seen.push(progress);
      if (progress.doneBytes > 100_000) stop.abort();
    },
  };
  await t.throwsAsync(restoring(made, plan, disk, { signal: stop.signal, reporter }), {
    code: 'interrupted',
  });
  const report = await restoring(made, plan, disk);
  t.not(report.resumedAt, null);
  t.true(report.writtenBytes < plan.bytes);
  t.true(seen.every(({ doneBytes, totalBytes }) => doneBytes <= totalBytes));
});

test('a disk without a table is restored with the journal in a file, or without one', async (t) => {
  const size = 512 * 1024;
  const whole = memoryDisk(size);
  await whole.write(noise(size, 3), 0);
  const data = [{ start: 0, length: 400 * 1024 }];
  const made = await setOf(whole, { 'disk1.whole': { data } });
  const disk = await usedDisk(size, 512);
  const plan = planOnto(made, disk);
  t.is(plan.journal, null);
  t.is(journalStore(plan, targetsOf(disk), null), null);
  const file = join(temporary(t), 'web1.journal');
  const journal = fileJournal(file);
  await t.throwsAsync(restoring(made, plan, faulty(disk, { cutAfterWrites: 6 }), { journal }), {
    code: 'disk-gone',
  });
  t.true(existsSync(file));
  const report = await restoring(made, plan, disk, { journal });
  t.is(
    report.resumedAt,
    plan.steps.findIndex(({ kind }) => kind === 'volume'),
  );
  t.false(existsSync(file));
  const length = 400 * 1024;
  t.true((await contentOf(disk)).subarray(0, length).equals((await contentOf(whole)).subarray(0, length)));
  const again = await restoring(made, plan, disk);
  t.true(again.notices.some(({ code }) => code === 'no-journal'));
});
