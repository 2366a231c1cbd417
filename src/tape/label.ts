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
import { isCoded, RemetalError } from '../errors/index.ts';

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
const readerName = 'remetal-reader.py';
const latestFormat = 1;

/** Longer members are no label: bounds what a reader takes apart. */
const longestText = 64 * 1024;

/** SHA-256, hex, of the canonical JSON of what the label says. */
function checkOf(label: object): string {
  return hash('sha256', canonicalJson(label), 'hex');
}

function textOf(label: CartridgeLabel): Buffer {
  return Buffer.from(`${JSON.stringify({ ...label, check: checkOf(label) }, null, 2)}\n`, 'utf8');
}

function readme({ name, recordLimit }: CartridgeLabel): string {
  return `This is tape cartridge "${name}" with backup sets made by Remetal.

Everything on it can be had without Remetal. The tape is a row of files, each ended by a filemark: perhaps a
bootable image, then this file, then one for every part of a backup set. The blocks of a file, put one after
the other, are a tar archive (of the bootable image: the image).

No block on this tape is longer than ${recordLimit} bytes (${formatBytes(recordLimit)}). Tell dd of so much: a block
that is longer than it was told is skipped. 16 MiB and more the driver does not take. tar by itself does not
read this tape, because its blocks are of different lengths; behind dd it does.

  mt -f /dev/nst0 rewind
  mt -f /dev/nst0 fsf 1                    over this file; 2 where a bootable image comes before it
  dd if=/dev/nst0 of=set.tar bs=1M         the next file: a part of a set; dd again for the one after it
  tar tvf set.tar                          what is in it
  tar xf set.tar                           .json: text; .zst: zstd; .raw: as it is; .zeros: only zeros

A set that does not end here goes on with another part on another cartridge: the last member of a part is
called ….end.json when the set is whole, ….more.json when another part follows. The parts of a set NAME are
to be called NAME.tar, NAME.part0002.tar and so on, in one folder.

remetal-reader.py, the next member of this archive, puts sets together to volumes. It needs Python 3 and the
program zstd:

  dd if=/dev/nst0 bs=1M | tar xf -         standing at this file: unpacks it
  python3 remetal-reader.py show set.tar
  python3 remetal-reader.py verify set.tar
  python3 remetal-reader.py rebuild set.tar VOLUME volume.raw

The format is described in docs/format.md of Remetal.
`;
}

function member(name: string, content: Buffer, mtime: number): Buffer {
  const out = Buffer.alloc(tarBlock + padded(content.length));
  encodeUstar({ name, size: content.length, mtime, type: '0' }, out, 0);
  content.copy(out, tarBlock);
  return out;
}

/**
 * The block that labels a cartridge: a whole tar, with a text for who finds the tape and nothing else.
 * `reader` is the program that reads sets without any of ours; see `sourceFile` in system/.
 */
export function encodeLabel(label: CartridgeLabel, { reader }: { readonly reader?: Buffer } = {}): Buffer {
  const mtime = Math.floor(Date.parse(label.labelledAt) / 1000);
  return Buffer.concat([
    member(labelName, textOf(label), mtime),
    member(readmeName, Buffer.from(readme(label), 'utf8'), mtime),
    ...(reader === undefined ? [] : [member(readerName, reader, mtime)]),
    Buffer.alloc(tarEndLength),
  ]);
}

/**
 * The label in a block; null for a block that is none. Throws `cartridge-unlabelled` for a damaged one,
 * `set-too-new` for one of a later format.
 */
export function decodeLabel(block: Buffer): CartridgeLabel | null {
  if (block.toString('latin1', 0, labelName.length + 1) !== `${labelName}\0`) return null;
  const header = decodeUstar(block, 0);
  if (header === null || header.size > longestText) throw damaged();
  const bytes = block.subarray(tarBlock, tarBlock + header.size);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw damaged(cause);
  }
  const found = z.looseObject({ format: z.int().positive(), check: z.string() }).safeParse(value);
  if (!found.success) throw damaged(found.error);
  const { check, ...rest } = found.data;
  if (!isChecked(rest, check)) throw damaged();
  if (rest.format > latestFormat) {
    throw new RemetalError('set-too-new', `The cartridge has a label of format ${rest.format}.`, {
      hint: 'Use a newer Remetal.',
      facts: { format: rest.format },
    });
  }
  const label = cartridgeLabelSchema.safeParse(rest);
  // Every byte counts, those between the values too.
  if (!label.success || !textOf(label.data).equals(bytes)) throw damaged(label.error);
  return label.data;
}

/** False as well for values that no label could have been written with, as a number without end. */
function isChecked(rest: Parameters<typeof checkOf>[0], check: string): boolean {
  try {
    return checkOf(rest) === check;
  } catch (error) {
    if (isCoded(error, 'field-range')) return false;
    throw error;
  }
}

function damaged(cause?: unknown): RemetalError {
  return new RemetalError('cartridge-unlabelled', 'The label of the cartridge is damaged.', {
    hint: 'What is on it can still be read with dd and tar; label it anew when nothing of it is wanted.',
    ...(cause === undefined ? {} : { cause }),
  });
}
