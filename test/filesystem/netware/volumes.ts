import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { BlockDevice } from '../../../src/disk/index.ts';
import {
  openNetwareVolume,
  type NetwareFileSystem,
  type NetwareOptions,
} from '../../../src/filesystem/netware/index.ts';
import {
  logicalOf,
  readNetware,
  volumeDevice,
  volumeNamed,
  type VolumeDefinition,
} from '../../../src/layout/netware/index.ts';
import { disksOf, imageNames, manifestOf } from '../../layout/netware/images.ts';

const entrySchema = z.object({
  path: z.string(),
  dirno: z.number(),
  parent: z.number(),
  attributes: z.number(),
  flags: z.number(),
  type: z.enum(['file', 'dir']),
  deleted: z.boolean(),
  created: z.string().nullable(),
  modified: z.string().nullable(),
  archived: z.string().nullable(),
  owner: z.string(),
  modifier: z.string().optional(),
  size: z.number().optional(),
  first_block: z.number().optional(),
  sha256: z.string().optional(),
  last_access: z.string().nullable().optional(),
  names: z.record(z.string(), z.string()).optional(),
  deleted_date: z.string().optional(),
  deleter: z.string().optional(),
});
const manifestSchema = z.object({
  volumes: z.record(z.string(), z.object({ entries: z.array(entrySchema) })),
});

/** A file or directory as another implementation sees it. */
export type ManifestEntry = z.infer<typeof entrySchema>;

/** Every volume of every image: `['a-basic4k', 'SYS']`. */
export const volumesOfImages = imageNames.flatMap((image) =>
  Object.keys(manifestOf(image).volumes).map((volume) => [image, volume] as const),
);

export function entriesOf(image: string, volume: string): ManifestEntry[] {
  const path = join(import.meta.dirname, '../../fixtures/netware', `${image}.manifest.json`);
  const manifest = manifestSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  return manifest.volumes[volume]!.entries;
}

/** The blocks of a volume of an image, in memory, and what its table says of it. Needs zstd. */
export async function volumeOf(
  image: string,
  volume: string,
): Promise<{ device: BlockDevice; definition: VolumeDefinition }> {
  const netware = await readNetware(await disksOf(image));
  const found = volumeNamed(netware, volume);
  return {
    device: volumeDevice(found, (index) => logicalOf(netware, index)),
    definition: found.definition,
  };
}

/** All bytes of a volume of an image. */
export async function bytesOf(
  image: string,
  volume: string,
): Promise<{ bytes: Buffer; definition: VolumeDefinition }> {
  const { device, definition } = await volumeOf(image, volume);
  const bytes = Buffer.alloc(device.size);
  await device.read(bytes, 0);
  return { bytes, definition };
}

export async function opened(
  image: string,
  volume: string,
  options: NetwareOptions = {},
): Promise<NetwareFileSystem> {
  const { device, definition } = await volumeOf(image, volume);
  return await openNetwareVolume(device, definition, options);
}

/** Everything a generator gives. */
export async function all<T>(from: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of from) out.push(item);
  return out;
}
