import { createHash } from 'node:crypto';
import { closeSync, openSync, mkdtempSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { BlockDevice } from '../../src/disk/index.ts';
import { slice } from '../../src/disk/index.ts';
import { memoryDisk } from '../../src/disk/memory.ts';
import { parseBootSector } from '../../src/filesystem/fat/boot.ts';
import { largerLayout } from '../../src/filesystem/fat/larger-layout.ts';
import { FatWalk } from '../../src/filesystem/fat/walk.ts';
import { planFat, type LargerLayout } from '../../src/filesystem/index.ts';
import { readBytes, readTolerant } from '../../src/filesystem/reading.ts';
import { carryOut } from '../../src/restore/grow-layout.ts';
import { blank, run } from './fixtures.ts';

/** A FAT made by mkfs.fat and filled by mtools, in a folder. */
export interface FatImage {
  readonly folder: string;
  readonly path: string;
  readonly size: number;
}

export function fatImage(folder: string, size: number, ...args: string[]): FatImage {
  const path = blank(join(folder, 'image'), size);
  run('mkfs.fat', '-i', 'cafe0815', '-n', 'BOOT', ...args, path);
  return { folder, path, size };
}

function words(seed: number): () => number {
  let state = (seed * 2_654_435_761 + 12_345) >>> 0;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 8;
}

export function content(length: number, seed: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) parts.push(createHash('sha256').update(`${seed} ${i}`).digest());
  return Buffer.concat(parts).subarray(0, length);
}

/** Runs programs one after the other, by one shell: starting each from here costs more than what it does. */
export function runAll(...commands: readonly (readonly string[])[]): string {
  const quoted = commands.map((command) =>
    command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' '),
  );
  return run('sh', '-ec', quoted.join('\n'));
}

/** The command that writes files into a folder of the image, in this order. */
export function putting(
  { folder, path }: FatImage,
  into: string,
  files: Readonly<Record<string, Buffer>>,
): string[] {
  const from = mkdtempSync(join(folder, 'files-'));
  const sources = Object.entries(files).map(([name, bytes]) => {
    writeFileSync(join(from, name), bytes);
    return join(from, name);
  });
  return ['mcopy', '-o', '-i', path, ...sources, `::${into}`];
}

const named = (names: readonly string[]): string[] => names.map((name) => `::/${name}`);

/**
 * What the boot partition of a NetWare server holds: system files first, hidden ones, a deep tree, long and
 * lower-case names, and, with `rounds`, holes that later files fill piece by piece.
 */
export function fillAsDos(image: FatImage, { rounds, largest }: { rounds: number; largest: number }): void {
  const deep = Array.from({ length: 12 }, (_, i) => [...Array(i + 1).keys()].map((n) => `D${n}`).join('/'));
  const folders = ['NWSERVER', 'lower', 'A long folder name', 'lower/Größe'];
  const commands = [
    putting(image, '/', {
      'IO.SYS': content(Math.min(largest, 33_430), 1),
      'MSDOS.SYS': content(Math.min(largest, 37_394), 2),
      'CONFIG.SYS': Buffer.from('FILES=40\r\n'),
      empty: Buffer.alloc(0),
    }),
    ['mattrib', '+r', '+h', '+s', '-i', image.path, ...named(['IO.SYS', 'MSDOS.SYS'])],
    ['mmd', '-i', image.path, ...named([...folders, ...deep.map((one) => `NWSERVER/${one}`)])],
    putting(image, '/NWSERVER', { 'SERVER.EXE': content(largest, 3) }),
    putting(image, '/lower', { 'readme.txt': content(700, 4) }),
    putting(image, '/lower/Größe', {
      'a name that is longer than eight and three.html': content(5000, 5),
    }),
    putting(image, `/NWSERVER/${deep.at(-1)}`, { bottom: content(3000, 6) }),
  ];
  const next = words(rounds);
  for (let round = 0; round < rounds; round++) {
    const names = Array.from({ length: 10 }, (_, i) => `f${round}-${i}`);
    const files = names.map((name): [string, Buffer] => [name, content(next() % largest, next())]);
    const gone = names.filter((_, i) => i % 2 === 0).map((name) => `lower/${name}`);
    commands.push(
      putting(image, '/lower', Object.fromEntries(files)),
      ['mdel', '-i', image.path, ...named(gone)],
      putting(image, '/lower', { [`pieces ${round}`]: content(largest * 3, next()) }),
    );
  }
  runAll(...commands, putting(image, '/', { last: content(1000, 7) }));
}

