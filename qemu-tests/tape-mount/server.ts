import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeNetware, noise, type EntryWish } from '../../test/fixtures/netware-maker.ts';
import { run } from '../harness/index.ts';
import { contentOf, filesPerFolder, isLink, pathOf } from './files.ts';

const MiB = 2 ** 20;
export interface ManyFiles {
  readonly server: string;
  readonly netware: string;
  /** Entries of the ext4 and of the xfs volume, directories counted too. */
  readonly entries: number;
  readonly netwareEntries: number;
}

function fill(root: string, volume: string, entries: number): void {
  for (let number = 0, made = 0; made < entries; number++) {
    const path = join(root, pathOf(number));
    if (number % filesPerFolder === 0) {
      mkdirSync(join(path, '..'));
      made++;
    }
    if (made++ >= entries) return;
    if (isLink(number)) symlinkSync(`f${number}`, path);
    else writeFileSync(path, contentOf(volume, number));
  }
}

/** A loop device over a partition, while `work` runs with the folder it is mounted on. */
async function mounted(
  image: string,
  offset: number,
  size: number,
  folder: string,
  work: () => void,
): Promise<void> {
  const options = `loop,offset=${offset},sizelimit=${size}`;
  mkdirSync(folder, { recursive: true });
  await run('mount', ['-o', options, image, folder]);
  try {
    work();
  } finally {
    await run('umount', [folder]);
  }
}

/**
 * The disks of a server: on one a volume that is all noise, so that everything else lies a long way into the tape,
 * and an ext4 and an xfs volume of many small files; on the other a NetWare volume.
 */
export async function manyFiles(folder: string, entries: number): Promise<ManyFiles> {
  const server = join(folder, 'server.raw');
  await run('truncate', ['-s', '832M', server]);
  const table = join(folder, 'table');
  const parts = [
    { name: 'noise', start: 1, size: 80 },
    { name: 'many', start: 81, size: 300 },
    { name: 'more', start: 381, size: 400 },
  ];
  const lines = parts.map(({ name, start, size }) => `start=${start}MiB, size=${size}MiB, name=${name}`);
  writeFileSync(table, ['label: gpt', ...lines, ''].join('\n'));
  await run('sh', ['-c', `sfdisk -q ${server} < ${table}`]);
  const [first, many, more] = parts;
  const source = join(folder, 'noise');
  mkdirSync(source);
  writeFileSync(join(source, 'noise'), noise(48 * MiB, 1));
  const make = `lazy_itable_init=0,offset=`;
  await run('mke2fs', [
    '-q',
    '-t',
    'ext4',
    '-L',
    'noise',
    '-d',
    source,
    '-E',
    `${make}${first!.start * MiB}`,
    server,
    `${first!.size}M`,
  ]);
  await run('mke2fs', [
    '-q',
    '-t',
    'ext4',
    '-L',
    'many',
    '-b',
    '4096',
    '-N',
    String(entries + 2000),
    '-E',
    `${make}${many!.start * MiB}`,
    server,
    `${many!.size}M`,
  ]);
  const alone = join(folder, 'xfs.raw');
  await run('truncate', ['-s', `${more!.size}M`, alone]);
  await run('mkfs.xfs', ['-q', '-L', 'more', alone]);
  const root = join(folder, 'root');
  await mounted(server, many!.start * MiB, many!.size * MiB, root, () => fill(root, 'many', entries));
  await mounted(alone, 0, more!.size * MiB, root, () => fill(root, 'more', entries));
  await run('dd', [`if=${alone}`, `of=${server}`, 'bs=1M', `seek=${more!.start}`, 'conv=notrunc,sparse']);
  return { server, entries, ...netwareDisk(folder) };
}

function netwareDisk(folder: string): { netware: string; netwareEntries: number } {
  const files = Array.from({ length: 3000 }, (_, i): EntryWish => ({
    path: `DIR${i % 30}/FILE${i}.TXT`,
    content: { noise: 200 + ((i * 7919) % 9000), seed: i },
    modified: `199${i % 8}-0${(i % 9) + 1}-1${i % 9}T0${i % 10}:12:24`,
  }));
  makeNetware(folder, {
    disks: [{ name: 'netware.raw', sectors: (64 * MiB) / 512 }],
    volumes: [{ name: 'SYS', blockSize: 4096, segments: [{ disk: 0 }], entries: files }],
  });
  return { netware: join(folder, 'netware.raw'), netwareEntries: files.length + 30 };
}
