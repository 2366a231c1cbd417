import { z } from 'zod';
import type { Extent } from '../bytes/extents.ts';
import type { EarlierRuns } from './earlier-runs.ts';

/** The most sets one may point into. */
export const maxChain = 1000;

/** An earlier set that an incremental one points into. */
const chainLinkSchema = z.object({
  setId: z.uuid(),
  /** Of its end record. */
  digest: z.string(),
  /** What it was called on its medium. */
  name: z.string(),
});
export type ChainLink = z.infer<typeof chainLinkSchema>;

/** The identity of a set: the first record after a part's label. */
export const setHeadSchema = z.object({
  format: z.literal(1),
  setId: z.uuid(),
  /** What a person calls the machine: the host name unless told otherwise. */
  name: z.string(),
  /** ISO 8601, UTC. */
  createdAt: z.string(),
  kind: z.enum(['full', 'incremental']),
  /** The sets an incremental points into, oldest first; empty for a full set. */
  chain: z.array(chainLinkSchema).max(maxChain),
  /** Where the block maps stand: before the data, or (incremental by checksum) after it. */
  maps: z.enum(['first', 'last']),
  /** Reserved by format 1 and null until encryption is used; a reader without the key refuses. */
  encryption: z.object({ scheme: z.string() }).loose().nullable(),
  software: z.string(),
  /** A line from the person who made it. */
  note: z.string(),
});
export type SetHead = z.infer<typeof setHeadSchema>;

/**
 * Which bytes of a volume a set holds and in which records. The used bytes are two streams, the
 * control set and then the rest in ascending order, each cut into groups of `groupSize` plain bytes
 * (the last of each stream shorter). Group `i` is the record `firstOrdinal + i` of a full set.
 */
export interface VolumeMap {
  /** Volume id of the layout record. */
  readonly volume: string;
  /** Bytes of the volume. */
  readonly size: number;
  /** The grid all extents stand on, bytes. */
  readonly blockSize: number;
  /** Plain bytes of a full group; a multiple of `blockSize`. */
  readonly groupSize: number;
  /** Byte extents of the control set. */
  readonly control: readonly Extent[];
  /** Byte extents of everything else that is kept; shares no byte with `control`. */
  readonly data: readonly Extent[];
  /**
   * Byte extents in use and known to be zeros without having been read (the holes of an image file);
   * shares no byte with the other two and is in no group. A restore makes them read as zeros; what is
   * in none of the three lists is free and may hold anything. Absent means none.
   */
  readonly zero?: readonly Extent[];
  /** Of an incremental set: what is kept and lies in earlier sets. Shares no byte with the others. Absent means nothing. */
  readonly earlier?: EarlierRuns;
}

/** Something a backup left out of a volume, and why. */
export const leftOutSchema = z.object({
  volume: z.string().nullable(),
  bytes: z.number().int().nonnegative(),
  reason: z.enum(['free', 'swap-contents', 'holes', 'unallocated', 'unreadable']),
  detail: z.string(),
});
export type LeftOut = z.infer<typeof leftOutSchema>;

/** What stands at the end of a complete set. */
export const setTotalsSchema = z.object({
  volumes: z.array(
    z.object({
      volume: z.string(),
      size: z.number().int().nonnegative(),
      /** Plain bytes in records. */
      kept: z.number().int().nonnegative(),
      /** Of these, bytes of zeros. */
      zero: z.number().int().nonnegative(),
      /** Bytes on the medium. */
      stored: z.number().int().nonnegative(),
      groups: z.number().int().nonnegative(),
      /** Plain bytes that lie in earlier sets. */
      earlier: z.number().int().nonnegative().optional(),
      /** Null when the file system's used map was trusted or there is none; else why all sectors were taken. */
      wholeBecause: z.string().nullable(),
      /** How the control set was found: by our own knowledge of the format, or by watching a walk; absent in early sets. */
      control: z
        .object({ by: z.enum(['format', 'observation', 'none']), bytes: z.number().int().nonnegative() })
        .optional(),
      /** Byte extents of the volume that could not be read and were stored as zeros. */
      unreadable: z.array(z.object({ start: z.number().int(), length: z.number().int() })),
    }),
  ),
  leftOut: z.array(leftOutSchema),
  records: z.number().int().nonnegative(),
  startedAt: z.string(),
  finishedAt: z.string(),
  notices: z.array(z.object({ code: z.string(), message: z.string() })),
});
export type SetTotals = z.infer<typeof setTotalsSchema>;
