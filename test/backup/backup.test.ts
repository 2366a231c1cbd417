import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openSet, type SetReader } from '../../src/archive/index.ts';
import { backup, checkSource, type BackupRequest } from '../../src/backup/index.ts';
import {
  faulty,
  identityOf,
  memoryDisk,
  openDisk,
  recording,
  slice,
  type BlockDevice,
} from '../../src/disk/index.ts';
import { faultyMedium, memoryMedium } from '../../src/medium/index.ts';
import { silent, type Notice, type Progress } from '../../src/progress/index.ts';
import { attachLoop, run } from '../../src/system/index.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

const MiB = 1024 * 1024;
const machine = { hostname: 'web1', firmware: null, vendor: null, product: null, serial: null };

async function requestFor(
  device: BlockDevice,
  more: Partial<BackupRequest> = {},
): Promise<BackupRequest & { notices: Notice[]; reports: Progress[] }> {
  const notices: Notice[] = [];
  const reports: Progress[] = [];
  const identity = {
    path: device.name,
    size: device.size,
    sectorSize: device.sectorSize,
    physicalSectorSize: device.sectorSize,
    model: null,
    serial: null,
    wwn: null,
    transport: null,
    removable: false,
  };
  return {
    disks: [{ device, identity }],
    medium: memoryMedium(),
    machine,
    name: 'web1',
    note: '',
    allSectors: false,
    onReadError: 'stop',
    level: 1,
    now: new Date('2026-03-14T15:09:26Z'),
    reporter: { notice: (n) => void notices.push(n), progress: (p) => void reports.push(p) },
    ...more,
    notices,
    reports,
  };
}

/** Puts every group of a set back where it came from, and zeros where the maps know of them. */
async function putBack(reader: SetReader, target: BlockDevice): Promise<void> {
  for (const volume of reader.layout.volumes) {
    for (const { start, length } of reader.maps.get(volume.id)?.zero ?? []) {
      for (let done = 0; done < length;) {
        const [place, room] = placeOf(volume.segments, start + done, target.sectorSize);
        await target.writeZeroes(place, Math.min(room, length - done));
        done += Math.min(room, length - done);
      }
    }
    for await (const group of reader.groups(volume.id, { onDamage: 'stop' })) {
      let at = 0;
      for (const { start, length } of group.extents) {
        for (let done = 0; done < length;) {
          const [place, room] = placeOf(volume.segments, start + done, target.sectorSize);
          const count = Math.min(room, length - done);
          const bytes = group.plain?.subarray(at + done, at + done + count) ?? Buffer.alloc(count);
          await target.write(bytes, place);
          done += count;
        }
        at += length;
      }
    }
  }
}

function placeOf(
  segments: readonly { start: number; length: number }[],
  offset: number,
  sectorSize: number,
): [place: number, room: number] {
  let left = offset;
  for (const { start, length } of segments) {
    if (left < length * sectorSize) return [start * sectorSize + left, length * sectorSize - left];
    left -= length * sectorSize;
  }
  throw new Error('outside the volume');
}

/** A server's disk: GPT with an ext4, a swap area and a partition of nobody knows what. */
async function serverDisk(t: ExecutionContext): Promise<{ path: string; folder: string }> {
  const folder = temporary(t);
  const path = join(folder, 'server.raw');
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'etc'), { recursive: true });
  for (let i = 0; i < 50; i++) writeFileSync(join(tree, 'etc', `file${i}`), Buffer.alloc(i * 3000, i));
  writeFileSync(join(tree, 'gone'), Buffer.alloc(3 * MiB, 'deleted'));
  const [root, swap] = [join(folder, 'root.img'), join(folder, 'swap.img')];
  await run('mkfs.ext4', ['-q', '-F', '-L', 'root', '-d', tree, root, '40M']);
  await run('debugfs', ['-w', '-R', 'rm gone', root]);
  writeFileSync(swap, Buffer.alloc(8 * MiB, 'old memory'));
  await run('mkswap', ['-q', '-L', 'swapfs', swap]);
  closeSync(openSync(path, 'w'));
  const fd = openSync(path, 'r+');
  ftruncateSync(fd, 64 * MiB);
  const script = [
    'label: gpt',
    'start=2048, size=81920, name=system',
    'start=83968, size=16384, type=swap',
    'start=102400, size=8192, name=raw',
  ];
  await run('sfdisk', ['-q', path], { input: `${script.join('\n')}\n` });
  writeSync(fd, Buffer.alloc(4096, 'boot loader'), 0, 4096, 40 * 512);
  writeSync(fd, Buffer.alloc(2 * MiB, 'raw data'), 0, 2 * MiB, 102400 * 512);
  closeSync(fd);
  await run('dd', [`if=${root}`, `of=${path}`, 'bs=1M', 'seek=1', 'conv=notrunc,sparse']);
  await run('dd', [`if=${swap}`, `of=${path}`, 'bs=1M', 'seek=41', 'conv=notrunc']);
  return { path, folder };
}

