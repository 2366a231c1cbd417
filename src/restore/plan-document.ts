import { createHash } from 'node:crypto';
import { z } from 'zod';
import { restOf } from '../archive/index.ts';
import type { VolumeMap } from '../archive/set.ts';
import { canonicalJson } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { tableSchema } from '../layout/layout.ts';
import {
  extendStepSchema,
  netwareStepSchema,
  planDataPartitionSchema,
  purgeStepSchema,
} from './plan-netware-document.ts';

/**
 * The plan: every write a restore will do, in order. Starts and counts are logical sectors of the
 * target disk; disks go by their id in the set (`disk1`), `targets` says which disk that is.
 */
const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const some = count.min(1);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

/** A run of sectors of one target disk. */
export const sectorRunSchema = z.strictObject({ disk: z.string(), start: count, count: some });
export type SectorRun = z.infer<typeof sectorRunSchema>;

/** The disk a plan is pinned to. */
export const planTargetSchema = z.strictObject({
  /** Disk id of the set. */
  disk: z.string(),
  path: z.string(),
  serial: z.string().nullable(),
  wwn: z.string().nullable(),
  model: z.string().nullable(),
  /** Bytes. */
  size: some,
  sectorSize: some,
  /** What is on it and will be lost, in words; empty for a blank disk. */
  holds: z.array(z.string()),
  /** The partition table it gets. Its bytes are those of `tableWrites`, pinned by the table steps. */
  table: tableSchema,
  /** NetWare data partitions that are made on it, in order. */
  netware: z.array(planDataPartitionSchema).optional(),
});
export type PlanTarget = z.infer<typeof planTargetSchema>;

/** Zeros over both ends of a disk, and over those of a partition where no data step writes: no earlier contents stay in force or come back. */
export const wipeStepSchema = z.strictObject({
  kind: z.literal('wipe'),
  disk: z.string(),
  /** First and last of the ranges, as one run. */
  start: count,
  count: some,
  ranges: z.array(z.strictObject({ start: count, count: some })).min(1),
  what: z.string(),
});

const volumeFields = {
  /** Volume id of the set. */
  volume: z.string(),
  name: z.string(),
  filesystem: z.string().nullable(),
  /** Where the volume lies now, in order. */
  segments: z.array(sectorRunSchema).min(1),
  /** Bytes of the volume as it was imaged; the segments may have room for more. */
  size: some,
  /** Bytes that the set holds of it and that will be written. */
  bytes: count,
  /** Number of extents these bytes lie in. */
  extents: count,
  /** Pins these extents: `extentsDigest`. */
  digest,
};

/** The kept bytes of a volume, from the set. */
export const volumeStepSchema = z.strictObject({ kind: z.literal('volume'), ...volumeFields });

/** Boot code and the gap in front of the first partition. Comes after all data, because the journal may stand in the gap. */
export const bootStepSchema = z.strictObject({
  kind: z.literal('boot'),
  ...volumeFields,
  /** Bytes of the disk that are written as zeros here although the set holds something: the place of the partition table. */
  blank: z.array(z.strictObject({ offset: count, length: some })),
});

/** What a FAT that grows becomes. */
export const fatGrowthSchema = z.strictObject({
  type: z.enum(['fat12', 'fat16', 'fat32']),
  /** Bytes of a cluster. */
  blockSize: some,
  /** Bytes the file system takes; the partition may have a rest. */
  size: some,
  /** It may become FAT32 although its boot code is not of that kind. */
  fat32: z.boolean(),
  /** Sectors in front of it, written into its boot sector; null leaves what is there. */
  hidden: count.nullable(),
  /** Written into its boot sector; null leaves what is there. */
  geometry: z.strictObject({ heads: some, sectorsPerTrack: some }).nullable(),
});
export type FatGrowth = z.infer<typeof fatGrowthSchema>;

/** A file system is made to fill its larger partition. */
export const growStepSchema = z.strictObject({
  kind: z.literal('grow'),
  volume: z.string(),
  name: z.string(),
  filesystem: z.string(),
  by: z.enum(['resize2fs', 'xfs_growfs', 'header', 'fat']),
  disk: z.string(),
  start: count,
  /** Sectors it has now. */
  count: some,
  /** Sectors it had. */
  oldCount: some,
  /** Where it is a FAT. */
  fat: fatGrowthSchema.optional(),
});

/** Bytes of the partition table: member of `tableWrites(target.table, target)` with this offset. */
export const tableStepSchema = z.strictObject({
  kind: z.literal('table'),
  disk: z.string(),
  /** The sectors touched; in sector 0 only the bytes given. */
  start: count,
  count: some,
  what: z.string(),
  /** Bytes from the start of the disk. */
  offset: count,
  length: some,
  digest,
});

