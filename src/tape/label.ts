import { z } from 'zod';

/** What stands first on every cartridge of ours: docs/format.md, "Cartridges". */
export const cartridgeLabelSchema = z.object({
  format: z.literal(1),
  /** UUID of the cartridge, made when it is labelled. */
  cartridge: z.uuid(),
  /** What a person calls it, and what is asked for: often the barcode. */
  name: z.string(),
  barcode: z.string().nullable(),
  /** Longest block that sets on it may have, bytes. */
  recordLimit: z.number().int().positive(),
  /** ISO 8601, UTC. */
  labelledAt: z.string(),
  software: z.string(),
});
export type CartridgeLabel = z.infer<typeof cartridgeLabelSchema>;
