import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NetwareManifest } from '../fixtures/netware-maker.ts';

const root = join(import.meta.dirname, '../..');
export const readerPath = join(root, 'tools/netware-reader.py');
const fixtures = join(root, 'test/fixtures/netware');

export interface Finding {
  code: string;
  where: string;
  text: string;
}

export interface ReaderOutput extends Pick<NetwareManifest, 'volumes' | 'partitions'> {
  findings: Finding[];
}

/** What the reader says of these disks; throws where it says nothing at all. */
export function readDisks(
  paths: readonly string[],
  options: readonly string[] = [],
): { status: number | null; output: ReaderOutput; stderr: string } {
  const run = spawnSync('python3', [readerPath, '--json', ...options, ...paths], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (run.stdout === '') throw new Error(run.stderr);
  return { status: run.status, output: JSON.parse(run.stdout), stderr: run.stderr };
}

/** Kinds of findings, each once, sorted. */
export function codes(findings: readonly Finding[]): string[] {
  return [...new Set(findings.map(({ code }) => code))].toSorted();
}

/** A manifest as the third-party images have them; numbers of the geometry are text there. */
export type ForeignManifest = Omit<NetwareManifest, 'paths' | 'files'> & {
  files: { name: string; sha256: string }[];
};

/** Unpacks a third-party image set into `folder`: the paths of its disks, and its manifest. */
export function foreignImage(folder: string, name: string): { paths: string[]; manifest: ForeignManifest } {
  const manifest: ForeignManifest = JSON.parse(readFileSync(join(fixtures, `${name}.manifest.json`), 'utf8'));
  const paths = manifest.files.map((file) => {
    const path = join(folder, file.name);
    execFileSync('zstd', ['-q', '-d', '--long=27', join(fixtures, `${file.name}.zst`), '-o', path]);
    const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
    if (digest !== file.sha256) throw new Error(`${file.name} is not the image of its manifest`);
    return path;
  });
  return { paths, manifest };
}

/** An NSS disk of util-linux's test data: what must not be taken for a NetWare 386 disk. */
export const nssImage = join(fixtures, 'nss-not-nwfs.img.xz');

/** What the maker of a foreign image says of its own checks, not of the disk. */
const notOnDisk = new Set(['verified_against_source_data', 'present', 'segments_ok', 'fat_mirror_ok']);

/** Places where `found` lacks or contradicts what `wanted` says; what only `found` says is left alone. */
export function differences(wanted: unknown, found: unknown, where = ''): string[] {
  if (Array.isArray(wanted) && Array.isArray(found)) {
    if (wanted.length !== found.length) return [`${where}: ${found.length} instead of ${wanted.length}`];
    return wanted.flatMap((value, i) => differences(value, found[i], `${where}[${i}]`));
  }
  if (isObject(wanted) && isObject(found)) {
    return Object.entries(wanted)
      .filter(([key]) => !notOnDisk.has(key))
      .flatMap(([key, value]) => differences(value, found[key], `${where}.${key}`));
  }
  const same = wanted === found || (where.includes('.geometry.') && String(wanted) === String(found));
  return same ? [] : [`${where}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where the reader's output is not what the manifest says: every volume, entry and partition. */
export function unlike(
  manifest: Pick<NetwareManifest, 'volumes' | 'partitions'>,
  output: ReaderOutput,
): string[] {
  const names = Object.keys(manifest.volumes).toSorted();
  return [
    ...differences(names, Object.keys(output.volumes).toSorted(), 'volumes'),
    ...differences(manifest.partitions, output.partitions, 'partitions'),
    ...names.flatMap((name) => {
      const { entries, ...rest } = manifest.volumes[name]!;
      const found = output.volumes[name];
      const sorted = entries.toSorted((a, b) => a.dirno - b.dirno);
      return [...differences(rest, found, name), ...differences(sorted, found?.entries, `${name}.entries`)];
    }),
  ];
}
