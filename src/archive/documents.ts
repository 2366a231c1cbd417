import { z } from 'zod';
import { RemetalError } from '../errors/index.ts';
import { setHeadSchema, type VolumeMap } from './set.ts';
import { checksumLength, tablePieceLength } from './structures.ts';

/** The JSON documents of a set that are not in set.ts. All are described in docs/format.md. */
const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const part = z.number().int().nonnegative().max(9999);
const placeSchema = z.object({ ordinal: count, part, offset: count });
export type Place = z.infer<typeof placeSchema>;

/** The first record of every part. */
export const labelSchema = z.object({
  format: z.literal(1),
  setId: z.uuid(),
  /** From 1. */
  part: z.number().int().positive(),
  /** Largest record of the medium the set was written for, bytes. */
  recordLimit: count,
  /** Ordinal of the first numbered record in this part. */
  firstOrdinal: count,
  head: setHeadSchema,
});

/** Closes a part that is not the last. */
export const moreSchema = z.object({
  format: z.literal(1),
  setId: z.uuid(),
  part: z.number().int().positive(),
  nextOrdinal: count,
});

/** Where everything in a set is. */
export const contentsSchema = z.object({
  format: z.literal(1),
  setId: z.uuid(),
  head: z.array(placeSchema).max(2),
  layout: z.array(placeSchema).max(2),
  volumes: z.array(
    z.object({
      volume: z.string(),
      /** Position in the layout record. */
      number: count,
      /** Places of the pieces of its block map, and of their copies. */
      maps: z.array(placeSchema),
      copies: z.array(placeSchema),
      firstOrdinal: count,
      groups: count,
    }),
  ),
  /** The table of sums, and the entries of every record of it but the last. */
  sums: z.array(placeSchema).default([]),
  sumEntries: z
    .number()
    .int()
    .positive()
    .default(tablePieceLength / checksumLength),
  checksums: z.array(placeSchema),
  /** Entries of every record of the table of checksums but the last. */
  checksumEntries: z
    .number()
    .int()
    .positive()
    .default(tablePieceLength / checksumLength),
  exceptions: z.array(placeSchema),
  totals: z.array(placeSchema),
  index: z.array(placeSchema),
});
export type Contents = z.infer<typeof contentsSchema>;

/** The files open for write while a volume was imaged; empty for a volume that stood still. */
export const exceptionsSchema = z.object({
  format: z.literal(1),
  files: z.array(z.object({ volume: z.string(), path: z.string() })),
});

/** Closes the set. */
export const endSchema = z.object({
  format: z.literal(1),
  setId: z.uuid(),
  /** Numbered records, this one counted. */
  records: count,
  parts: z.number().int().positive(),
  contents: placeSchema,
  /** SHA-256, hex, of what `docs/format.md` calls the digest of the set. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** Reserved: place of the signature over the digest. */
  signature: placeSchema.nullable(),
});
export type End = z.infer<typeof endSchema>;

/** JSON text as it stands in a set: indented, so that a person can read it. */
export function encodeDocument(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`, 'utf8');
}

/**
 * The document in `bytes`. Throws `set-too-new` when it names a later format, `record-damaged` when
 * it is no JSON or not of the shape.
 */
export function decodeDocument<Shape>(bytes: Buffer, schema: z.ZodType<Shape>, what: string): Shape {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new RemetalError('record-damaged', `The ${what} of the set is no JSON.`, { cause: error });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined;
  if (typeof format === 'number' && format > 1) {
    throw new RemetalError('set-too-new', `The set has format ${format}, which this program does not know.`, {
      hint: 'Use a newer Remetal.',
      facts: { format },
    });
  }
  throw new RemetalError('record-damaged', `The ${what} of the set is not of the shape it should have.`, {
    facts: {
      problems: result.error.issues.slice(0, 5).map((issue) => `${issue.path.join('.')}: ${issue.message}`),
    },
  });
}

/** Ids of a set in the form of record headers. */
export function setIdBytes(setId: string): Buffer {
  return Buffer.from(setId.replaceAll('-', ''), 'hex');
}

/** Ids of a set in the form of documents. */
export function setIdText(setId: Buffer): string {
  const hex = setId.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

/** A volume's map with where its groups are. */
export interface VolumePlace {
  readonly map: VolumeMap;
  readonly number: number;
  readonly firstOrdinal: number;
}
