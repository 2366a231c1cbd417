import { hash } from 'node:crypto';
import { z } from 'zod';
import {
  canonicalJson,
  decodeUstar,
  encodeUstar,
  formatBytes,
  padded,
  tarBlock,
  tarEndLength,
} from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';

/** What stands first on every cartridge of ours: docs/format.md, "Cartridges". */
export const cartridgeLabelSchema = z.object({
  format: z.literal(1),
  /** UUID of the cartridge, made when it is labelled. */
  cartridge: z.uuid(),
  /** What a person calls it, and what is asked for: often the barcode. */
  name: z.string().min(1),
  barcode: z.string().nullable(),
  /** Longest block that sets on it may have, bytes. */
  recordLimit: z.number().int().positive(),
  /** ISO 8601, UTC. */
  labelledAt: z.string(),
  software: z.string(),
});
export type CartridgeLabel = z.infer<typeof cartridgeLabelSchema>;

const labelName = 'REMETAL-CARTRIDGE.json';
const readmeName = 'README.txt';

/** SHA-256, hex, of the canonical JSON of what the label says. */
function checkOf(label: CartridgeLabel): string {
  return hash('sha256', canonicalJson(label), 'hex');
}

function readme({ name, recordLimit }: CartridgeLabel): string {
  return `This is tape cartridge "${name}" with backup sets made by Remetal.

Everything on it can be had without Remetal. The tape is made of files, each ended by a filemark:
this one, then one for every part of a backup set. A file whose blocks are put one after the other is a
tar archive. No block is longer than ${formatBytes(recordLimit)}; dd must be told of so much or more:

  mt -f /dev/nst0 rewind
  mt -f /dev/nst0 fsf 1                          go behind this file
  dd if=/dev/nst0 of=set.tar bs=16M              the first part; dd again for the next
  tar tvf set.tar                                see what is in it

docs/format.md of Remetal says how the records of a set make up disks and volumes, and
tools/remetal-reader.py, which needs Python 3 and the program zstd, puts them together:

  remetal-reader.py show set.tar
  remetal-reader.py rebuild set.tar VOLUME volume.raw
`;
}

function member(name: string, content: Buffer, mtime: number): Buffer {
  const out = Buffer.alloc(tarBlock + padded(content.length));
  encodeUstar({ name, size: content.length, mtime, type: '0' }, out, 0);
  content.copy(out, tarBlock);
  return out;
}

/** The block that labels a cartridge: a whole tar, with a text for who finds the tape and nothing else. */
export function encodeLabel(label: CartridgeLabel): Buffer {
  const mtime = Math.floor(Date.parse(label.labelledAt) / 1000);
  const text = `${JSON.stringify({ ...label, check: checkOf(label) }, null, 2)}\n`;
  return Buffer.concat([
    member(labelName, Buffer.from(text, 'utf8'), mtime),
    member(readmeName, Buffer.from(readme(label), 'utf8'), mtime),
    Buffer.alloc(tarEndLength),
  ]);
}

/**
 * The label in a block; null for a block that is none. Throws `cartridge-unlabelled` for a damaged one,
 * `set-too-new` for one of a later format.
 */
export function decodeLabel(block: Buffer): CartridgeLabel | null {
  const header = decodeUstar(block, 0);
  if (header?.name !== labelName) return null;
  const text = block.toString('utf8', tarBlock, tarBlock + header.size);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged(cause);
  }
  const found = z.looseObject({ format: z.number(), check: z.string() }).safeParse(value);
  if (!found.success) throw damaged(found.error);
  const { check, ...rest } = found.data;
  if (found.data.format > 1) {
    throw new RemetalError('set-too-new', `The cartridge has a label of format ${found.data.format}.`, {
      hint: 'Use a newer Remetal.',
      facts: { format: found.data.format },
    });
  }
  const label = cartridgeLabelSchema.safeParse(rest);
  if (!label.success || checkOf(label.data) !== check) throw damaged(label.error);
  return label.data;
}

function damaged(cause: unknown): RemetalError {
  return new RemetalError('cartridge-unlabelled', 'The label of the cartridge is damaged.', {
    hint: 'What is on it can still be read with dd and tar; label it anew when nothing of it is wanted.',
    cause,
  });
}
