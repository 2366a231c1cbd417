import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import type { SetReader } from '../../src/archive/index.ts';
import { faulty, memoryDisk, type BlockDevice, type Faults } from '../../src/disk/index.ts';
import { isCoded, RemetalError } from '../../src/errors/index.ts';
import { parseLayout } from '../../src/layout/index.ts';
import type { NetwareFileSystem } from '../../src/filesystem/netware/index.ts';
import { volumeNamed, type Netware } from '../../src/layout/netware/index.ts';
import { parsePlan, type Plan } from '../../src/restore/plan-document.ts';
import type { RestoreReport } from '../../src/restore/request.ts';
import type { Wishes } from '../../src/restore/wishes.ts';
import { requires } from '../helpers/requires.ts';
import { disksOf, imageNames } from '../layout/netware/images.ts';
import { applyTo, backedUp, netwareOf, planFor, volumeOf } from './netware-journey.ts';

const MiB = 1024 * 1024;

/** Path, content, attributes, dates, owner and trustees of every file and directory, as lines. */
async function contentsOf(filesystem: NetwareFileSystem): Promise<string[]> {
  const lines: string[] = [];
  for await (const file of filesystem.walk()) {
    const hash = createHash('sha256');
    if (file.kind === 'file') for await (const piece of filesystem.stream(file)) hash.update(piece);
    const { path, names, attributes, created, modified, archived, accessed, owner, trustees } = file;
    lines.push(
      JSON.stringify([
        path,
        names,
        attributes,
        created,
        modified,
        archived,
        accessed,
        owner,
        trustees,
        hash.digest('hex'),
      ]),
    );
  }
  return lines.toSorted();
}

interface Stored {
  readonly reader: SetReader;
  /** Volume name to `contentsOf` it. */
  readonly contents: Map<string, string[]>;
  readonly sizes: number[];
}

async function stored(name: string): Promise<Stored> {
  const disks = await disksOf(name);
  const reader = await backedUp(disks);
  const netware = await netwareOf(disks.map(({ device }) => device));
  const contents = new Map<string, string[]>();
  for (const { definition } of netware.volumes) {
    contents.set(definition.name, await contentsOf(await volumeOf(netware, definition.name)));
  }
  return { reader, contents, sizes: disks.map(({ device }) => device.size) };
}

interface Restored {
  readonly made: Plan;
  readonly report: RestoreReport;
  readonly netware: Netware;
}

async function restored(
  { reader }: Stored,
  devices: readonly BlockDevice[],
  wishes: Partial<Wishes> = {},
  faults: Faults = {},
): Promise<Restored> {
  const made = planFor(reader, devices, wishes);
  const report = await applyTo(
    reader,
    parsePlan(structuredClone(made)),
    devices.map((device, index) => (index === 0 ? faulty(device, faults) : device)),
  );
  return { made, report, netware: await netwareOf(devices) };
}

async function same(t: ExecutionContext, from: Stored, netware: Netware, title: string): Promise<void> {
  t.deepEqual(
    netware.notices.filter(({ code }) => code !== 'netware-redirections'),
    [],
    title,
  );
  t.deepEqual(
    netware.volumes.map(({ definition }) => definition.name).toSorted(),
    [...from.contents.keys()].toSorted(),
  );
  for (const [name, wanted] of from.contents) {
    const filesystem = await volumeOf(netware, name);
    t.deepEqual(await contentsOf(filesystem), wanted, `${title}: ${name}`);
    const errors = (await filesystem.check()).filter(({ severity }) => severity === 'error');
    t.deepEqual(errors, [], `${title}: ${name} checks clean`);
  }
}

function segmentsOf({ volumes }: Netware): number[][] {
  return volumes.flatMap(({ segments }) =>
    segments.map(({ partition, start, blocks }) => [partition, start, blocks]),
  );
}

requires('zstd')('every image comes back on equal disks in the shape it had', async (t: ExecutionContext) => {
  for (const name of imageNames) {
    const from = await stored(name);
    const { netware, report } = await restored(
      from,
      from.sizes.map((size) => memoryDisk(size)),
    );
    t.true(report.verified);
    t.deepEqual(report.moved, []);
    await same(t, from, netware, name);
    const before = await netwareOf((await disksOf(name)).map(({ device }) => device));
    t.deepEqual(segmentsOf(netware), segmentsOf(before), name);
    t.true(netware.partitions.every(({ partition }) => partition.redirections.moved.length === 0));
  }
});