/** The EFI system partition is made bootable on a machine that knows nothing of it. */
export const efiStepSchema = z.strictObject({
  kind: z.literal('efi'),
  volume: z.string(),
  disk: z.string(),
  partition: some,
  start: count,
  count: some,
  /** Put a loader at the fallback path when there is none. */
  fallback: z.literal(true),
  /** Write a boot entry into the firmware. */
  bootEntry: z.boolean(),
});

/** Zeros over the journal's area; the last step. */
export const clearStepSchema = z.strictObject({
  kind: z.literal('clear'),
  disk: z.string(),
  start: count,
  count: some,
  what: z.string(),
});

export const planStepSchema = z.discriminatedUnion('kind', [
  wipeStepSchema,
  volumeStepSchema,
  growStepSchema,
  bootStepSchema,
  tableStepSchema,
  efiStepSchema,
  clearStepSchema,
  netwareStepSchema,
  extendStepSchema,
  purgeStepSchema,
]);
export type WipeStep = z.infer<typeof wipeStepSchema>;
export type VolumeStep = z.infer<typeof volumeStepSchema>;
export type BootStep = z.infer<typeof bootStepSchema>;
export type GrowStep = z.infer<typeof growStepSchema>;
export type TableStep = z.infer<typeof tableStepSchema>;
export type EfiStep = z.infer<typeof efiStepSchema>;
export type ClearStep = z.infer<typeof clearStepSchema>;
export type PlanStep = z.infer<typeof planStepSchema>;

export const planSchema = z.strictObject({
  version: z.literal(1),
  set: z.strictObject({ id: z.string(), name: z.string(), createdAt: z.string() }),
  targets: z.array(planTargetSchema).min(1),
  /** Where the journal is kept while the restore runs, at least 16 KiB, on a 4096-byte grid; null where there is no room. */
  journal: sectorRunSchema.nullable(),
  steps: z.array(planStepSchema),
  notices: z.array(
    z.strictObject({ level: z.enum(['info', 'warning']), code: z.string(), message: z.string() }),
  ),
  /** Bytes of volume data that will be written. */
  bytes: count,
  /** `planHash` of everything above. */
  hash: digest,
});
export type Plan = z.infer<typeof planSchema>;

/** SHA-256 of a value's canonical JSON, as `sha256:` and 64 hex digits. */
export function digestOf(value: unknown): string {
  return digestOfBytes(Buffer.from(canonicalJson(value)));
}

/** SHA-256 of bytes, as `sha256:` and 64 hex digits. */
export function digestOfBytes(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/**
 * The hash of a plan: over its canonical JSON without the member `hash`, what the targets hold, and the
 * paths of targets that have a serial number or WWN. The last two change from one start of the machine
 * to the next and while a restore runs; with them a restore that was cut off could never be found again.
 */
export function planHash(plan: Omit<Plan, 'hash'> & { readonly hash?: string }): string {
  const { hash: _hash, ...rest } = plan;
  const targets = rest.targets.map(({ holds: _holds, path, ...pinned }) =>
    pinned.serial === null && pinned.wwn === null ? { ...pinned, path } : pinned,
  );
  return digestOf({ ...rest, targets });
}

/**
 * What pins the extents of a volume: SHA-256 over the start and length of each, in bytes, as 64-bit
 * little-endian numbers, the control set first, then everything else, whichever set of a chain holds it.
 */
export function extentsDigest(map: Pick<VolumeMap, 'control' | 'data' | 'earlier'>): string {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(16 * 4096);
  let filled = 0;
  for (const list of [map.control, restOf(map)]) {
    for (const { start, length } of list) {
      chunk.writeBigUInt64LE(BigInt(start), filled);
      chunk.writeBigUInt64LE(BigInt(length), filled + 8);
      filled += 16;
      if (filled === chunk.length) {
        hash.update(chunk);
        filled = 0;
      }
    }
  }
  return `sha256:${hash.update(chunk.subarray(0, filled)).digest('hex')}`;
}

/**
 * Reads a plan document (parsed JSON).
 *
 * @throws `plan-unreadable` when it is of another version, does not follow the schema or its hash is
 *   not its own.
 */
export function parsePlan(json: unknown): Plan {
  const parsed = planSchema.safeParse(json);
  if (!parsed.success) {
    const issues = parsed.error.issues
      .slice(0, 5)
      .map((issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`);
    throw new RemetalError(
      'plan-unreadable',
      `The plan is not one this program knows: ${issues.join('; ')}`,
      {
        hint: 'Make it anew with remetal plan.',
        facts: { issues },
        cause: parsed.error,
      },
    );
  }
  const hash = planHash(parsed.data);
  if (hash !== parsed.data.hash) {
    throw new RemetalError(
      'plan-unreadable',
      'The plan was changed after it was made: its hash is not its own',
      {
        hint: 'Make it anew with remetal plan.',
        facts: { found: parsed.data.hash, computed: hash },
      },
    );
  }
  return parsed.data;
}
