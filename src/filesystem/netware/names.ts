import { codePageText, macintoshText } from './code-page.ts';
import type { DirectoryFile } from './directory-file.ts';
import { recordSize } from './geometry.ts';

const longestName = 255;
/** A long name takes at most so many records of the extended directory. */
export const mostExtents = 3;

/** Stamps of the records of the extended directory (nwdir.h). */
export const extendedStamps = {
  attributes: 0x13_57_9a_ce,
  longName: 0xab_a1_21_90,
  ntName: 0x53_46_54_4e,
  nfsName: 0x55_4e_49_58,
  migrated: 0xaf_de_57_13,
  tally: 0x2e_4e_41_4a,
  os2Attributes: 0x2e_6e_61_6a,
} as const;

/** A name in one of the name spaces, and where the rest of it is when it does not fit its record. */
interface StoredName {
  /** Bytes in the record. */
  readonly head: Buffer;
  /** Record of the extended directory that holds the rest, 0 for none, and how many records it takes. */
  readonly rest: number;
  readonly extents: number;
  /** Its length as the record has it, or that of the rest: sources differ. */
  readonly length: number;
}

/** The name a record holds, by its name space (nwdir.h: DOS, MACINTOSH, NFS, LONGNAME, NTNAME). */
export function storedName(record: Buffer, nameSpace: number): StoredName {
  const length = record.readUInt8(11);
  const head = (room: number): Buffer => record.subarray(12, 12 + Math.min(length, room));
  switch (nameSpace) {
    case 1:
      return { head: head(31), rest: 0, extents: 0, length };
    case 2:
      return {
        head: head(40),
        rest: record.readUInt32LE(54),
        extents: record.readUInt8(53),
        length: record.readUInt8(52),
      };
    case 4:
    case 5:
      return {
        head: head(80),
        rest: record.readUInt32LE(92),
        extents: record.readUInt8(96),
        length: record.readUInt8(97),
      };
    default:
      return { head: head(12), rest: 0, extents: 0, length };
  }
}

/**
 * A whole name as text. The rest of a long one stands in records of the extended directory, behind a head of 16
 * bytes, and one more with the length in the NFS name space. Whether they hold the rest or the whole name
 * is not documented: what begins with the bytes of the record is the whole, unless the lengths say otherwise.
 */
export async function nameText(
  record: Buffer,
  nameSpace: number,
  extended: DirectoryFile | null,
): Promise<string> {
  const { head, rest, extents, length } = storedName(record, nameSpace);
  const more = extents > 0 && rest > 0 ? await restOf(extended, rest, extents) : null;
  const isWhole =
    more !== null &&
    more.length > head.length &&
    length !== head.length + more.length &&
    more.subarray(0, head.length).equals(head);
  const bytes = (isWhole ? more : Buffer.concat([head, more ?? Buffer.alloc(0)])).subarray(0, longestName);
  return nameSpace === 1 ? macintoshText(bytes) : codePageText(bytes);
}

async function restOf(extended: DirectoryFile | null, rest: number, extents: number): Promise<Buffer | null> {
  const records: Buffer[] = [];
  for (let i = 0; i < Math.min(extents, mostExtents); i++) {
    const record = (await extended?.record(rest + i)) ?? null;
    if (record === null) break;
    records.push(record);
  }
  const bytes = Buffer.concat(records, records.length * recordSize);
  if (bytes.length === 0) return null;
  const stamp = bytes.readUInt32LE(0);
  if (stamp === extendedStamps.nfsName)
    return bytes.subarray(17, 17 + Math.min(bytes.readUInt8(16), longestName));
  if (stamp !== extendedStamps.longName && stamp !== extendedStamps.ntName) return null;
  const end = bytes.indexOf(0, 16);
  return bytes.subarray(16, end < 0 ? bytes.length : end);
}

/** What the server would refuse about a DOS name, or null (nwdir.c, NWValidDOSName). */
export function dosNameFault(record: Buffer): string | null {
  const length = record.readUInt8(11);
  if (length < 1 || length > 12) return `has ${length} characters`;
  const name = record.subarray(12, 12 + length);
  const dot = name.indexOf('.');
  const base = dot < 0 ? name : name.subarray(0, dot);
  const extension = dot < 0 ? Buffer.alloc(0) : name.subarray(dot + 1);
  if (base.length < 1 || base.length > 8) return `has ${base.length} characters before its dot`;
  if (dot >= 0 && (extension.length > 3 || extension.includes('.')))
    return 'has more than three characters behind its dot';
  if (base.at(-1) === 0x20 || extension.at(-1) === 0x20) return 'has a blank at its end';
  const odd = name.find((byte) => byte < 0x20 || byte === 0x7f || forbidden.includes(byte) || isLower(byte));
  return odd === undefined ? null : `has the character ${odd.toString(16).padStart(2, '0')} hex`;
}

/* Characters with a meaning to DOS, which no name can hold. */
const forbidden = Buffer.from('"*/:<>?\\|+,;=[]', 'latin1');
const isLower = (byte: number): boolean => byte >= 0x61 && byte <= 0x7a;
