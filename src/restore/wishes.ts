import { z } from 'zod';

/** How a target disk is recognised. Every field given must hold; kernel names are never compared. */
export const targetRuleSchema = z
  .strictObject({
    serial: z.string().optional(),
    wwn: z.string().optional(),
    /** A path that names one thing for good: an image file or a link under /dev/disk/by-*; a /dev/sdX is taken too when a person types it. */
    path: z.string().optional(),
    model: z.string().optional(),
    transport: z.string().optional(),
    /** Bytes, or with a unit: `500G`, `2TiB`. */
    minSize: z.union([z.number(), z.string()]).optional(),
    maxSize: z.union([z.number(), z.string()]).optional(),
    /** The only disk left after boot and source medium are taken out; a tie is refused. */
    only: z.literal(true).optional(),
  })
  .refine((rule) => Object.keys(rule).length > 0, 'a target rule needs at least one field');
export type TargetRule = z.infer<typeof targetRuleSchema>;

/** How NetWare volumes are to lie on their new disks. */
export const netwareWishesSchema = z.strictObject({
  /**
   * `same`: in the segments they had, on the disks they had; `packed`: in as few segments as possible;
   * `spread`: over all disks; `auto`: as they were where that fits, else packed.
   */
  shape: z.enum(['auto', 'same', 'packed', 'spread']).default('auto'),
  /** Keeps SYS on the first disk; `auto` does so where it lay there alone. */
  sys: z.enum(['auto', 'first', 'anywhere']).default('auto'),
  /** Hundredths of a data partition that become its hotfix area; as before, or 2, when absent. */
  hotfix: z.number().min(0.01).max(50).optional(),
});
export type NetwareWishes = z.infer<typeof netwareWishesSchema>;

/** What the person wants of a restore. */
export const wishesSchema = z.strictObject({
  /** Disk id of the set (`disk1`) to the rule for its target. */
  targets: z.record(z.string(), targetRuleSchema),
  /** Which volume takes the room of a larger disk: the last one that can grow, none, or one by name. */
  grow: z.string().default('last'),
  /** A FAT that grows becomes FAT32 rather than get larger clusters, and although its boot code is not of that kind. */
  fat32: z.boolean().optional(),
  /** Only these volumes, by name or id; absent means all. */
  volumes: z.array(z.string()).optional(),
  /** Disks whose data may be overwritten: serials, WWNs or paths; `all` for every chosen target. */
  release: z.array(z.string()).default([]),
  /** Write an EFI boot entry when booted under EFI. */
  bootEntry: z.boolean().default(true),
  netware: netwareWishesSchema.optional(),
});
export type Wishes = z.infer<typeof wishesSchema>;
