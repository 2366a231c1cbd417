import {
  createSet,
  GroupIndex,
  openSet,
  type SetHead,
  type SetTotals,
  type Since,
  type VolumeMap,
} from '../../src/archive/index.ts';
import { intersect, type Extent } from '../../src/bytes/index.ts';
import type { Layout } from '../../src/layout/layout.ts';
import type { Medium } from '../../src/medium/index.ts';
import { silent } from '../../src/progress/index.ts';

/** A head for tests; every set made with the same `seed` has the same id. */
export function testHead(seed = 1): SetHead {
  return {
    format: 1,
    setId: `00000000-0000-4000-8000-${String(seed).padStart(12, '0')}`,
    name: 'web1',
    createdAt: '2026-11-22T10:00:00.000Z',
    kind: 'full',
    chain: [],
    maps: 'first',
    encryption: null,
    software: 'remetal test',
    note: '',
  };
}

/** A layout of one disk with these volumes. */
export function testLayout(...volumes: readonly string[]): Layout {
  const identity = { path: '/disk.raw', size: 2 ** 30, sectorSize: 512, physicalSectorSize: 512 };
  const unknown = { model: null, serial: null, wwn: null, transport: 'file', removable: false };
  return {
    version: 1,
    machine: { hostname: 'web1', firmware: null, vendor: null, product: null, serial: null },
    disks: [{ id: 'disk1', identity: { ...identity, ...unknown }, table: { kind: 'none' } }],
    volumes: volumes.map((id) => ({
      id,
      name: id,
      kind: 'whole',
      segments: [{ disk: 'disk1', start: 0, length: 1000 }],
      partition: null,
      filesystem: null,
    })),
  };
}

function withKinds(layout: Layout, kinds: NonNullable<WriteOptions['kinds']>): Layout {
  const volumes = layout.volumes.map((volume) => ({ ...volume, kind: kinds[volume.id] ?? volume.kind }));
  return { ...layout, volumes };
}

/** Bytes that look like a disk's: runs of text, runs of zeros, runs that do not shrink. The same for the same seed. */
export function diskBytes(size: number, seed = 1): Buffer {
  const out = Buffer.alloc(size);
  let state = seed * 2654435761;
  const run = size > 512 * 1024 ? 131072 : 4096;
  for (let at = 0; at < size; at += run) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const block = out.subarray(at, at + run);
    const sort = state >>> 30;
    if (sort === 1) block.fill(`block ${at} of a volume\n`);
    if (sort < 2) continue;
    for (let i = 0; i < block.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      block[i] = sort === 2 ? state >>> 24 : 0x61 + ((state >>> 24) & 3);
    }
  }
  return out;
}

export interface TestVolume {
  readonly map: VolumeMap;
  readonly bytes: Buffer;
}

/** A volume of some groups with a control set, a hole and a short last group. */
export function testVolume(volume = 'disk1.whole', seed = 1, groups = 6): TestVolume {
  const size = 4096 * (16 * groups + 20);
  const map: VolumeMap = {
    volume,
    size,
    blockSize: 4096,
    groupSize: 65536,
    control: [
      { start: 4096, length: 8192 },
      { start: 65536, length: 4096 },
    ],
    data: [
      { start: 0, length: 4096 },
      { start: 81920, length: size - 81920 - 8192 },
    ],
  };
  return { map, bytes: diskBytes(size, seed) };
}

/** The bytes of one group, cut out of a volume. */
export function groupBytes(volume: TestVolume, index: GroupIndex, i: number): Buffer {
  return Buffer.concat(
    index.groupExtents(i).map(({ start, length }) => volume.bytes.subarray(start, start + length)),
  );
}

export interface WriteOptions {
  readonly name?: string;
  readonly head?: SetHead;
  readonly level?: number;
  /** Kinds of volumes by id; `whole` for the others. */
  readonly kinds?: Readonly<Record<string, 'boot' | 'whole'>>;
  /** The set this one builds on; its head becomes that of an incremental set. */
  readonly since?: Since;
  /** Byte extents by volume that could not be read. */
  readonly unreadable?: Readonly<Record<string, readonly Extent[]>>;
}

/** Writes a set of these volumes. */
export async function writeSet(
  medium: Medium,
  volumes: readonly TestVolume[],
  options: WriteOptions = {},
): Promise<SetTotals> {
  const { since } = options;
  const chained = since === undefined ? {} : ({ kind: 'incremental', maps: 'last' } as const);
  const writer = await createSet(medium, {
    head: {
      ...(options.head ?? testHead()),
      ...chained,
      ...(since === undefined ? {} : { chain: [...since.chain] }),
    },
    ...(since === undefined ? {} : { since }),
    layout: withKinds(testLayout(...volumes.map(({ map }) => map.volume)), options.kinds ?? {}),
    maps: volumes.map(({ map }) => map),
    level: options.level ?? 1,
    name: options.name ?? 'set',
  });
  try {
    for (const volume of volumes) {
      await writer.beginVolume(volume.map);
      const index = new GroupIndex(volume.map);
      for (let i = 0; i < index.groupCount; i++) {
        const unreadable = intersect(index.groupExtents(i), options.unreadable?.[volume.map.volume] ?? []);
        await writer.group(groupBytes(volume, index, i), unreadable.length === 0 ? {} : { unreadable });
      }
    }
    return await writer.finish({
      wholeBecause: {},
      leftOut: [],
      startedAt: '2026-11-22T10:00:00.000Z',
      finishedAt: '2026-11-22T10:01:00.000Z',
      notices: [],
    });
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** What a set gives back of a volume: unkept bytes are zero. Damaged groups are listed. */
export async function readVolume(
  medium: Medium,
  volume: string,
  options: { readonly name?: string; readonly salvage?: boolean; readonly onDamage?: 'stop' | 'report' } = {},
): Promise<{ bytes: Buffer; damaged: { index: number; code: string }[]; problems: string[] }> {
  const reader = await openSet(medium, options.name ?? 'set', { salvage: options.salvage ?? false });
  try {
    const map = reader.maps.get(volume);
    const bytes = Buffer.alloc(map?.size ?? 0);
    const damaged: { index: number; code: string }[] = [];
    for await (const group of reader.groups(volume, { onDamage: options.onDamage ?? 'stop' })) {
      if (group.damage !== null) damaged.push({ index: group.index, code: group.damage.code });
      let at = 0;
      for (const { start, length } of group.extents) {
        group.plain?.copy(bytes, start, at, at + length);
        at += length;
      }
    }
    return { bytes, damaged, problems: reader.problems.map(({ code }) => code) };
  } finally {
    await reader.close();
  }
}

/** What a set should give back of a volume. */
export function keptBytes({ map, bytes }: TestVolume): Buffer {
  const out = Buffer.alloc(map.size);
  for (const { start, length } of [...map.control, ...map.data])
    bytes.copy(out, start, start, start + length);
  return out;
}

export const quiet = { reporter: silent };
