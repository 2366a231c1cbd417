import { z } from 'zod';
import { decodePaxMember, tarEndLength } from '../bytes/index.ts';

/** One part of a backup set on a cartridge: a file of the tape, whose blocks are the records of the part. */
export interface PartOnCartridge {
  /** Number of the file on the tape, from 0. */
  readonly file: number;
  /** Name of the set on the medium: the folder of its tar names. */
  readonly set: string;
  readonly setId: string;
  /** From 1. */
  readonly part: number;
  /** Ordinal of the first numbered record in the part. */
  readonly firstOrdinal: number;
  /** What the machine is called, and when the set was made, from the head in the part's label. */
  readonly machine: string;
  readonly createdAt: string;
  /** The earlier sets it needs, oldest first; absent for a full set. */
  readonly chain?: readonly { readonly setId: string; readonly name: string }[] | undefined;
  /**
   * How it ends: the set with it, the part only (another follows), or with neither: it was interrupted, or its
   * end cannot be read.
   */
  readonly ends: 'set' | 'part' | 'open';
}

/** What the label of a part says, as far as a cartridge is concerned: docs/format.md, "JSON records". */
const partLabelSchema = z.object({
  setId: z.uuid(),
  part: z.number().int().positive().max(9999),
  firstOrdinal: z.number().int().nonnegative(),
  head: z.object({
    name: z.string(),
    createdAt: z.string(),
    chain: z.array(z.object({ setId: z.uuid(), name: z.string() })).default([]),
  }),
});

/** What the records that close a part say, as far as a cartridge is concerned. */
const closingSchema = z.object({ setId: z.uuid() });

/** The JSON in a member that a schema takes; null for anything else. */
function documentIn<T>(schema: z.ZodType<T>, content: Buffer): T | null {
  let value: unknown;
  try {
    value = JSON.parse(content.toString('utf8'));
  } catch {
    return null;
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : null;
}

/** A part by its first block. */
export type PartLabel = Omit<PartOnCartridge, 'file' | 'ends'>;

/** What the first block of a part says of it; null for a block that begins no part. */
export function decodePartLabel(block: Buffer): PartLabel | null {
  const member = decodePaxMember(block);
  const name = member === null ? null : /^([^/]+)\/part\d{4}\.label\.json$/.exec(member.name);
  if (member === null || name === null) return null;
  const label = documentIn(partLabelSchema, member.content);
  if (label === null) return null;
  const { setId, part, firstOrdinal, head } = label;
  const { chain, createdAt } = head;
  return {
    set: name[1]!,
    setId,
    part,
    firstOrdinal,
    machine: head.name,
    createdAt,
    ...(chain.length === 0 ? {} : { chain }),
  };
}

/** How a part ends whose last record is this block. What closes another set does not close it. */
export function endingOf({ setId }: PartLabel, block: Buffer | null): PartOnCartridge['ends'] {
  const member = block === null ? null : decodePaxMember(block);
  if (member === null || documentIn(closingSchema, member.content)?.setId !== setId) return 'open';
  if (member.name.endsWith('.end.json')) return 'set';
  return member.name.endsWith('.more.json') ? 'part' : 'open';
}

/** True for the block that ends the tar of a part, behind its last record. */
export function isTarEnd(block: Uint8Array): boolean {
  return block.length === tarEndLength && block.every((byte) => byte === 0);
}
