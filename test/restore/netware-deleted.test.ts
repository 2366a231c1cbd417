import { createHash } from 'node:crypto';
import { openSync, closeSync, ftruncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { SetReader } from '../../src/archive/index.ts';
import { faulty, memoryDisk, openDisk, recording, type BlockDevice } from '../../src/disk/index.ts';
import type { NetwareFileSystem } from '../../src/filesystem/netware/index.ts';
import { openJournal } from '../../src/restore/journal.ts';
import { describePlan } from '../../src/restore/plan-description.ts';
import { parsePlan, type Plan } from '../../src/restore/plan-document.ts';
import { journalStore } from '../../src/restore/apply.ts';
import { makeNetware, type EntryWish, type NetwareManifest } from '../fixtures/netware-maker.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { disksOf } from '../layout/netware/images.ts';
import { readDisks, unlike, type ReaderOutput } from '../netware/reader.ts';
import { entriesOf } from '../filesystem/netware/volumes.ts';
import { applyTo, backedUp, netwareOf, planFor, targetsOf, volumeOf } from './netware-journey.ts';

const test = requires('python3');
const MiB = 1024 * 1024;

/** What another implementation, a strict one, says of these disks. */
async function readBy(t: ExecutionContext<any>, devices: readonly BlockDevice[]): Promise<ReaderOutput> {
  const folder = temporary(t);
  const paths: string[] = [];
  for (const [index, device] of devices.entries()) {
    const path = join(folder, `${index}.img`);
    paths.push(path);
    const file = openSync(path, 'w');
    ftruncateSync(file, device.size);
    const chunk = Buffer.alloc(MiB);
    for (let at = 0; at < device.size; at += MiB) {
      const part = chunk.subarray(0, Math.min(MiB, device.size - at));
      await device.read(part, at);
      if (part.some((byte) => byte !== 0)) writeSync(file, part, 0, part.length, at);
    }
    closeSync(file);
  }
  const { status, output, stderr } = readDisks(paths);
  t.is(stderr, '');
  t.is(status, 0);
  return output;
}

async function hashesOf(filesystem: NetwareFileSystem, which: 'walk' | 'deleted'): Promise<string[]> {
  const lines: string[] = [];
  for await (const file of filesystem[which]()) {
    if (file.kind !== 'file') continue;
    const hash = createHash('sha256');
    for await (const piece of filesystem.stream(file)) hash.update(piece);
    lines.push(`${file.path} ${file.number} ${hash.digest('hex')}`);
  }
  return lines.toSorted();
}

/** Contents of all that is live, nothing deleted, nothing wrong, and no block held for what is gone. */
async function purged(
  t: ExecutionContext<any>,
  devices: readonly BlockDevice[],
  wanted: ReadonlyMap<string, readonly string[]>,
  title = '',
): Promise<void> {
  const netware = await netwareOf(devices);
  t.is(netware.volumes.length, wanted.size);
  for (const [name, files] of wanted) {
    const filesystem = await volumeOf(netware, name);
    t.deepEqual(await hashesOf(filesystem, 'walk'), files, `${title} ${name}`);
    t.deepEqual(await hashesOf(filesystem, 'deleted'), [], `${title} ${name}`);
    t.deepEqual(await filesystem.check(), [], `${title} ${name}`);
    const map = await filesystem.usedMap({ keepDeleted: true });
    t.true(map.trusted);
    t.deepEqual(map, await filesystem.usedMap({ keepDeleted: false }));
  }
}

async function contentsOf(devices: readonly BlockDevice[]): Promise<Map<string, string[]>> {
  const netware = await netwareOf(devices);
  const contents = new Map<string, string[]>();
  for (const { definition } of netware.volumes) {
    contents.set(definition.name, await hashesOf(await volumeOf(netware, definition.name), 'walk'));
  }
  return contents;
}

const kindsOf = (made: Plan): string[] => made.steps.map(({ kind }) => kind);

async function restored(
  reader: SetReader,
  devices: readonly BlockDevice[],
  wishes: Parameters<typeof planFor>[2] = {},
): Promise<Plan> {
  const made = parsePlan(structuredClone(planFor(reader, devices, wishes)));
  const report = await applyTo(reader, made, devices);
  if (!report.verified || report.notices.length > 0) throw new Error(JSON.stringify(report.notices));
  return made;
}

requires('zstd', 'python3')(
  'an image with deleted files comes back without them, or with all of them',
  async (t: ExecutionContext) => {
    const disks = await disksOf('d-deleted');
    const devices = disks.map(({ device }) => device);
    const live = await contentsOf(devices);
    const without = await backedUp(disks);
    t.deepEqual(
      without.layout.netware!.volumes.map(({ deleted }) => deleted),
      ['left-out'],
    );
    const disk = memoryDisk(devices[0]!.size);
    await disk.write(Buffer.alloc(8 * MiB, 'what the target held'), 8 * MiB);
    const made = await restored(without, [disk]);
    const kinds = kindsOf(made);
    t.true(kinds.indexOf('volume') < kinds.indexOf('purge'));
    t.true(
      describePlan(made).some((line) => line.includes('. purge the deleted files of SYS, whose contents')),
    );
    await purged(t, [disk], live);
    const { volumes } = await readBy(t, [disk]);
    const listed = entriesOf('d-deleted', 'SYS');
    t.deepEqual(
      volumes['SYS']!.entries.map(({ dirno, sha256 }) => [dirno, sha256]),
      listed.filter(({ deleted }) => !deleted).map(({ dirno, sha256 }) => [dirno, sha256]),
    );

    const kept = await backedUp(disks, { keepDeleted: true });
    t.deepEqual(
      kept.layout.netware!.volumes.map((volume) => 'deleted' in volume),
      [false],
    );
    const other = memoryDisk(devices[0]!.size);
    t.false(kindsOf(await restored(kept, [other])).includes('purge'));
    const salvaged = (await readBy(t, [other])).volumes['SYS']!.entries.filter(({ deleted }) => deleted);
    t.true(salvaged.length > 20);
    t.deepEqual(
      salvaged.map(({ dirno, sha256 }) => [dirno, sha256]),
      listed.filter(({ deleted }) => deleted).map(({ dirno, sha256 }) => [dirno, sha256]),
    );
  },
);

requires('zstd')('volumes without deleted files are not purged', async (t: ExecutionContext) => {
  const disks = await disksOf('f-hotfix');
  const reader = await backedUp(disks);
  t.true(reader.layout.netware!.volumes.every((volume) => !('deleted' in volume)));
  t.false(kindsOf(planFor(reader, [memoryDisk(disks[0]!.device.size)])).includes('purge'));
});

const deleted = { at: '1997-03-11T14:15:16', by: 0x0e00_0003 };

/** Live and deleted files of the same names, with every name, trustees, resource forks and tails. */
function entries(named: boolean): EntryWish[] {
  return [300, 4096, 5000, 70_000, 200_001].flatMap((size, i) =>
    [false, true, true].map((gone, version): EntryWish => ({
      path: `USERS/F${i}.TXT`,
      content: { noise: size, seed: i * 3 + version },
      trustees: [{ id: 0x0100_0001 + i, rights: 0x1_ff }],
      fragmented: i % 2 === 1,
      ...(gone ? { deleted } : {}),
      ...(named
        ? {
            names: { LONG: `A long name with blanks ${i}.text`, MAC: `Mac ${i}` },
            resource: Buffer.from('resource '.repeat(1000 * (i + 1))),
          }
        : {}),
    })),
  );
}

interface Made {
  readonly manifest: NetwareManifest;
  readonly disks: { id: string; device: BlockDevice }[];
}

/** Two disks with SYS, which has every name space, and VOL1 over both, in large blocks with tails. */
async function twoDisks(t: ExecutionContext<any>): Promise<Made> {
  const manifest = makeNetware(temporary(t), {
    disks: [
      { name: 'one.img', sectors: 60_000 },
      { name: 'two.img', sectors: 40_000 },
    ],
    volumes: [
      {
        name: 'SYS',
        blockSize: 4096,
        spaces: ['LONG', 'MAC', 'NFS'],
        segments: [{ disk: 0, sectors: 24_000 }],
        entries: entries(true),
      },
      {
        name: 'VOL1',
        blockSize: 16_384,
        suballocation: true,
        segments: [{ disk: 1 }, { disk: 0 }],
        entries: entries(false),
      },
    ],
  });
  const disks = [];
  for (const path of manifest.paths) {
    const device = await openDisk(path);
    t.teardown(() => device.close());
    disks.push({ id: path, device });
  }
  return { manifest, disks };
}

/** The volumes of a manifest with the entries that are wanted. */
function entriesOnly(manifest: NetwareManifest, wanted: (entry: { deleted: boolean }) => boolean): any {
  return {
    partitions: [],
    volumes: Object.fromEntries(
      Object.entries(manifest.volumes).map(([name, volume]) => [
        name,
        { entries: volume.entries.filter(wanted), trustees: volume.trustees },
      ]),
    ),
  };
}

test('made volumes come back without deleted files, in their shape, on one disk, and larger', async (t) => {
  const { manifest, disks } = await twoDisks(t);
  const live = await contentsOf(disks.map(({ device }) => device));
  const reader = await backedUp(disks);
  const journeys = [
    { sizes: [60_000, 40_000], wishes: {} },
    { sizes: [110_000], wishes: {} },
    { sizes: [200_000, 200_000], wishes: { grow: 'VOL1' } },
  ];
  for (const { sizes, wishes } of journeys) {
    const devices = sizes.map((sectors) => memoryDisk(sectors * 512));
    const kinds = kindsOf(await restored(reader, devices, wishes));
    t.is(kinds.filter((kind) => kind === 'purge').length, 2);
    if ('grow' in wishes) t.true(kinds.lastIndexOf('purge') < kinds.indexOf('extend'));
    await purged(t, devices, live);
    const output = await readBy(t, devices);
    const wanted = entriesOnly(manifest, (entry) => !entry.deleted);
    t.deepEqual(unlike(wanted, { ...output, partitions: [] }), []);
  }
});

test('made volumes come back with all deleted files when they were kept', async (t) => {
  const { manifest, disks } = await twoDisks(t);
  const reader = await backedUp(disks, { keepDeleted: true });
  const devices = [memoryDisk(200_000 * 512), memoryDisk(200_000 * 512)];
  const kinds = kindsOf(await restored(reader, devices, { grow: 'VOL1' }));
  t.false(kinds.includes('purge'));
  const output = await readBy(t, devices);
  t.deepEqual(
    unlike(
      entriesOnly(manifest, () => true),
      { ...output, partitions: [] },
    ),
    [],
  );
});

test('cut off in the middle of the purge, or of what comes after it, the volumes end the same', async (t) => {
  const { disks } = await twoDisks(t);
  const live = await contentsOf(disks.map(({ device }) => device));
  const reader = await backedUp(disks);
  const size = 250_000 * 512;
  const whole = recording(memoryDisk(size));
  const made = planFor(reader, [whole], { grow: 'VOL1' });
  await applyTo(reader, made, [whole]);
  const bytes = Buffer.alloc(size);
  await whole.read(bytes, 0);
  const writes = whole.accesses.filter(({ call }) => call === 'write' || call === 'writeZeroes').length;
  const cuts = new Set<string>();
  for (let cutAfterWrites = 0; cutAfterWrites < writes; cutAfterWrites++) {
    const disk = memoryDisk(size);
    await t.throwsAsync(applyTo(reader, made, [faulty(disk, { cutAfterWrites })]), { code: 'disk-gone' });
    const { found } = await openJournal(journalStore(made, targetsOf([disk]), null)!, {
      plan: made.hash,
      set: made.set.id,
      startAnew: false,
    });
    const step = found === null ? undefined : made.steps[found.step];
    if (step === undefined || found?.changing == null) continue;
    cuts.add(step.kind);
    const report = await applyTo(reader, made, [disk]);
    t.true(report.verified);
    const again = Buffer.alloc(size);
    await disk.read(again, 0);
    t.true(again.equals(bytes), `cut after ${cutAfterWrites} of ${writes} writes, in ${step.kind}`);
  }
  t.deepEqual([...cuts].toSorted(), ['extend', 'purge']);
  await purged(t, [whole], live);
});

test('a volume that cannot be trusted any more keeps its deleted files, and that is told', async (t) => {
  const { disks } = await twoDisks(t);
  const { volumes, partitions } = await netwareOf(disks.map(({ device }) => device));
  const { definition, segments } = volumes.find((volume) => volume.definition.name === 'SYS')!;
  const first = partitions[segments[0]!.partition]!;
  const sector =
    first.start + first.partition.hotfix.hotfixSectors + segments[0]!.start + definition.mirrorDirectory * 8;
  const [one, two] = disks;
  const unreadable = [{ start: sector * 512, length: 512 }];
  const reader = await backedUp([{ id: one!.id, device: faulty(one!.device, { unreadable }) }, two!], {
    onReadError: 'skip',
  });
  const devices = [memoryDisk(60_000 * 512), memoryDisk(40_000 * 512)];
  const made = planFor(reader, devices);
  t.is(kindsOf(made).filter((kind) => kind === 'purge').length, 2);
  const { notices } = await applyTo(reader, made, devices);
  t.deepEqual(
    notices.map(({ code }) => code),
    ['unreadable-at-backup', 'deleted-not-purged'],
  );
  const netware = await netwareOf(devices);
  t.is((await hashesOf(await volumeOf(netware, 'SYS'), 'deleted')).length, 10);
  t.is((await hashesOf(await volumeOf(netware, 'VOL1'), 'deleted')).length, 0);
});
