import { z } from 'zod';

/*
 * What a plan says of NetWare. A target's data partitions are described as they will be; the bytes of
 * their structures follow from that and are pinned by the steps that write them.
 */
const u32 = z.number().int().min(0).max(0xffff_ffff);
const byte = z.number().int().min(0).max(0xff);
const some = z.number().int().positive().max(Number.MAX_SAFE_INTEGER);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const run = z.strictObject({ start: z.number().int().nonnegative(), count: some });

/** A segment as an entry of a volume table. */
export const planSegmentSchema = z.strictObject({
  name: z.string(),
  sync: u32,
  blockShift: byte,
  segments: byte,
  position: byte,
  flags: byte,
  /** Logical sector. */
  start: u32,
  sectors: u32,
  blocks: u32,
  firstBlock: u32,
  firstFat: u32,
  mirrorFat: u32,
  firstDirectory: u32,
  mirrorDirectory: u32,
});

/** A NetWare data partition that is made on a target. */
export const planDataPartitionSchema = z.strictObject({
  /** Number in the partition table the target gets. */
  partition: some,
  /** Sectors of the disk. */
  start: some,
  sectors: some,
  id: u32,
  group: u32,
  /** Date and time of its stamp; null where it gets none. */
  created: u32.nullable(),
  hotfixSectors: u32,
  segments: z.array(planSegmentSchema),
});
export type PlanDataPartition = z.infer<typeof planDataPartitionSchema>;

/** Structures of a data partition: its hotfix area with an empty volume table, or later the volume table with its segments. */
export const netwareStepSchema = z.strictObject({
  kind: z.literal('netware'),
  disk: z.string(),
  partition: some,
  part: z.enum(['hotfix-area', 'volume-table']),
  /** First and last of the ranges, as one run. */
  start: z.number().int().nonnegative(),
  count: some,
  ranges: z.array(run).min(1),
  what: z.string(),
  /** Over offset and bytes of every write: `netwareWritesDigest`. */
  digest,
});
export type NetwareStep = z.infer<typeof netwareStepSchema>;

/** The FAT of a NetWare volume that has more blocks than it was imaged with is made to speak for them. */
export const extendStepSchema = z.strictObject({
  kind: z.literal('extend'),
  volume: z.string(),
  name: z.string(),
  oldBlocks: some,
  blocks: some,
  /** Where the volume lies, in order. */
  segments: z.array(z.strictObject({ disk: z.string(), start: some, count: some })).min(1),
});
export type ExtendStep = z.infer<typeof extendStepSchema>;

/** The deleted files of a NetWare volume, whose contents the set does not hold, are purged. */
export const purgeStepSchema = z.strictObject({
  kind: z.literal('purge'),
  volume: z.string(),
  name: z.string(),
  /** Where the volume lies, in order. */
  segments: z.array(z.strictObject({ disk: z.string(), start: some, count: some })).min(1),
});
export type PurgeStep = z.infer<typeof purgeStepSchema>;
