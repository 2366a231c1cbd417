import { z } from 'zod';
import { tokenReportSchema } from '../server/index.ts';

/** What the process of a scenario is told when it starts. */
export const orderSchema = z.strictObject({
  name: z.string(),
  logs: z.string(),
  scratch: z.string(),
  shared: z.string(),
  original: z.strictObject({ disk: z.string(), token: tokenReportSchema, key: z.string() }),
});
export type Order = z.infer<typeof orderSchema>;

/** What it answers: lines of progress, and as its last word how it ended. */
export const wordSchema = z.union([
  z.strictObject({ proves: z.string() }),
  z.strictObject({ line: z.string() }),
  z.strictObject({ failure: z.string().nullable() }),
]);
export type Word = z.infer<typeof wordSchema>;