requires('zstd')(
  'two disks come back on one, on three smaller ones, and spread',
  async (t: ExecutionContext) => {
    const from = await stored('c-segments');
    const one = await restored(from, [memoryDisk(64 * MiB)]);
    t.true(one.made.notices.some(({ code }) => code === 'netware-disk-merged'));
    await same(t, from, one.netware, 'one disk');
    const three = [memoryDisk(16 * MiB), memoryDisk(15 * MiB), memoryDisk(17 * MiB)];
    const smaller = await restored(from, three);
    await same(t, from, smaller.netware, 'three disks');
    t.is(smaller.netware.partitions.length, 3);
    const wide = [memoryDisk(40 * MiB), memoryDisk(40 * MiB)];
    const spread = await restored(from, wide, { netware: { shape: 'spread', sys: 'anywhere' } });
    t.true(volumeNamed(spread.netware, 'SYS').segments.length > 1);
    await same(t, from, spread.netware, 'spread');
    t.throws(
      () => planFor(from.reader, [memoryDisk(64 * MiB)], { netware: { shape: 'same', sys: 'auto' } }),
      {
        code: 'target-not-found',
      },
    );
    const tight = [memoryDisk(16 * MiB), memoryDisk(16 * MiB)];
    const error = t.throws(() => planFor(from.reader, tight), {
      instanceOf: RemetalError,
      code: 'target-too-small',
    });
    t.true(Number(error?.facts['missingSectors']) > 0);
  },
);

requires('zstd')('a volume that takes all room can use it', async (t: ExecutionContext) => {
  for (const [name, volume, id] of [
    ['a-basic4k', 'SYS', 'netware.SYS'],
    ['b-suballoc64k', 'SYS', 'SYS'],
    ['c-segments', 'VOL1', 'VOL1'],
  ] as const) {
    const from = await stored(name);
    const { netware, made } = await restored(
      from,
      from.sizes.map((size) => memoryDisk(size + 300 * MiB)),
      { grow: id },
    );
    await same(t, from, netware, name);
    const { definition } = volumeNamed(netware, volume);
    t.true(definition.blocks * 2 ** definition.blockShift * 512 > 290 * MiB, name);
    t.true(made.steps.some((step) => step.kind === 'extend'));
    const { trusted, used } = await (await volumeOf(netware, volume)).usedMap();
    t.true(trusted, 'the FAT speaks for every block');
    t.true(
      used.every(
        ({ start, length }) => start + length <= definition.blocks * 2 ** definition.blockShift * 512,
      ),
    );
  }
});

requires('zstd')(
  'sectors that cannot be written are moved to the hotfix area and told with what they hold',
  async (t: ExecutionContext) => {
    const from = await stored('a-basic4k');
    const size = from.sizes[0]!;
    const clean = planFor(from.reader, [memoryDisk(size)]);
    const [run] = clean.steps.find((step) => step.kind === 'volume')!.segments;
    const hotfix = clean.targets[0]!.netware![0]!;
    // A sector of the FAT, of the directory, of file data, one copy of a header, one of a redirection table.
    const sectors = [
      run!.start + 3,
      run!.start + 85,
      run!.start + 2006,
      hotfix.start + 64,
      hotfix.start + 160 + 2,
    ];
    const unwritable = sectors.map((sector) => ({ start: sector * 512, length: 512 }));
    const disk = memoryDisk(size);
    const { netware, report } = await restored(from, [disk], {}, { unwritable });
    const moved = report.moved.flatMap((unit) => unit.sectors).toSorted((a, b) => a - b);
    t.deepEqual(
      moved,
      sectors.slice(0, 3).toSorted((a, b) => a - b),
    );
    t.true(report.moved.every(({ volume }) => volume === 'SYS'));
    t.true(report.moved.some(({ files }) => files.length > 0));
    t.is(netware.partitions[0]!.partition.redirections.moved.length, 3);
    for (const [volume, wanted] of from.contents) {
      t.deepEqual(await contentsOf(await volumeOf(netware, volume)), wanted);
    }
  },
);