const needed = ['mkfs.ext4', 'debugfs', 'mkswap', 'sfdisk', 'e2fsck', 'dd'];

requires(...needed)(
  'a server is imaged so that its file systems come back whole',
  async (t: ExecutionContext) => {
    const { path, folder } = await serverDisk(t);
    const device = recording(await openDisk(path));
    const request = { ...(await requestFor(device)), disks: [{ device, identity: await identityOf(path) }] };
    const { set, head, layout, totals } = await backup(request);
    t.is(set, 'web1-20260314T150926Z');
    t.is(head.kind, 'full');
    t.deepEqual(
      layout.volumes.map(({ id, name, filesystem }) => [id, name, filesystem?.type ?? null]),
      [
        ['disk1.boot', 'disk1.boot', null],
        ['disk1.part1', 'root', 'ext4'],
        ['disk1.part2', 'swapfs', 'swap'],
        ['disk1.part3', 'raw', null],
      ],
    );
    t.deepEqual([...new Set(totals.leftOut.map(({ reason }) => reason))].toSorted(), [
      'free',
      'holes',
      'swap-contents',
      'unallocated',
    ]);
    t.true(totals.volumes[1]!.kept < 20 * MiB);
    t.is(totals.volumes[2]!.kept, 4096);
    t.deepEqual(request.notices, []);
    t.is(request.reports.at(-1)?.doneBytes, request.reports.at(-1)?.totalBytes);

    const back = join(folder, 'back.raw');
    closeSync(openSync(back, 'w'));
    await run('truncate', ['-s', '64M', back]);
    const target = await openDisk(back, { write: true });
    const reader = await openSet(request.medium, set);
    await putBack(reader, target);
    for (const { id, segments } of layout.volumes.filter((volume) => volume.kind !== 'boot')) {
      const { start, length } = segments[0]!;
      const [old, fresh] = [device, target].map((disk) => slice(disk, start * 512, length * 512));
      for (const { start: at, length: count } of [
        ...reader.maps.get(id)!.control,
        ...reader.maps.get(id)!.data,
      ]) {
        const [a, b] = [Buffer.alloc(count), Buffer.alloc(count)];
        await old!.read(a, at);
        await fresh!.read(b, at);
        t.true(a.equals(b), `${id} ${at}`);
      }
    }
    const gap = Buffer.alloc(4096);
    await target.read(gap, 40 * 512);
    t.is(gap.toString('latin1', 0, 11), 'boot loader');
    await reader.close();
    await target.flush();
    await target.close();
    await device.close();
    await run('dd', [`if=${back}`, `of=${join(folder, 'p1.img')}`, 'bs=1M', 'skip=1', 'count=40']);
    await run('e2fsck', ['-fn', join(folder, 'p1.img')]);
    const { stdout } = await run('debugfs', ['-R', 'cat etc/file49', join(folder, 'p1.img')]);
    t.is(stdout.length, 49 * 3000);
    t.true((reader.maps.get('disk1.part1')?.zero ?? []).length > 0);
    const strings = await run('grep', ['-c', 'deleteddeleted', back], { okStatuses: [0, 1] });
    t.is(strings.stdout.trim(), '0');
  },
);

requires(...needed)(
  'all sectors on demand: also those of deleted files and of the swap area',
  async (t: ExecutionContext) => {
    const { path } = await serverDisk(t);
    const device = await openDisk(path);
    const request = await requestFor(device, { allSectors: true });
    const { totals } = await backup(request);
    t.is(totals.volumes[2]!.kept, 8 * MiB);
    t.true(
      totals.volumes.slice(1, 3).every(({ wholeBecause }) => wholeBecause === 'All sectors were asked for'),
    );
    t.false(totals.leftOut.some(({ reason }) => reason === 'free' || reason === 'swap-contents'));
    await device.close();
  },
);

async function filledDisk(): Promise<BlockDevice> {
  const disk = memoryDisk(8 * MiB, { name: 'filled' });
  const bytes = Buffer.alloc(disk.size);
  for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, i);
  await disk.write(bytes, 0);
  return disk;
}

