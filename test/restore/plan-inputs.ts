import fc from 'fast-check';
import type { VolumeMap } from '../../src/archive/set.ts';
import { normalize, type Extent } from '../../src/bytes/index.ts';
import type { DiskIdentity } from '../../src/disk/index.ts';
import { volumesOf, type DiskLayout, type Table, type Volume } from '../../src/layout/index.ts';
import type { PlanInput, TargetDisk } from '../../src/restore/request.ts';
import { wishesSchema, type Wishes } from '../../src/restore/wishes.ts';
import { anyTable } from '../layout/tables.ts';

export function identity(facts: Partial<DiskIdentity> & { size: number }): DiskIdentity {
  return {
    path: '/dev/sdx',
    sectorSize: 512,
    physicalSectorSize: 512,
    model: 'Disk',
    serial: 'S1',
    wwn: null,
    transport: 'sata',
    removable: false,
    ...facts,
  };
}

export function target(
  facts: Partial<DiskIdentity> & { size: number },
  more: Partial<Omit<TargetDisk, 'identity'>> = {},
): TargetDisk {
  const about = identity(facts);
  return { identity: about, paths: [about.path], holds: [], reserved: null, ...more };
}

/** A file system of a type that fills a volume. */
export function filesystem(type: string, size: number, label: string | null = null): Volume['filesystem'] {
  return { type, uuid: null, label, size, blockSize: 4096 };
}

export function mapOf(volume: Volume, sectorSize: number, data: readonly Extent[] = []): VolumeMap {
  const size = volume.segments.reduce((sum, segment) => sum + segment.length * sectorSize, 0);
  return { volume: volume.id, size, blockSize: sectorSize, groupSize: 1024 * 1024, control: [], data };
}

export interface SourceFacts {
  readonly table: Table;
  readonly size: number;
  readonly sectorSize?: number;
  /** File system types by volume id. */
  readonly types?: Readonly<Record<string, string>>;
  readonly data?: Readonly<Record<string, readonly Extent[]>>;
  readonly targets: readonly TargetDisk[];
  readonly wishes?: Partial<Wishes>;
  readonly firmware?: PlanInput['firmware'];
}

/** The planner's input for a set of one disk. */
export function inputOf(facts: SourceFacts): PlanInput {
  const sectorSize = facts.sectorSize ?? 512;
  const disk: DiskLayout = {
    id: 'disk1',
    identity: identity({ size: facts.size, sectorSize, serial: 'OLD' }),
    table: facts.table,
  };
  const volumes = volumesOf(facts.table, disk.id, { size: facts.size, sectorSize }).map((volume) => {
    const type = facts.types?.[volume.id];
    const size = volume.segments[0]!.length * sectorSize;
    return type === undefined ? volume : { ...volume, filesystem: filesystem(type, size) };
  });
  return {
    head: {
      format: 1,
      setId: '0b0e8e1c-6f43-4d0a-9f5e-3f0f6b1f7c11',
      name: 'web1',
      createdAt: '2026-11-22T10:00:00.000Z',
      kind: 'full',
      chain: [],
      maps: 'first',
      encryption: null,
      software: 'test',
      note: '',
    },
    layout: {
      version: 1,
      machine: { hostname: 'web1', firmware: 'bios', vendor: null, product: null, serial: null },
      disks: [disk],
      volumes,
    },
    maps: volumes.map((volume) => mapOf(volume, sectorSize, facts.data?.[volume.id])),
    candidates: facts.targets,
    wishes: wishesSchema.parse({ targets: { disk1: { only: true } }, ...facts.wishes }),
    firmware: facts.firmware ?? null,
  };
}

const types = ['ext4', 'xfs', 'swap', 'fat32', 'ntfs', ''];

/** Any input of one disk: a sound table, file systems and maps of every kind, a target of at least the same size. */
export const anyInput: fc.Arbitrary<PlanInput> = fc
  .record({
    source: anyTable,
    room: fc.oneof(fc.constant(0), fc.nat(40_000)),
    types: fc.array(fc.constantFrom(...types), { minLength: 14, maxLength: 14 }),
    extents: fc.array(
      fc.array(fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 1000 })), { maxLength: 12 }),
      {
        minLength: 14,
        maxLength: 14,
      },
    ),
    cut: fc.nat(6),
    firmware: fc.constantFrom('bios' as const, 'uefi' as const, null),
  })
  .map(({ source, room, types: kinds, extents, cut, firmware }) => {
    const { table, geometry } = source;
    const { sectorSize } = geometry;
    const volumes = volumesOf(table, 'disk1', geometry);
    const input = inputOf({
      table,
      ...geometry,
      types: Object.fromEntries(
        volumes
          .map((volume, index) => [volume.id, volume.kind === 'boot' ? '' : kinds[index % 14]!])
          .filter(([, type]) => type !== ''),
      ),
      targets: [target({ size: geometry.size + room * sectorSize, sectorSize })],
      firmware,
    });
    const maps = input.maps.map((map, index) => {
      const sectors = map.size / sectorSize;
      const all = normalize(
        extents[index % 14]!.map(([start, length]) => {
          const from = Math.floor((start / 1000) * sectors);
          return { start: from, length: Math.min(sectors - from, length) };
        }),
      ).map(({ start, length }) => ({ start: start * sectorSize, length: length * sectorSize }));
      return { ...map, control: all.slice(0, cut), data: all.slice(cut) };
    });
    return { ...input, maps };
  });
