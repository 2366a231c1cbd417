import { mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { run } from '../src/system/index.ts';
import { cacheFolder, hugeImage, realImage } from './image.ts';
import { coldStart, measured, median, type Measurement } from './measured.ts';

const rounds = 3;
const remetal = resolve(import.meta.dirname, '..', 'remetal');
const MiB = 1024 * 1024;

interface Contestant {
  backup(image: string): Promise<Measurement>;
  restore(target: string): Promise<Measurement>;
  /** Bytes its last backup takes. */
  stored(): Promise<number>;
}

/** What is measured against, as a user would type it. */
function peer(folder: string): Contestant {
  const file = join(folder, 'peer.zst');
  return {
    backup: (image) =>
      measured('sh', ['-c', `partclone.ext4 -c -s '${image}' -o - | zstd -q -f -1 -T2 -o '${file}'`]),
    restore: (target) =>
      measured('sh', ['-c', `zstd -q -d -c '${file}' | partclone.ext4 -r -s - -O '${target}'`]),
    stored: async () => (await stat(file)).size,
  };
}

function ours(folder: string): Contestant {
  const sets = join(folder, 'sets');
  return {
    async backup(image) {
      await rm(sets, { recursive: true, force: true });
      return measured(remetal, ['--quiet', 'backup', '--disk', image, '--to', sets]);
    },
    restore: (target) => measured(remetal, ['--quiet', 'restore', sets, '--disk', target, '--yes']),
    async stored() {
      const files = await readdir(sets);
      const sizes = await Promise.all(files.map(async (file) => (await stat(join(sets, file))).size));
      return sizes.reduce((sum, size) => sum + size, 0);
    },
  };
}

async function emptyTarget(path: string, image: string): Promise<void> {
  await rm(path, { force: true });
  await writeFile(path, '');
  await truncate(path, (await stat(image)).size);
}

async function listing(image: string): Promise<string> {
  return (await run('debugfs', ['-R', 'ls -l -p /usr/bin', image])).stdout;
}

async function checkRestored(image: string, target: string): Promise<void> {
  await run('e2fsck', ['-fn', target]);
  if ((await listing(image)) !== (await listing(target))) throw new Error('The restored image differs');
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(44)} ${value}\n`);
}

function times(runs: readonly Measurement[]): number[] {
  return runs.map((measurement) => measurement.seconds);
}

function inTurn(runs: readonly Measurement[]): string {
  return times(runs)
    .map((time) => time.toFixed(1))
    .join(' ');
}

function printRatio(what: string, own: readonly Measurement[], theirs: readonly Measurement[]): void {
  const ratio = median(times(own)) / median(times(theirs));
  print(what, `${ratio.toFixed(2)}  (${inTurn(own)} s against ${inTurn(theirs)} s)`);
}

function printMemory(what: string, runs: readonly Measurement[]): void {
  const most = Math.max(...runs.map((measurement) => measurement.peakMemory));
  print(`peak memory, ${what}`, `${(most / MiB).toFixed(0)} MiB`);
}

/**
 * Backup and restore beside partclone and zstd: the same image, taking turns, medians of three. The
 * peer is not made to wait until its bytes are on the disk; Remetal always waits for that.
 */
export async function dataPath(): Promise<void> {
  const image = await realImage();
  const huge = await hugeImage();
  const folder = join(cacheFolder, 'work');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const target = join(folder, 'target.img');
  const them = { contestant: peer(folder), backups: [] as Measurement[], restores: [] as Measurement[] };
  const us = { contestant: ours(folder), backups: [] as Measurement[], restores: [] as Measurement[] };
  let cold = true;
  for (let round = 0; round < rounds; round++) {
    for (const { contestant, backups } of [them, us]) {
      cold = (await coldStart()) && cold;
      backups.push(await contestant.backup(image));
    }
    for (const { contestant, restores } of [them, us]) {
      await emptyTarget(target, image);
      cold = (await coldStart()) && cold;
      restores.push(await contestant.restore(target));
      if (round === 0) await checkRestored(image, target);
    }
  }
  const [ownBytes, theirBytes] = [await us.contestant.stored(), await them.contestant.stored()];
  const hugeBackup = await us.contestant.backup(huge);
  await emptyTarget(target, huge);
  const hugeRestore = await us.contestant.restore(target);

  process.stdout.write(
    `Data path: 6 GiB ext4 image against partclone.ext4 -c | zstd -1 -T2 and its inverse, taking turns, median of ${rounds}, ${cold ? 'cold' : 'warm'} page cache\n`,
  );
  printRatio('backup, wall time', us.backups, them.backups);
  printRatio('restore, wall time', us.restores, them.restores);
  print('bytes stored', `${(ownBytes / theirBytes).toFixed(3)}  (${ownBytes} against ${theirBytes})`);
  printMemory('backup of 6 GiB', us.backups);
  printMemory('restore of 6 GiB', us.restores);
  printMemory('backup of a sparse 2 TiB disk', [hugeBackup]);
  printMemory('restore of the same', [hugeRestore]);
  await rm(folder, { recursive: true, force: true });
}