requires('zstd')(
  'a disk that fails more than its hotfix area holds stops the restore, and another run goes on',
  async (t: ExecutionContext) => {
    const from = await stored('a-basic4k');
    const size = from.sizes[0]!;
    const disk = memoryDisk(size);
    const made = planFor(from.reader, [disk]);
    const [run] = made.steps.find((step) => step.kind === 'volume')!.segments;
    const unwritable = [{ start: run!.start * 512, length: run!.count * 512 }];
    await t.throwsAsync(applyTo(from.reader, made, [faulty(disk, { unwritable })]), { code: 'hotfix-full' });
    const report = await applyTo(from.reader, made, [disk]);
    t.not(report.resumedAt, null);
    await t.notThrowsAsync(async () => {
      const netware = await netwareOf([disk]);
      for (const [volume, wanted] of from.contents) {
        t.deepEqual(await contentsOf(await volumeOf(netware, volume)), wanted);
      }
    });
  },
);

requires('zstd')(
  'cut off anywhere and taken up, it ends in the same volumes',
  async (t: ExecutionContext) => {
    const from = await stored('c-segments');
    for (const cutAfterWrites of [1, 8, 20, 32, 45, 60, 90]) {
      const devices = [memoryDisk(30 * MiB), memoryDisk(40 * MiB)];
      const made = planFor(from.reader, devices, { grow: 'VOL1' });
      const cut = [faulty(devices[0]!, { cutAfterWrites }), devices[1]!];
      await t.throwsAsync(applyTo(from.reader, made, cut), { code: 'disk-gone' }, String(cutAfterWrites));
      await applyTo(from.reader, made, devices);
      await same(t, from, await netwareOf(devices), `cut after ${cutAfterWrites} writes`);
    }
  },
);

test('a set without NetWare takes no disks it does not have', async (t) => {
  const device = memoryDisk(8 * MiB);
  await device.write(Buffer.alloc(4096, 7), 0);
  const reader = await backedUp([{ id: 'source', device }]);
  t.throws(() => planFor(reader, [memoryDisk(8 * MiB), memoryDisk(8 * MiB)]), { code: 'target-not-found' });
});

/** Every volume has room for what the set holds of it, inside its disk and over no other. */
function holdsTogether(t: ExecutionContext, made: Plan, title: string): void {
  const volumes = made.steps.filter((step) => step.kind === 'volume');
  for (const { segments, size } of volumes) {
    t.true(segments.reduce((sum, { count }) => sum + count, 0) * 512 >= size, title);
  }
  for (const { disk, size } of made.targets) {
    const runs = volumes.flatMap(({ segments }) => segments).filter((run) => run.disk === disk);
    const sorted = runs.toSorted((a, b) => a.start - b.start);
    for (const [index, { start, count }] of sorted.entries()) {
      t.true(start + count <= (sorted[index + 1]?.start ?? size / 512), title);
    }
  }
}

requires('zstd')(
  'a record of NetWare that lies gives a coded error or a plan that holds together',
  async (t: ExecutionContext) => {
    const { reader, sizes } = await stored('c-segments');
    const text = JSON.stringify(reader.layout);
    const devices = sizes.map((size) => memoryDisk(size + 8 * MiB));
    const numbers: [record: 'partitions' | 'volumes' | 'segments', key: string][] = [
      ...(['id', 'hotfixSectors', 'dataSectors', 'tablePlace', 'partition'] as const).map(
        (key) => ['partitions', key] as const,
      ),
      ...(['blockShift', 'blocks', 'firstFat', 'mirrorFat', 'flags', 'sync'] as const).map(
        (key) => ['volumes', key] as const,
      ),
      ...(['partition', 'start', 'sectors', 'blocks'] as const).map((key) => ['segments', key] as const),
    ].map(([record, key]) => [record, key]);
    const lies = [0, 1, 3, 7, 8, 160, 4097, 100_000, 0x7fff_ffff, 0xffff_ffff];
    let plans = 0;
    for (const [record, key] of numbers) {
      for (const lie of lies) {
        for (const shape of ['same', 'packed', 'spread'] as const) {
          const json: { netware: { partitions: object[]; volumes: { segments: object[] }[] } } =
            JSON.parse(text);
          const { partitions, volumes } = json.netware;
          const [changed] = record === 'segments' ? volumes[1]!.segments : { partitions, volumes }[record];
          Object.assign(changed!, { [key]: lie });
          try {
            const layout = parseLayout(json);
            const made = planFor({ ...reader, layout }, devices, { netware: { shape, sys: 'auto' } });
            parsePlan(JSON.parse(JSON.stringify(made)));
            holdsTogether(t, made, `${record} ${key} ${lie}`);
            plans++;
          } catch (error) {
            t.true(isCoded(error) && error.code !== 'internal', `${record} ${key} ${lie}: ${String(error)}`);
          }
        }
      }
    }
    t.true(plans > 20);
  },
);