/** A disk of `room` bytes, the image at `at`, and a pattern all around it. */
export function onDisk(bytes: Buffer, room: number, at: number, sectorSize: number): Promise<BlockDevice> {
  const disk = memoryDisk(at * 2 + room, { sectorSize });
  const guard = Buffer.alloc(at, 0x5a);
  return disk
    .write(guard, 0)
    .then(() => disk.write(guard, at + room))
    .then(() => disk.write(bytes, at))
    .then(() => disk);
}

export interface Outcome {
  /** Null where it was left as it is. */
  readonly layout: LargerLayout | null;
  readonly reason: string;
}

/** Grows the FAT of `oldSize` bytes at the start of a volume to fill it, as the plan and apply do. */
export async function growFat(volume: BlockDevice, oldSize: number, fat32 = false): Promise<Outcome> {
  const old = slice(volume, 0, oldSize);
  const start = await readBytes(old, 0, Math.min(oldSize, 256 * 1024));
  const plan = planFat(start, { size: volume.size, fat32 });
  if (plan === null) return { layout: null, reason: 'no FAT' };
  const { after } = plan;
  if (after === null) return { layout: null, reason: plan.reason };
  const layout = await largerLayout(old, {
    size: volume.size,
    fat32,
    hidden: 2048,
    geometry: { heads: 255, sectorsPerTrack: 63 },
    planned: { type: `fat${after.kind}`, blockSize: after.clusterSize, size: after.size },
  });
  if (typeof layout === 'string') return { layout: null, reason: layout };
  await carryOut(volume, layout);
  return { layout, reason: '' };
}

/**
 * Everything a FAT holds, in its order: paths, the bytes of the entries but for cluster numbers, and contents. What
 * lies outside the volume, as it may in a damaged one, is zeros.
 */
export async function everythingIn(volume: BlockDevice): Promise<string[]> {
  const geometry = parseBootSector(await readBytes(volume, 0, 512))!;
  const walk = new FatWalk(volume, geometry);
  const lines: string[] = [];
  const tolerant = (offset: number, length: number): Promise<Buffer> =>
    readTolerant(volume, { offset, length, unit: 512 });
  for await (const { path, file, clusters, entries } of walk.tree(true)) {
    const hash = createHash('sha256');
    let left = file.directory ? 0 : file.size;
    for (const { start, length } of clusters) {
      for (let at = 0; at < length && left > 0; at += 1 << 20) {
        const part = await tolerant(start + at, Math.min(left, length - at, 1 << 20));
        hash.update(part);
        left -= part.length;
      }
    }
    const raw: Buffer[] = [];
    for (const { start, length } of entries) raw.push(Buffer.from(await tolerant(start, length)));
    const bytes = Buffer.concat(raw);
    // First cluster of the short entry: its upper and lower half.
    bytes.fill(0, bytes.length - 12, bytes.length - 10);
    bytes.fill(0, bytes.length - 6, bytes.length - 4);
    lines.push(`${path} ${bytes.toString('hex')} ${hash.digest('hex')} ${left}`);
  }
  return lines;
}

/** A volume as a sparse file of its own, for the tools. */
export async function asFile(volume: BlockDevice, path: string): Promise<string> {
  blank(path, volume.size);
  const fd = openSync(path, 'r+');
  try {
    for (const { start, length } of (await volume.dataExtents?.()) ?? []) {
      for (let at = start; at < start + length; at += 1 << 20) {
        const piece = await readBytes(volume, at, Math.min(1 << 20, start + length - at));
        writeSync(fd, piece, 0, piece.length, at);
      }
    }
  } finally {
    closeSync(fd);
  }
  return path;
}

export const bytesOf = ({ path }: FatImage): Buffer => readFileSync(path);