test('unreadable sectors end the backup, or are skipped and listed to the sector', async (t) => {
  const disk = faulty(await filledDisk(), { unreadable: [{ start: 3 * MiB + 512, length: 1024 }] });
  const stopping = await requestFor(disk);
  await t.throwsAsync(() => backup(stopping), { code: 'disk-read-failed' });
  t.true((await stopping.medium.list()).every((set) => !set.complete));

  const skipping = await requestFor(disk, { onReadError: 'skip' });
  const { totals, set } = await backup(skipping);
  t.deepEqual(totals.volumes[0]!.unreadable, [{ start: 3 * MiB + 512, length: 1024 }]);
  t.like(totals.leftOut.at(-1), { volume: 'disk1.whole', bytes: 1024, reason: 'unreadable' });
  t.deepEqual(
    skipping.notices.map(({ code }) => code),
    ['sectors-unreadable'],
  );
  const reader = await openSet(skipping.medium, set);
  const target = memoryDisk(disk.size);
  await putBack(reader, target);
  const around = Buffer.alloc(3072);
  await target.read(around, 3 * MiB - 512);
  t.true(around.subarray(1024, 2048).every((byte) => byte === 0));
  t.false(around.subarray(0, 1024).every((byte) => byte === 0));
  t.false(around.subarray(2048).every((byte) => byte === 0));
});

test('a stopped backup, a full medium and a disk that vanishes leave no complete set', async (t) => {
  const disk = await filledDisk();
  const controller = new AbortController();
  const stopped = await requestFor(disk, { signal: controller.signal });
  const reporter = { ...silent, progress: () => controller.abort() };
  await t.throwsAsync(() => backup({ ...stopped, reporter }), { code: 'interrupted' });

  const full = await requestFor(disk, { medium: faultyMedium(memoryMedium(), { fullAfter: 2 * MiB }) });
  await t.throwsAsync(() => backup(full), { code: 'medium-full' });

  const gone = await requestFor(faulty(disk, { vanishAfterBytes: 3 * MiB }), { onReadError: 'skip' });
  await t.throwsAsync(() => backup(gone), { code: 'disk-gone' });
  for (const { medium } of [stopped, full, gone]) {
    t.true(
      (await medium.list()).every((set) => !set.complete),
      medium.name,
    );
  }
});

test('a ruined partition table is an error, unless every sector is asked for', async (t) => {
  const disk = await filledDisk();
  const sector = Buffer.alloc(512);
  sector.writeUInt16LE(0xaa55, 510);
  sector[446 + 4] = 0x83;
  sector.writeUInt32LE(2048, 446 + 8);
  sector.writeUInt32LE(0x7fffffff, 446 + 12);
  await disk.write(sector, 0);
  await t.throwsAsync(async () => backup(await requestFor(disk)), { code: 'layout-damaged' });
  const all = await requestFor(disk, { allSectors: true });
  const { totals } = await backup(all);
  t.is(totals.volumes[0]!.kept, disk.size);
  t.deepEqual(
    all.notices.map(({ code }) => code),
    ['table-damaged'],
  );
});

test('an image file that ends inside a sector is cut, and that is said', async (t) => {
  const path = join(temporary(t), 'ragged.raw');
  writeFileSync(path, Buffer.alloc(MiB + 100, 1));
  const device = await openDisk(path);
  const request = await requestFor(device);
  t.is((await backup(request)).totals.volumes[0]!.size, MiB);
  t.deepEqual(
    request.notices.map(({ code }) => code),
    ['ragged-tail'],
  );
  await device.close();
});

test('a second set of the same second gets a name of its own', async (t) => {
  const disk = memoryDisk(MiB);
  const request = await requestFor(disk, { name: 'web 1/ä' });
  t.is((await backup(request)).set, 'web-1-20260314T150926Z');
  t.is((await backup(request)).set, 'web-1-20260314T150926Z-2');
});

requiresRoot(
  'losetup',
  'mkfs.ext4',
  'mount',
)('a mounted source is refused, and a medium on the source', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const file = join(folder, 'disk.raw');
  await run('mkfs.ext4', ['-q', '-F', file, '16M']);
  const loop = await attachLoop({ path: file });
  const at = join(folder, 'mnt');
  mkdirSync(at);
  try {
    await checkSource(loop.path, join(folder, 'medium'));
    await run('mount', [loop.path, at]);
    try {
      await t.throwsAsync(() => checkSource(loop.path, folder), { code: 'source-mounted' });
      await t.throwsAsync(() => checkSource(file, null), { code: 'source-mounted' });
      await t.throwsAsync(() => checkSource(loop.path, join(at, 'sets')), { code: 'source-is-medium' });
    } finally {
      await run('umount', [at]);
    }
  } finally {
    await loop.detach();
  }
});
