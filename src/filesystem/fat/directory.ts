import { codePageText } from '../netware/code-page.ts';
import { labelText } from '../text.ts';

/*
 * Directory entries of FAT, short names and the long names written before them. Source: Microsoft's
 * fatgen103, "Directory Structure" and "Long Directory Entries".
 */

export const entrySize = 32;

const attributes = { label: 0x08, directory: 0x10, long: 0x0f };
const mostLongEntries = 20;

const letters = [
  [0x01, 'R'],
  [0x02, 'H'],
  [0x04, 'S'],
  [0x20, 'A'],
] as const;

/** The attributes of a file as DOS writes them: `RHSA`, empty for none. */
export function attributeLetters(attribute: number): string {
  return letters
    .filter(([bit]) => (attribute & bit) !== 0)
    .map(([, letter]) => letter)
    .join('');
}

export interface FatFile {
  readonly name: string;
  readonly directory: boolean;
  /** 0 for an empty file. */
  readonly firstCluster: number;
  readonly size: number;
  /** Byte range of its entries in the bytes parsed. */
  readonly from: number;
  readonly to: number;
}

/** A long name on its way: its pieces come last first, tied to the short name by a checksum. */
interface LongName {
  readonly from: number;
  readonly sum: number;
  readonly pieces: string[];
  missing: number;
}

/** The files in the bytes of a directory, up to its end mark; `.`, `..` and the volume label left out. */
export function* filesOf(bytes: Buffer, wide: boolean): Generator<FatFile> {
  let long: LongName | null = null;
  for (let at = 0; at + entrySize <= bytes.length; at += entrySize) {
    const entry = bytes.subarray(at, at + entrySize);
    const first = entry.readUInt8(0);
    if (first === 0) return;
    const kind = entry.readUInt8(11);
    if (first === 0xe5) {
      long = null;
    } else if ((kind & 0x3f) === attributes.long) {
      long = continued(long, entry, at);
    } else {
      const complete = long !== null && long.missing === 0 && long.sum === shortSum(entry) ? long : null;
      long = null;
      if ((kind & attributes.label) !== 0 || first === 0x2e) continue;
      yield {
        name: complete === null ? shortName(entry) : longName(complete),
        directory: (kind & attributes.directory) !== 0,
        firstCluster: entry.readUInt16LE(26) + (wide ? entry.readUInt16LE(20) * 2 ** 16 : 0),
        size: entry.readUInt32LE(28),
        from: complete?.from ?? at,
        to: at + entrySize,
      };
    }
  }
}

/** The volume label among the entries of a root directory; what it has precedes the boot sector's. */
export function labelOf(bytes: Buffer): string | null {
  for (let at = 0; at + entrySize <= bytes.length && bytes[at] !== 0; at += entrySize) {
    if (bytes[at] !== 0xe5 && (bytes.readUInt8(at + 11) & 0x3f & ~0x20) === attributes.label) {
      return labelText(bytes.subarray(at, at + 11), 'latin1');
    }
  }
  return null;
}

function continued(long: LongName | null, entry: Buffer, at: number): LongName | null {
  const order = entry.readUInt8(0);
  const number = order & 0x3f;
  const sum = entry.readUInt8(13);
  const piece = Buffer.concat([entry.subarray(1, 11), entry.subarray(14, 26), entry.subarray(28, 32)]);
  if ((order & 0x40) !== 0) {
    if (number === 0 || number > mostLongEntries) return null;
    return { from: at, sum, pieces: [piece.toString('utf16le')], missing: number - 1 };
  }
  if (long === null || number !== long.missing || number === 0 || sum !== long.sum) return null;
  long.pieces.push(piece.toString('utf16le'));
  long.missing--;
  return long;
}

function longName(long: LongName): string {
  return long.pieces.toReversed().join('').split('\0', 1)[0] ?? '';
}

/** The checksum long entries carry of their short name. */
function shortSum(entry: Buffer): number {
  let sum = 0;
  for (let i = 0; i < 11; i++) sum = (((sum & 1) << 7) + (sum >> 1) + entry.readUInt8(i)) & 0xff;
  return sum;
}

/** Base and extension; the case bits are those Windows NT and Linux set for names without a long one. */
function shortName(entry: Buffer): string {
  const raw = Buffer.from(entry.subarray(0, 11));
  if (raw[0] === 0x05) raw[0] = 0xe5;
  const cases = entry.readUInt8(12);
  const base = codePageText(raw.subarray(0, 8)).trimEnd();
  const extension = codePageText(raw.subarray(8, 11)).trimEnd();
  const shownBase = (cases & 0x08) !== 0 ? base.toLowerCase() : base;
  const shownExtension = (cases & 0x10) !== 0 ? extension.toLowerCase() : extension;
  return shownExtension === '' ? shownBase : `${shownBase}.${shownExtension}`;
}
