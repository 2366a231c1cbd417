import { randomFillSync } from 'node:crypto';
import { mkdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { run } from '../src/system/index.ts';
import { cacheFolder } from './image.ts';
import { coldStart, measured, median } from './measured.ts';

const rounds = 3;
const remetal = resolve(import.meta.dirname, '..', 'remetal');
const [folders, filesEach] = [1000, 69];
const bytes = 3 * 1024 ** 3;

/** An ext4 image with 70,000 entries and 1.4 GB in them, made once and kept. Needs no root. */
async function treeImage(): Promise<string> {
  const path = join(cacheFolder, 'tree-70000-noise.img');
  if ((await stat(path).catch(() => null))?.size === bytes) return path;
  const staging = join(cacheFolder, 'tree');
  await rm(staging, { recursive: true, force: true });
  const noise = randomFillSync(Buffer.alloc(64 * 1024));
  for (let folder = 0; folder < folders; folder++) {
    const at = join(staging, `part ${folder % 20}`, `folder-${folder}`);
    await mkdir(at, { recursive: true });
    for (let file = 0; file < filesEach; file++) {
      // Files that differ, made as fast as they are written.
      randomFillSync(noise, 0, 4096);
      await writeFile(
        join(at, `file-${file}.txt`),
        noise.subarray(0, 200 + ((folder * 7919 + file * 104_729) % 40_000)),
      );
    }
  }
  const making = `${path}.part`;
  await rm(making, { force: true });
  await run('mkfs.ext4', ['-q', '-F', '-L', 'tree', '-d', staging, making, String(bytes / 1024 ** 3) + 'G']);
  await rename(making, path);
  await rm(staging, { recursive: true, force: true });
  return path;
}

/** What a contestant does until its tree can be listed, and how it takes that away. */
interface Contestant {
  /** Everything from the backup to a mounted folder. */
  readonly ready: (at: string) => Promise<void>;
  readonly gone: (at: string) => Promise<void>;
}

interface Times {
  readonly ready: number[];
  /** The first listing, with what the mounting left in the caches. */
  readonly listing: number[];
  readonly both: number[];
  /** A listing after the caches were emptied under the mounted tree. */
  readonly emptied: number[];
}

const none = (): Times => ({ ready: [], listing: [], both: [], emptied: [] });

async function seconds(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

async function round({ ready, gone }: Contestant, at: string, times: Times): Promise<string> {
  const list = async (): Promise<number> =>
    (await measured('sh', ['-c', `ls -lR '${at}' > '${at}.list'`])).seconds;
  await coldStart();
  const before = await seconds(() => ready(at));
  const listing = await list();
  await coldStart();
  times.emptied.push(await list());
  times.ready.push(before);
  times.listing.push(listing);
  times.both.push(before + listing);
  await gone(at);
  return (await run('sh', ['-c', `sed 's|^${at}||' '${at}.list' | sha256sum`])).stdout;
}

function raw(image: string): Contestant {
  return {
    ready: async (at) => void (await run('mount', ['-o', 'loop,ro,noload', image, at])),
    gone: async (at) => void (await run('umount', [at])),
  };
}

function ours(sets: string): Contestant {
  return {
    ready: async (at) => void (await run(remetal, ['--quiet', 'mount', sets, 'bench', at])),
    gone: async (at) => void (await run(remetal, ['--quiet', 'umount', at])),
  };
}

function peer(file: string, target: string): Contestant {
  return {
    async ready(at) {
      await rm(target, { force: true });
      await writeFile(target, '');
      await truncate(target, bytes);
      await run('sh', ['-c', `zstd -q -d -c '${file}' | partclone.ext4 -r -s - -O '${target}' -L /dev/null`]);
      await run('mount', ['-o', 'loop,ro,noload', target, at]);
    },
    gone: async (at) => void (await run('umount', [at])),
  };
}

const text = (values: readonly number[]): string => values.map((value) => value.toFixed(2)).join(' ');

function print(what: string, own: readonly number[], theirs: readonly number[]): void {
  const ratio = median(own) / median(theirs);
  process.stdout.write(
    `${what.padEnd(52)} ${ratio.toFixed(2)}  (${text(own)} s against ${text(theirs)} s)\n`,
  );
}

/**
 * The first full listing of 70,000 entries: from a mounted set, from the raw image through a loop device, and from a
 * partclone image, which has to be restored first. Taking turns, caches emptied before each mounts, medians of three;
 * and once more with the caches emptied after that. Needs root.
 */
export async function mountedListing(): Promise<void> {
  const image = await treeImage();
  const folder = join(cacheFolder, 'mounted');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const [sets, clone, target, at] = ['sets', 'clone.zst', 'target.img', 'at'].map((name) =>
    join(folder, name),
  );
  await mkdir(at!);
  await run(remetal, ['--quiet', 'backup', '--disk', image, '--to', sets!, '--name', 'bench']);
  await run('sh', [
    '-c',
    `partclone.ext4 -c -s '${image}' -o - -L /dev/null | zstd -q -f -1 -T2 -o '${clone}'`,
  ]);
  const [us, loop, them] = [none(), none(), none()];
  for (let turn = 0; turn < rounds; turn++) {
    const found = [
      await round(raw(image), at!, loop),
      await round(ours(sets!), at!, us),
      await round(peer(clone!, target!), at!, them),
    ];
    if (new Set(found).size !== 1) throw new Error('The listings differ');
  }
  process.stdout.write(
    'First full ls -lR of 70,000 entries, caches emptied before mounting, taking turns, median of three\n',
  );
  print('listing: mounted set against raw image and loop', us.listing, loop.listing);
  print('the same, caches emptied under the mounted tree', us.emptied, loop.emptied);
  print('listing alone: against restoring partclone and listing', us.listing, them.both);
  print('mount and listing: against raw image and loop', us.both, loop.both);
  print('mount and listing: against restored partclone image', us.both, them.both);
  await rm(folder, { recursive: true, force: true });
}
