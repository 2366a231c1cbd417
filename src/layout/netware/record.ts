import { z } from 'zod';
import { RemetalError } from '../../errors/index.ts';
import type { Netware } from './disks.ts';
import {
  largestBlockShift,
  mostSegmentsOfPartition,
  mostSegmentsOfVolume,
  smallestBlockShift,
} from './places.ts';
import type { NetwareVolume } from './volumes.ts';

/**
 * NetWare in the layout record: an optional member beside disks and volumes, so that a record without
 * it stays what it was. It describes what a restore has to make again, not the bytes of the structures:
 * redirections belong to the old disk and are kept only to be told.
 */
const u32 = z.number().int().min(0).max(0xffff_ffff);
const byte = z.number().int().min(0).max(0xff);

export const netwarePartitionSchema = z.object({
  disk: z.string(),
  /** Number of the partition in the table of its disk. */
  partition: z.number().int().positive(),
  /** Date and time of its stamp; null where it has none (3.x). */
  created: u32.nullable(),
  id: u32,
  hotfixSectors: u32,
  dataSectors: u32,
  /** Logical sector of the first copy of its volume table. */
  tablePlace: u32,
  /** Null where it is not mirrored. */
  mirror: z
    .object({
      group: u32,
      members: z.array(u32).max(8),
      inSync: z.boolean(),
      /** True for the member the data was read from. */
      leader: z.boolean(),
    })
    .nullable(),
  /** Units that had been moved to the hotfix area: logical sector, spare unit, bits of what was lost. */
  redirections: z.array(z.object({ logical: u32, spare: u32, lost: byte })),
});

export const netwareVolumeSchema = z.object({
  name: z.string().regex(/^[\u0021-\u007e\u0080-\u00ff]{1,15}$/u),
  blockShift: z.number().int().min(smallestBlockShift).max(largestBlockShift),
  blocks: u32,
  firstFat: u32,
  mirrorFat: u32,
  firstDirectory: u32,
  mirrorDirectory: u32,
  flags: byte,
  sync: u32,
  /** In order; `partition` is an index into the partitions of this record, `start` a logical sector there. */
  segments: z
    .array(z.object({ partition: u32, start: u32, sectors: u32, blocks: z.number().int().positive() }))
    .min(1)
    .max(mostSegmentsOfVolume),
  /**
   * `left-out` where the volume had deleted files and the set holds their records but not what only they
   * hold: a restore purges them. Absent in sets of older programs, which is `kept`.
   */
  deleted: z.enum(['kept', 'left-out']).optional(),
});

export const netwareSchema = z.object({
  partitions: z.array(netwarePartitionSchema),
  volumes: z.array(netwareVolumeSchema),
});

export type NetwarePartitionRecord = z.infer<typeof netwarePartitionSchema>;
export type NetwareVolumeRecord = z.infer<typeof netwareVolumeSchema>;
export type NetwareRecord = z.infer<typeof netwareSchema>;

/**
 * The record of what was read; what could not be read or put together is not in it.
 *
 * @param leftOut Volumes whose deleted files are not in the set.
 */
export function netwareRecord(
  netware: Pick<Netware, 'partitions' | 'groups' | 'volumes'>,
  leftOut: ReadonlySet<NetwareVolume> = new Set(),
): NetwareRecord {
  return {
    partitions: netware.partitions.map(({ disk, number, partition }, index) => {
      const { hotfix, mirror, redirections, stamp, tablePlace } = partition;
      const group = netware.groups.find(({ members }) =>
        members.some((member) => member.partition === index),
      );
      return {
        disk,
        partition: number,
        created: stamp?.created ?? null,
        id: hotfix.id,
        hotfixSectors: hotfix.hotfixSectors,
        dataSectors: hotfix.dataSectors,
        tablePlace,
        mirror:
          group === undefined || mirror === null
            ? null
            : {
                group: group.group,
                members: group.members.map(({ id }) => id),
                inSync: group.members.some((member) => member.partition === index && member.inSync),
                leader: group.used[0] === index,
              },
        redirections: redirections.moved.map(({ logical, spare, lost }) => ({ logical, spare, lost })),
      };
    }),
    volumes: netware.volumes.map((volume) => recordOf(volume, leftOut.has(volume))),
  };
}

function recordOf({ definition, segments }: NetwareVolume, leftOut: boolean): NetwareVolumeRecord {
  return {
    name: definition.name,
    blockShift: definition.blockShift,
    blocks: definition.blocks,
    firstFat: definition.firstFat,
    mirrorFat: definition.mirrorFat,
    firstDirectory: definition.firstDirectory,
    mirrorDirectory: definition.mirrorDirectory,
    flags: definition.flags,
    sync: definition.sync,
    segments: segments.map(({ partition, start, sectors, blocks }) => ({
      partition,
      start,
      sectors,
      blocks,
    })),
    ...(leftOut ? { deleted: 'left-out' } : {}),
  };
}

/**
 * The volumes of a record, as `readNetware` found them.
 *
 * @throws `layout-unknown` when a segment names a partition that is not in the record, the segments do
 *   not make up the volume, or a partition has more segments than it can.
 */
export function volumesOfRecord(record: NetwareRecord): NetwareVolume[] {
  const counts = record.partitions.map(() => 0);
  return record.volumes.map((volume) => {
    let firstBlock = 0;
    const segments = volume.segments.map(({ partition, start, sectors, blocks }) => {
      const count = counts[partition];
      if (count === undefined || count >= mostSegmentsOfPartition) {
        throw contradicting(volume.name, `a segment on partition ${partition + 1} of ${counts.length}`);
      }
      counts[partition] = count + 1;
      const segment = { partition, start, sectors, firstBlock, blocks };
      firstBlock += blocks;
      return segment;
    });
    if (firstBlock !== volume.blocks) {
      throw contradicting(volume.name, `${firstBlock} blocks in its segments and ${volume.blocks} in all`);
    }
    return {
      definition: {
        name: volume.name,
        blockShift: volume.blockShift,
        blocks: volume.blocks,
        firstFat: volume.firstFat,
        mirrorFat: volume.mirrorFat,
        firstDirectory: volume.firstDirectory,
        mirrorDirectory: volume.mirrorDirectory,
        segments: segments.map(({ firstBlock: first, blocks }) => ({ firstBlock: first, blocks })),
        flags: volume.flags,
        sync: volume.sync,
      },
      segments,
    };
  });
}

function contradicting(volume: string, what: string): RemetalError {
  return new RemetalError(
    'layout-unknown',
    `The layout record contradicts itself: NetWare volume ${volume} has ${what}`,
    {
      facts: { volume },
    },
  );
}
