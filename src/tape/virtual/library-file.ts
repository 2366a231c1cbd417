import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { RemetalError, systemCode } from '../../errors/index.ts';
import { metConditions } from './bay.ts';
import { faultsSchema } from './faults.ts';

/** A barcode, which is also the name of the cartridge's file. */
const barcode = z.string().regex(/^[A-Za-z0-9_-]{1,32}$/u);
const count = z.int().min(0).max(65_535);

export const cartridgeSchema = z.strictObject({
  /** Bytes of blocks that go on the tape. */
  size: z.int().min(1),
  /** Bytes from which on the drive warns that the end is near; a sixteenth before the end when absent. */
  earlyWarning: z.int().min(0).optional(),
  writeProtected: z.boolean().optional(),
  worm: z.boolean().optional(),
  kind: z.enum(['data', 'cleaning']).optional(),
  faults: faultsSchema.optional(),
});

/** `library.json`: what there is. A person may edit it; it counts from the next use of a drive on. */
export const librarySchema = z.strictObject({
  format: z.literal('remetal tape library 1'),
  drives: z.array(z.strictObject({ faults: faultsSchema.optional() })).min(1),
  /** Storage slots; without any there is no changer, and a person puts the cartridges in. */
  slots: count,
  importExportSlots: count,
  /** The changer takes no cartridge that its drive has not let go of. */
  needsEject: z.boolean().optional(),
  cartridges: z.record(barcode, cartridgeSchema),
});

/** `places.json`: where the cartridges are; those in no place lie beside the library. */
export const placesSchema = z.strictObject({
  /** Barcodes by number of the slot. */
  slots: z.record(z.string(), barcode),
  drives: z.record(z.string(), z.strictObject({ barcode, presence: z.int(), from: z.int().nullable() })),
  /** How often a cartridge was put into a drive. */
  presences: z.int(),
});

/** `drive-N.json`; see `DriveMemory`. */
export const memorySchema = z.strictObject({
  presence: z.int().nullable(),
  loaded: z.boolean(),
  position: z.int(),
  blockSize: z.int(),
  file: z.int(),
  block: z.int(),
  met: z.enum(metConditions),
});

export type LibraryDescription = z.infer<typeof librarySchema>;
export type CartridgeDescription = z.infer<typeof cartridgeSchema>;
export type Places = z.infer<typeof placesSchema>;

export const libraryFile = 'library.json';
export const placesFile = 'places.json';
export const memoryFile = (drive: number): string => `drive-${drive}.json`;
export const cartridgeFile = (name: string): string => `${name}.cartridge`;

/** Reads a file of a library; throws `library-invalid`. `absent` is what counts when there is no file. */
export async function readLibraryFile<T>(
  folder: string,
  name: string,
  schema: z.ZodType<T>,
  absent?: T,
): Promise<T> {
  const path = join(folder, name);
  const invalid = (reason: string, cause?: unknown): RemetalError =>
    new RemetalError('library-invalid', `${path} does not describe a virtual tape library: ${reason}.`, {
      hint: 'Correct the file, or name the folder of a virtual tape library.',
      facts: { path },
      cause,
    });
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' && absent !== undefined) return absent;
    throw invalid(error instanceof Error ? error.message : String(error), error);
  }
  try {
    const checked = schema.safeParse(JSON.parse(text));
    if (checked.success) return checked.data;
    throw invalid(z.prettifyError(checked.error));
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid(error.message, error);
    throw error;
  }
}

/** Writes a file of a library so that a reader sees the old or the new one. */
export async function writeLibraryFile(folder: string, name: string, content: object): Promise<void> {
  const path = join(folder, name);
  const next = `${path}.${process.pid}.new`;
  await writeFile(next, `${JSON.stringify(content, null, 2)}\n`, { flush: true });
  await rename(next, path);
}
