import { hash } from 'node:crypto';
import {
  GroupIndex,
  indexOfMap,
  type SetHead,
  type SetReader,
  type VolumeMap,
} from '../../src/archive/index.ts';
import { normalize, type Extent } from '../../src/bytes/index.ts';
import { identityOfMemory } from './targets.ts';
import { memoryDisk, type BlockDevice } from '../../src/disk/index.ts';
import { RemetalError } from '../../src/errors/index.ts';
import {
  fitTable,
  readTable,
  tableWrites,
  volumesOf,
  type FilesystemFacts,
  type GptTable,
  type Layout,
  type Table,
} from '../../src/layout/index.ts';

/** Bytes that differ from sector to sector and from seed to seed, the same each time. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2_654_435_761 + 12_345) >>> 0;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** A GPT with partitions of these sectors, one behind the other from sector 2048 (of 512) on. */
export function gpt(lengths: readonly number[], types: readonly string[] = []): GptTable {
  let start = 256;
  return {
    kind: 'gpt',
    diskGuid: '11111111-2222-4333-8444-555555555555',
    entryCount: 128,
    entrySize: 128,
    firstUsable: 34,
    lastUsable: 0,
    partitions: lengths.map((length, index) => {
      const partition = {
        number: index + 1,
        start,
        length,
        type: types[index] ?? '0fc63daf-8483-4772-8e79-3d69d8477de4',
        guid: `aaaaaaaa-0000-4000-8000-00000000000${index}`,
        name: `volume ${index + 1}`,
        attributes: '0000000000000000',
      };
      start += length;
      return partition;
    }),
    protectiveMbr: '00'.repeat(64) + '55aa',
  };
}

export interface MadeDisk {
  readonly size: number;
  readonly sectorSize: number;
  readonly table: Table;
}

/** A disk in memory with a table and nothing else. */
export async function partitioned({ size, sectorSize, table }: MadeDisk): Promise<BlockDevice> {
  const disk = memoryDisk(size, { sectorSize });
  for (const { offset, bytes } of tableWrites(fitTable(table, { size, sectorSize }), { size, sectorSize })) {
    const from = Math.floor(offset / sectorSize) * sectorSize;
    const whole = Buffer.alloc(Math.ceil((offset - from + bytes.length) / sectorSize) * sectorSize);
    await disk.read(whole, from);
    bytes.copy(whole, offset - from);
    await disk.write(whole, from);
  }
  return disk;
}

export interface VolumeContent {
  readonly control?: readonly Extent[];
  readonly data?: readonly Extent[];
  readonly zero?: readonly Extent[];
  readonly filesystem?: FilesystemFacts;
}

export interface MadeSet {
  readonly source: BlockDevice;
  readonly head: SetHead;
  readonly layout: Layout;
  readonly maps: readonly VolumeMap[];
  /** A reader over the source; these groups (`volume:index`) are damaged. */
  reader(damaged?: readonly string[]): SetReader;
}

/** A set of one disk as a reader shows it, read straight from the disk. */
export async function setOf(
  source: BlockDevice,
  contents: Readonly<Record<string, VolumeContent>>,
  groupSize = 16_384,
): Promise<MadeSet> {
  const { table } = await readTable(source);
  const volumes = volumesOf(table, 'disk1', source).map((volume) => ({
    ...volume,
    filesystem: contents[volume.id]?.filesystem ?? null,
  }));
  const layout: Layout = {
    version: 1,
    machine: { hostname: 'web1', firmware: null, vendor: null, product: null, serial: null },
    disks: [{ id: 'disk1', identity: identityOfMemory(source, 'source'), table }],
    volumes,
  };
  const head: SetHead = {
    format: 1,
    setId: '6f1f8d0e-1d6b-4b5d-9a55-0d8a3c1c9b11',
    name: 'web1',
    createdAt: '2031-02-03T04:05:06Z',
    kind: 'full',
    chain: [],
    maps: 'first',
    encryption: null,
    software: 'test',
    note: '',
  };
  const maps = volumes.map((volume): VolumeMap => {
    const size = volume.segments.reduce((sum, segment) => sum + segment.length, 0) * source.sectorSize;
    const content = contents[volume.id];
    return {
      volume: volume.id,
      size,
      blockSize: source.sectorSize,
      groupSize,
      control: normalize(content?.control ?? []),
      data: normalize(content?.data ?? (content === undefined ? [{ start: 0, length: size }] : [])),
      zero: normalize(content?.zero ?? []),
    };
  });
  const volumeBytes = new Map<string, Buffer>();
  for (const { id, segments } of volumes) {
    const pieces: Buffer[] = [];
    for (const { start, length } of segments) {
      const bytes = Buffer.alloc(length * source.sectorSize);
      await source.read(bytes, start * source.sectorSize);
      pieces.push(bytes);
    }
    volumeBytes.set(id, Buffer.concat(pieces));
  }
  const readVolume = (id: string, extents: readonly Extent[]): Buffer =>
    Buffer.concat(extents.map(({ start, length }) => volumeBytes.get(id)!.subarray(start, start + length)));
  const indexOf = (volume: string): GroupIndex => new GroupIndex(maps.find((map) => map.volume === volume)!);
  const reader = (damaged: readonly string[] = []): SetReader => ({
    name: 'web1',
    head,
    layout,
    maps: new Map(maps.map((map) => [map.volume, map])),
    index: (id) =>
      indexOfMap(
        maps.find(({ volume }) => volume === id)!,
        0,
      ),
    totals: null,
    digest: null,
    problems: [],
    async *groups(volume, { from = 0, to, onDamage }) {
      const index = indexOf(volume);
      for (let group = from; group < (to ?? index.groupCount); group++) {
        const extents = index.groupExtents(group);
        const plain = readVolume(volume, extents);
        const zero = plain.every((byte) => byte === 0);
        const hit = damaged.includes(`${volume}:${group}`);
        const damage = hit ? new RemetalError('record-damaged', `Record ${group} is damaged`) : null;
        if (damage !== null && onDamage === 'stop') throw damage;
        const bytes = zero || hit ? null : plain;
        yield { index: group, extents, plain: bytes, zero: zero && !hit, damage, unreadable: [] };
      }
    },
    async *sums() {},
    link: () => Promise.resolve({ setId: head.setId, digest: '', name: head.name }),
    async *checksums(volume) {
      const index = indexOf(volume);
      for (let group = 0; group < index.groupCount; group++) {
        const plain = readVolume(volume, index.groupExtents(group));
        yield { index: group, digest: hash('sha256', plain, 'buffer').subarray(0, 16) };
      }
    },
    close: () => Promise.resolve(),
  });
  return { source, head, layout, maps, reader };
}
