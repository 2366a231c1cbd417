import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSet, type SetReader } from '../src/archive/index.ts';
import { backup } from '../src/backup/index.ts';
import { formatBytes } from '../src/bytes/index.ts';
import { identityOf, openDisk } from '../src/disk/index.ts';
import { detect, type FileTree } from '../src/filesystem/index.ts';
import { openMedium, type Medium, type MediumMovements } from '../src/medium/index.ts';
import { extract } from '../src/mount/extract/index.ts';
import { setVolume } from '../src/mount/index.ts';
import { silent } from '../src/progress/index.ts';
import { nativeCodec, run } from '../src/system/index.ts';
import { createLibrary, openLibrary } from '../src/tape/virtual/index.ts';
import { coldStart, median } from './measured.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const imageSize = 1024 * MiB;
const [folders, filesEach, fileSize] = [40, 75, 256 * KiB];
const chosen = 200;
const rounds = 5;
/** Of the time of the sequential read. */
const aim = 1.5;
const volume = 'disk1.whole';

/** 200 files scattered over a set on a virtual tape, beside reading the same span of it from front to back. */
export async function extractFiles(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'remetal-bench-'));
  try {
    const { address, set, paths } = await made(folder);
    const span = await spanOf(address, set, paths);
    const cold = await coldStart();
    const [ours, whole]: [number[], number[]] = [[], []];
    let movements: MediumMovements = { loads: 0, repositionings: 0 };
    for (let round = 0; round < rounds; round++) {
      await coldStart();
      whole.push(await seconds(address, set, (reader) => sequential(reader, span)));
      await coldStart();
      const out = join(folder, `out ${round}`);
      ours.push(
        await seconds(address, set, async (reader, medium) => {
          await extraction(reader, paths, out);
          movements = medium.movements!();
        }),
      );
      await rm(out, { recursive: true });
    }
    const ratio = median(ours) / median(whole);
    process.stdout.write(
      [
        `Extract: ${chosen} files of ${formatBytes(fileSize)} scattered over ${formatBytes(span.bytes)} of a set on a virtual tape${cold ? '' : ', page cache warm'}, taking turns, median of ${rounds}.`,
        `time against a sequential read of the span   ${ratio.toFixed(2)}  (${inTurn(ours)} s against ${inTurn(whole)} s)`,
        `repositionings, opening the set among them   ${movements.repositionings}`,
        '',
      ].join('\n'),
    );
    if (ratio > aim) process.stdout.write(`Above the aim of ${aim} times a sequential read.\n`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function inTurn(values: readonly number[]): string {
  return values.map((value) => value.toFixed(2)).join(' ');
}

async function made(folder: string): Promise<{ address: string; set: string; paths: string[] }> {
  const library = join(folder, 'library');
  await createLibrary(library, { drives: 1, slots: 1, cartridges: { BENCH1L8: { size: 2 * imageSize } } });
  await (await openLibrary(library)).changer!.load(1, 0);
  const tree = join(folder, 'tree');
  const all: string[] = [];
  for (let i = 0; i < folders; i++) {
    await mkdir(join(tree, `folder ${i}`), { recursive: true });
    for (let j = 0; j < filesEach; j++) {
      all.push(`/folder ${i}/file ${j}`);
      await writeFile(join(tree, `folder ${i}`, `file ${j}`), randomBytes(fileSize));
    }
  }
  const image = join(folder, 'image');
  await writeFile(image, '');
  await truncate(image, imageSize);
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', '-d', tree, image]);
  await rm(tree, { recursive: true });
  const address = `tape+file:${library}`;
  const medium = openMedium(address);
  const device = await openDisk(image);
  const { set } = await backup({
    disks: [
      {
        device,
        identity: await identityOf(image),
      },
    ],
    medium,
    machine: { hostname: 'bench', firmware: null, vendor: null, product: null, serial: null },
    name: 'bench',
    note: '',
    allSectors: false,
    onReadError: 'stop',
    level: 1,
    now: new Date(),
    reporter: silent,
  });
  await device.close();
  await medium.close();
  await rm(image);
  // 787 is prime: every part of the volume has its share, in no order of the medium.
  return { address, set, paths: Array.from({ length: chosen }, (_, i) => all[(i * 787) % all.length]!) };
}

interface Span {
  /** The first group behind those that are needed. */
  readonly to: number;
  readonly bytes: number;
}

/** From the control set to the last group the files need. */
async function spanOf(address: string, set: string, paths: readonly string[]): Promise<Span> {
  const medium = openMedium(address);
  const reader = await openSet(medium, set, { codec: nativeCodec() });
  const tree = await treeOf(reader);
  const index = reader.index(volume);
  let to = 0;
  for await (const file of tree.walk({ paths })) {
    for await (const { start } of tree.runs(file)) {
      if (start !== null) to = Math.max(to, (index.groupAtOffset(start) ?? 0) + 1);
    }
  }
  let bytes = 0;
  for (let group = 0; group < to; group++) bytes += index.groupLength(group);
  await reader.close();
  await medium.close();
  return { to, bytes };
}

async function treeOf(reader: SetReader): Promise<FileTree> {
  return (await (await detect(setVolume(reader, volume)))?.tree?.())!;
}

/** How long work on the set takes, its opening included. */
async function seconds(
  address: string,
  set: string,
  work: (reader: SetReader, medium: Medium) => Promise<void>,
): Promise<number> {
  const began = performance.now();
  const medium = openMedium(address);
  const reader = await openSet(medium, set, { codec: nativeCodec() });
  await work(reader, medium);
  await reader.close();
  await medium.close();
  return (performance.now() - began) / 1000;
}

async function sequential(reader: SetReader, { to }: Span): Promise<void> {
  for await (const group of reader.groups(volume, { from: 0, to, onDamage: 'stop' })) group.release?.();
}

async function extraction(reader: SetReader, paths: readonly string[], folder: string): Promise<void> {
  const device = setVolume(reader, volume);
  await device.loadControl();
  const tree = (await (await detect(device))?.tree?.())!;
  const { problems } = await extract({ tree, volume: device, paths, folder });
  if (problems > 0) throw new Error(`${problems} files were not extracted`);
  await device.close();
}
