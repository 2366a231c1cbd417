import { randomFillSync } from 'node:crypto';
import { open, mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openSet } from '../src/archive/index.ts';
import { total } from '../src/bytes/index.ts';
import { openMedium } from '../src/medium/index.ts';
import { attachLoop, run } from '../src/system/index.ts';
import { cacheFolder, realImage } from './image.ts';
import { coldStart, measured, median } from './measured.ts';

const remetal = resolve(import.meta.dirname, '..', 'remetal');
const MiB = 1024 * 1024;
const block = 4096;
/** A full set and six that build on it. */
const links = 7;
/** Share of the used bytes that is written over before each. */
const share = 0.03;

/** Writes other bytes over some of the files of an image, `bytes` of them in all. */
async function changeFiles(image: string, bytes: number, seed: number): Promise<void> {
  const loop = await attachLoop({ path: image });
  const root = await mkdtemp(join(tmpdir(), 'bench-'));
  try {
    await run('mount', [loop.path, root]);
    try {
      await writeOver(root, bytes, seed);
    } finally {
      await run('umount', [root]);
    }
  } finally {
    await loop.detach();
    await rm(root, { recursive: true, force: true });
  }
}

async function writeOver(root: string, bytes: number, seed: number): Promise<void> {
  const { stdout } = await run('find', [root, '-xdev', '-type', 'f', '-size', '+16k', '-print0']);
  const files = stdout.split('\0').filter((path) => path !== '');
  const step = 97;
  let done = 0;
  for (let i = (seed * 31) % files.length; done < bytes; i = (i + step) % files.length) {
    const file = files[i]!;
    const { size } = await stat(file);
    const length = Math.min(size, bytes - done);
    const noise = randomFillSync(Buffer.alloc(length));
    const handle = await open(file, 'r+');
    try {
      await handle.write(noise, 0, length, 0);
    } finally {
      await handle.close();
    }
    done += length;
  }
}

/** Bytes of the blocks in which two images differ. */
async function differing(a: string, b: string): Promise<number> {
  const [one, two] = [await open(a), await open(b)];
  const [x, y] = [Buffer.alloc(MiB), Buffer.alloc(MiB)];
  let bytes = 0;
  const { size } = await one.stat();
  for (let at = 0; at < size; at += MiB) {
    await one.read(x, 0, MiB, at);
    await two.read(y, 0, MiB, at);
    if (x.equals(y)) continue;
    for (let i = 0; i < MiB; i += block) {
      if (x.compare(y, i, i + block, i, i + block) !== 0) bytes += block;
    }
  }
  await one.close();
  await two.close();
  return bytes;
}

/** Bytes the newest set of a folder stores, and those of its control sets. */
async function newest(folder: string): Promise<{ stored: number; control: number; chain: number }> {
  const files = await readdir(folder);
  const sizes = await Promise.all(
    files.map(async (file) => ({ file, made: (await stat(join(folder, file))).mtimeMs })),
  );
  const [latest] = sizes.toSorted((a, b) => b.made - a.made);
  const medium = openMedium(folder);
  const reader = await openSet(medium, latest!.file.replace('.tar', ''), { chain: 'leave' });
  const control = [...reader.maps.values()].reduce((sum, map) => sum + total(map.control), 0);
  const chain = reader.head.chain.length;
  await reader.close();
  await medium.close();
  return { stored: (await stat(join(folder, latest!.file))).size, control, chain };
}

/** True when every block the file system of an image uses is the same in another. */
async function sameUsed(image: string, other: string): Promise<boolean> {
  await run('e2fsck', ['-fn', other]);
  const [a, b] = [join(cacheFolder, 'a.e2i'), join(cacheFolder, 'b.e2i')];
  await run('e2image', ['-ra', '-p', image, a]);
  await run('e2image', ['-ra', '-p', other, b]);
  const same = (await differing(a, b)) === 0;
  await rm(a);
  await rm(b);
  return same;
}

function print(what: string, text: string): void {
  process.stdout.write(`${what.padEnd(44)} ${text}\n`);
}

/**
 * A chain of seven sets, each after 3 % of the used bytes were written over: each incremental backup beside a full
 * one of the same state, taking turns; bytes stored against bytes changed; the last state restored from the chain.
 */
export async function incremental(): Promise<void> {
  const original = await realImage();
  const folder = join(cacheFolder, 'incremental');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const image = join(folder, 'image');
  const before = join(folder, 'before');
  const chain = join(folder, 'chain');
  const full = join(folder, 'full');
  await run('cp', ['--sparse=always', original, image]);
  const backup = async (to: string, ...more: string[]): Promise<number> => {
    await coldStart();
    return (
      await measured(remetal, ['--quiet', 'backup', '--disk', image, '--to', to, '--name', 'bench', ...more])
    ).seconds;
  };
  await backup(chain);
  const used = (await newest(chain)).stored;
  const { stdout } = await run('dumpe2fs', ['-h', image]);
  const value = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(stdout)?.[1]);
  const usedBytes = (value('Block count') - value('Free blocks')) * value('Block size');
  const times: { own: number; full: number }[] = [];
  const bytes: { stored: number; changed: number; control: number }[] = [];
  for (let n = 2; n <= links; n++) {
    await run('cp', ['--sparse=always', image, before]);
    await changeFiles(image, Math.floor(usedBytes * share), n);
    const own = await backup(chain, '--since', 'bench');
    await rm(full, { recursive: true, force: true });
    times.push({ own, full: await backup(full) });
    const { stored, control, chain: length } = await newest(chain);
    if (length !== n - 1) throw new Error(`The chain has ${length} links`);
    bytes.push({ stored, control, changed: await differing(before, image) });
  }
  const target = join(folder, 'target');
  await writeFile(target, '');
  await truncate(target, (await stat(image)).size);
  await measured(remetal, ['--quiet', 'restore', chain, '--disk', target, '--yes']);
  if (!(await sameUsed(image, target))) throw new Error('What the chain gives back differs');

  process.stdout.write(
    `Incremental: 6 GiB ext4 image, ${(usedBytes / 1e9).toFixed(1)} GB used, a chain of ${links}, ${share * 100} % changed before each; the last state comes back equal\n`,
  );
  const ratio = median(times.map(({ own, full: whole }) => own / whole));
  print(
    'time against a full backup',
    `${ratio.toFixed(2)}  (${times.map(({ own, full: whole }) => `${own.toFixed(1)}/${whole.toFixed(1)}`).join(' ')} s)`,
  );
  const stored = bytes.map((each) => each.stored / (each.changed + each.control));
  print(
    'bytes stored against changed and control set',
    `${median(stored).toFixed(2)}  (${bytes.map((each) => `${(each.stored / MiB).toFixed(0)}/${(each.changed / MiB).toFixed(0)}+${(each.control / MiB).toFixed(0)}`).join(' ')} MiB; full ${(used / MiB).toFixed(0)})`,
  );
  await rm(folder, { recursive: true, force: true });
}
