import { createHash } from 'node:crypto';
import { sectorsOf, type DiskLayout, type Geometry, type Layout, type MbrTable } from '../layout/index.ts';
import { netwareType } from '../layout/netware/index.ts';
import { mbrLimit } from './plan-arrangement.ts';
import { openPartitions } from './plan-netware-arrangement.ts';
import type { Wishes } from './wishes.ts';

/** NetWare works on sectors of 512 bytes and no others. */
const sectorSize = 512;
/** Data partitions begin at 1 MiB, where they suit disks of every kind. */
const firstSector = 2048;

/**
 * Which disks NetWare does without and which it can have besides. A disk of the set that carries nothing
 * but data partitions needs no target of its own; a disk the set does not have (`disk3` of a set of two)
 * is named by a wish and gets a data partition. Pure.
 */
export function netwareDisks(
  layout: Layout,
  selected: ReadonlySet<string>,
  wishes: Wishes,
): { readonly optional: ReadonlySet<string>; readonly added: readonly DiskLayout[] } {
  const open = openPartitions(layout);
  const chosen = layout.volumes.some(({ id, kind }) => kind === 'netware' && selected.has(id));
  if (open.length === 0 || !chosen) return { optional: new Set(), added: [] };
  const optional = layout.disks.filter(
    ({ id }) =>
      wishes.targets[id] === undefined &&
      open.some(({ disk }) => disk === id) &&
      layout.volumes.every(
        ({ kind, segments }) =>
          kind === 'netware' || kind === 'boot' || segments.every(({ disk }) => disk !== id),
      ),
  );
  const added = Object.keys(wishes.targets)
    .filter((id) => /^disk[1-9]\d*$/.test(id) && !layout.disks.some((disk) => disk.id === id))
    .toSorted((a, b) => Number(a.slice(4)) - Number(b.slice(4)))
    .map((id): DiskLayout => ({ id, identity: nobody, table: { kind: 'none' } }));
  return { optional: new Set(optional.map(({ id }) => id)), added };
}

const nobody = {
  path: '',
  size: 0,
  sectorSize,
  physicalSectorSize: sectorSize,
  model: null,
  serial: null,
  wwn: null,
  transport: null,
  removable: false,
};

/** The table of a disk that holds nothing but a data partition. Its signature is made from `name`. */
export function dataDiskTable(geometry: Geometry, name: string): MbrTable {
  const usable = Math.min(sectorsOf(geometry), mbrLimit);
  return {
    kind: 'mbr',
    diskSignature: createHash('sha256').update(name).digest().readUInt32LE(0),
    partitions: [
      {
        number: 1,
        start: firstSector,
        length: Math.max(0, usable - firstSector),
        type: netwareType,
        active: false,
      },
    ],
  };
}
