import { z } from 'zod';

/** What tells one disk from another. Stored in every set and compared by a plan's target rules. */
export const diskIdentitySchema = z.object({
  /** Path it was opened by; never used to recognise it again. */
  path: z.string(),
  /** Bytes. */
  size: z.number().int().nonnegative(),
  sectorSize: z.number().int().positive(),
  physicalSectorSize: z.number().int().positive(),
  model: z.string().nullable(),
  serial: z.string().nullable(),
  wwn: z.string().nullable(),
  /** `sata`, `nvme`, `virtio`, `usb`, `sas`, `file` and the like; null where unknown. */
  transport: z.string().nullable(),
  removable: z.boolean(),
});

export type DiskIdentity = z.infer<typeof diskIdentitySchema>;
