import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { memoryDisk, type BlockDevice } from '../../../src/disk/index.ts';
import { readTable } from '../../../src/layout/index.ts';
import type { NetwareDisk } from '../../../src/layout/netware/index.ts';

const folder = join(import.meta.dirname, '../../fixtures/netware');

const manifestSchema = z.object({
  files: z.array(z.object({ name: z.string(), zst: z.string() })),
  volumes: z.record(z.string(), z.object({ geometry: z.record(z.string(), z.string()) })),
  partitions: z.array(
    z.object({
      disk: z.string(),
      start_lba: z.number(),
      sectors: z.number(),
      hotfix_sectors: z.number(),
      data_sectors: z.number(),
      redirections: z.array(z.object({ logical_sector: z.number(), moved_to_partition_sector: z.number() })),
      mirror_members: z.array(z.string()),
      vdt: z.array(z.record(z.string(), z.union([z.string(), z.number()]))),
    }),
  ),
});

/** The facts of a manifest about partitions, as another implementation sees them. */
export type Manifest = z.infer<typeof manifestSchema>;

export const imageNames = [
  'a-basic4k',
  'b-suballoc64k',
  'c-segments',
  'd-deleted',
  'e-long',
  'f-hotfix',
] as const;

/** The manifest of an image. */
export function manifestOf(name: string): Manifest {
  return manifestSchema.parse(JSON.parse(readFileSync(join(folder, `${name}.manifest.json`), 'utf8')));
}

/** The bytes of a packed image file; needs zstd. */
export function unpacked(file: string): Buffer {
  return execFileSync('zstd', ['-q', '-d', '--long=27', '-c', join(folder, file)], { maxBuffer: 2 ** 27 });
}

/** The NSS superblock of util-linux's test data; needs xz. */
export function nssImage(): Buffer {
  return execFileSync('xz', ['-d', '-c', join(folder, 'nss-not-nwfs.img.xz')]);
}

/** A disk in memory with these bytes; runs of zeros take no room. */
export async function diskOf(bytes: Buffer, name: string): Promise<BlockDevice> {
  const disk = memoryDisk(bytes.length, { name });
  const step = 65536;
  const zeros = Buffer.alloc(step);
  for (let at = 0; at < bytes.length; at += step) {
    const chunk = bytes.subarray(at, at + step);
    if (!chunk.equals(zeros.subarray(0, chunk.length))) await disk.write(chunk, at);
  }
  return disk;
}

/** The disks of an image, ready to be read. */
export async function disksOf(name: string): Promise<NetwareDisk[]> {
  const disks: NetwareDisk[] = [];
  for (const file of manifestOf(name).files) {
    const device = await diskOf(unpacked(file.zst), file.name);
    disks.push({ id: file.name, device, table: (await readTable(device)).table });
  }
  return disks;
}
