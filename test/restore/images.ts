import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync, linkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { withMount, type VolumePlace } from '../../src/restore/mounting.ts';
import { noise } from './sets.ts';

const MiB = 1024 * 1024;
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, MTOOLS_SKIP_CHECK: '1' };

/** Runs a tool and gives back what it printed; its exit status throws. */
export function tool(program: string, args: readonly string[], input = ''): string {
  return execFileSync(program, args, { env, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
}

/** A sparse file of `size` bytes. */
export function emptyFile(path: string, size: number): string {
  writeFileSync(path, '');
  tool('truncate', ['-s', String(size), path]);
  return path;
}

/** Puts a few hundred files into a folder: small and large, sparse, linked, nested. */
export function fill(folder: string, seed: number): void {
  for (let i = 0; i < 120; i++) {
    const at = join(folder, `dir${i % 7}`);
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, `file${i}`), noise(200 + ((i * 7919) % 30_000), seed + i));
  }
  writeFileSync(join(folder, 'large'), noise(3 * MiB, seed));
  tool('truncate', ['-s', '5M', join(folder, 'large')]);
  linkSync(join(folder, 'large'), join(folder, 'dir0/hard'));
  symlinkSync('../large', join(folder, 'dir1/soft'));
  tool('touch', ['-d', '@1600000000.123456789', join(folder, 'dir2')]);
}

/** One partition of a disk image to be made. */
export interface Part {
  /** Type as sfdisk takes it. */
  readonly type: string;
  /** MiB. */
  readonly size: number;
  readonly format: 'ext4' | 'xfs' | 'fat' | 'swap';
}

export interface MadeImage {
  readonly path: string;
  /** One a partition. */
  readonly places: readonly VolumePlace[];
}

/** A disk image with a table and file systems with files in them, made by sfdisk, mkfs and mtools. */
export function diskImage(
  folder: string,
  options: {
    readonly label: 'gpt' | 'dos';
    readonly size: number;
    readonly parts: readonly Part[];
    readonly sectorSize?: number;
  },
): MadeImage {
  const sectorSize = options.sectorSize ?? 512;
  const path = emptyFile(join(folder, 'source.img'), options.size * MiB);
  let start = 1;
  const places: VolumePlace[] = [];
  const lines = options.parts.map(({ type, size }) => {
    places.push({ path, offset: start * MiB, size: size * MiB, sectorSize });
    const line = `start=${(start * MiB) / sectorSize}, size=${(size * MiB) / sectorSize}, type=${type}`;
    start += size;
    return line;
  });
  writeTable(path, sectorSize, `label: ${options.label}\n${lines.join('\n')}\n`);
  tool('dd', ['of=' + path, 'bs=1', 'seek=0', 'conv=notrunc', 'status=none'], 'boot code of the test');
  options.parts.forEach(({ format }, index) => {
    const place = places[index]!;
    const volume = emptyFile(join(folder, `volume${index}`), place.size);
    formatVolume(volume, format, { tree: join(folder, `tree${index}`), seed: index, sectorSize });
    tool('dd', [
      `if=${volume}`,
      `of=${path}`,
      'bs=1M',
      `seek=${place.offset / MiB}`,
      'conv=notrunc,sparse',
      'status=none',
    ]);
  });
  return { path, places };
}

/** sfdisk of Debian 12 takes the sector size of an image from a loop device only. */
function writeTable(path: string, sectorSize: number, script: string): void {
  if (sectorSize === 512) return void tool('sfdisk', ['--quiet', path], script);
  const loop = tool('losetup', ['--find', '--show', '--sector-size', String(sectorSize), path]).trim();
  try {
    tool('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', loop], script);
  } finally {
    tool('losetup', ['--detach', loop]);
  }
}

function formatVolume(
  volume: string,
  format: Part['format'],
  { tree, seed, sectorSize }: { readonly tree: string; readonly seed: number; readonly sectorSize: number },
): void {
  if (format === 'swap') return void tool('mkswap', [volume]);
  mkdirSync(tree);
  if (format === 'ext4') {
    fill(tree, seed);
    mkdirSync(join(tree, 'etc'));
    mkdirSync(join(tree, 'var/log'), { recursive: true });
    writeFileSync(join(tree, 'etc/fstab'), '');
    tool('mkfs.ext4', ['-q', '-b', '4096', '-d', tree, volume]);
  } else if (format === 'fat') {
    tool('mkfs.fat', ['-S', String(sectorSize), volume]);
    tool('mmd', ['-i', volume, '::/EFI', '::/EFI/debian']);
    for (const name of ['shimx64.efi', 'grubx64.efi']) {
      const file = join(tree, name);
      writeFileSync(file, noise(300_000, seed + name.length));
      tool('mcopy', ['-i', volume, file, `::/EFI/debian/${name}`]);
    }
  } else {
    tool('mkfs.xfs', ['-q', volume]);
  }
}

/** Content, mode, owner, size, links and time of every file of a mounted volume, as one hash. */
export async function treeOf(place: VolumePlace, options: readonly string[] = ['ro']): Promise<string> {
  return await withMount(place, options, (root) => {
    const facts = tool('find', [root, '-mindepth', '1', '-printf', '%P %y %m %U %G %s %n %T@ %l\n']);
    const sums = tool('sh', ['-c', `cd ${root} && find . -type f -exec sha256sum {} +`]);
    const sorted = [...facts.split('\n'), ...sums.split('\n')].toSorted().join('\n');
    return Promise.resolve(createHash('sha256').update(sorted).digest('hex'));
  });
}

/** The bytes of a volume as a file of its own, for tools that know no offset. */
export function alone(place: VolumePlace, path: string): string {
  const bytes = readFileSync(place.path);
  writeFileSync(path, bytes.subarray(place.offset, place.offset + place.size));
  return path;
}
