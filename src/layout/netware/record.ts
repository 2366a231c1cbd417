import { z } from 'zod';
import { largestBlockShift, mostSegmentsOfVolume, smallestBlockShift } from './places.ts';

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
