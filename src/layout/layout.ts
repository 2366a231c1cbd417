import { z } from 'zod';
import { diskIdentitySchema } from '../disk/identity.ts';
import { netwareSchema } from './netware/record.ts';

/**
 * The layout record: the description of a machine's disks, partitions, layers and volumes, as a
 * tree, stored in every set. Starts and lengths are logical sectors of the disk they speak of.
 * Byte strings (boot code, GUIDs on disk) are lower-case hex or canonical GUID text.
 */
const sector = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const guid = z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
const hex = z.string().regex(/^([0-9a-f]{2})*$/);

/**
 * The bytes of a table's own structures as they stood on the source disk, for a target of the same size and
 * sector size; kept only when every sector was asked for. Bytes of the structures in no run were zeros.
 */
export const exactBytesSchema = z.object({
  /** Bytes of the source disk. */
  size: sector,
  sectorSize: z.number().int().positive(),
  /** Ascending, at most 4096 bytes each; offsets are bytes of the disk. */
  runs: z.array(z.object({ offset: sector, bytes: hex })),
});

export const gptPartitionSchema = z.object({
  number: z.number().int().positive(),
  start: sector,
  length: sector,
  type: guid,
  guid,
  name: z.string(),
  /** The 64 attribute bits, 16 hex digits, most significant first. */
  attributes: z.string().regex(/^[0-9a-f]{16}$/),
});

export const gptTableSchema = z.object({
  kind: z.literal('gpt'),
  diskGuid: guid,
  entryCount: z.number().int().positive(),
  entrySize: z.number().int().positive(),
  firstUsable: sector,
  lastUsable: sector,
  /** Sector of the primary copy's entries; absent means 2, where nearly every tool puts them. */
  entriesStart: sector.optional(),
  partitions: z.array(gptPartitionSchema),
  /** Partition records of the protective MBR (bytes 446 to 511 of sector 0), as they were. */
  protectiveMbr: hex,
  exact: exactBytesSchema.optional(),
});

export const mbrPartitionSchema = z.object({
  /** 1 to 4 primary, 5 and up logical, as Linux numbers them. */
  number: z.number().int().positive(),
  start: sector,
  length: sector,
  type: z.number().int().min(0).max(255),
  active: z.boolean(),
  /** For a logical partition: the sector of the extended boot record that names it. */
  ebr: sector.optional(),
  /** For a logical partition: bytes 0 to 445 of its extended boot record; absent where they are zeros. */
  ebrCode: hex.optional(),
});

export const mbrTableSchema = z.object({
  kind: z.literal('mbr'),
  /** The 32-bit disk signature at byte 440, as a number. */
  diskSignature: z.number().int().nonnegative(),
  partitions: z.array(mbrPartitionSchema),
  exact: exactBytesSchema.optional(),
});

export const tableSchema = z.discriminatedUnion('kind', [
  gptTableSchema,
  mbrTableSchema,
  /** No table: one file system, or nothing known, from the first sector on. */
  z.object({ kind: z.literal('none') }),
]);

export const diskLayoutSchema = z.object({
  /** `disk1`, `disk2`, in the order they were named to the backup. */
  id: z.string(),
  identity: diskIdentitySchema,
  table: tableSchema,
});

export const filesystemFactsSchema = z.object({
  /** `ext4`, `xfs`, `fat32`, `swap`, …; `unknown` where none was recognised. */
  type: z.string(),
  uuid: z.string().nullable(),
  label: z.string().nullable(),
  /** Bytes the file system claims; the volume may be larger. */
  size: z.number().int().nonnegative(),
  blockSize: z.number().int().positive(),
});

export const volumeSchema = z.object({
  /** Stable inside the set: `disk1.part2`, `disk1.boot`, `disk1.whole`, `disk1.gap1`, `netware.SYS`. */
  id: z.string(),
  /** What a person calls it: the file system label, else the partition name, else the id; unique. */
  name: z.string(),
  /**
   * `partition`, `whole` (a disk without a table), `boot` (the sectors before the first partition
   * and outside any table structure: boot code and the gap where a boot loader lives), `gap` (a run
   * of sectors in none of these and no table structure; only where every sector was asked for) or
   * `netware` (a volume of segments of NetWare data partitions).
   */
  kind: z.enum(['partition', 'whole', 'boot', 'gap', 'netware']),
  /**
   * In order; one member for a plain partition, several for volumes that span. Those of a `netware` volume
   * are where its sectors belong; units that were moved to the hotfix area lay elsewhere.
   */
  segments: z.array(z.object({ disk: z.string(), start: sector, length: sector })).min(1),
  partition: z.number().int().positive().nullable(),
  filesystem: filesystemFactsSchema.nullable(),
});

export const layoutSchema = z.object({
  version: z.literal(1),
  machine: z.object({
    hostname: z.string(),
    /** Firmware the machine was running under when it was imaged; this and the others null when imaged from elsewhere. */
    firmware: z.enum(['bios', 'uefi']).nullable(),
    vendor: z.string().nullable(),
    product: z.string().nullable(),
    serial: z.string().nullable(),
  }),
  disks: z.array(diskLayoutSchema).min(1),
  volumes: z.array(volumeSchema),
  /** Data partitions and volumes of NetWare, where there are any; their volumes are in `volumes` too. */
  netware: netwareSchema.optional(),
});

export type GptPartition = z.infer<typeof gptPartitionSchema>;
export type GptTable = z.infer<typeof gptTableSchema>;
export type MbrPartition = z.infer<typeof mbrPartitionSchema>;
export type MbrTable = z.infer<typeof mbrTableSchema>;
export type ExactBytes = z.infer<typeof exactBytesSchema>;
export type Table = z.infer<typeof tableSchema>;
export type DiskLayout = z.infer<typeof diskLayoutSchema>;
export type FilesystemFacts = z.infer<typeof filesystemFactsSchema>;
export type Volume = z.infer<typeof volumeSchema>;
export type Layout = z.infer<typeof layoutSchema>;
