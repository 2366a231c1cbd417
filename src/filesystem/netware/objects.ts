import { dateText, timeText } from './date.ts';
import type { DirectoryFile } from './directory-file.ts';
import { nameText } from './names.ts';
import {
  attributeBits,
  nameSpaces,
  objectId,
  parseNamed,
  parseTrustees,
  recordTypes,
  trusteesAt,
  type NameSpace,
  type Trustee,
} from './records.ts';

/** A root record has room for 12 name spaces. More than 65,536 trustees of one file are a damaged chain. */
const mostNames = 12;
const mostTrusteeRecords = 4096;

/** The resource fork of a file in the Macintosh name space. */
export interface ResourceFork {
  readonly size: number;
  readonly firstBlock: number;
  /** Number of the Macintosh record. */
  readonly record: number;
}

/** How and when a file was deleted that can still be salvaged. */
export interface Deletion {
  readonly at: string | null;
  readonly by: string;
  /** Deleted files are purged in the order of this number. */
  readonly sequence: number;
}

/** A file or directory, live or deleted. Times are the server's local time, `1996-06-01T09:00:00`. */
export interface NetwareFile {
  readonly kind: 'file' | 'directory';
  /** Number of its DOS record, which other records name it by. */
  readonly number: number;
  /** Path from the root of the volume, in the name space asked for; a slash in a name is written %2F. */
  readonly path: string;
  /** In the DOS name space. */
  readonly name: string;
  /** Its names in the other name spaces. */
  readonly names: Readonly<Partial<Record<NameSpace, string>>>;
  /** Number of its directory, 0 for the root. */
  readonly parent: number;
  /** The dword of attributes. */
  readonly attributes: number;
  readonly flags: number;
  /** Bytes; 0 for a directory. */
  readonly size: number;
  /** As the record has it: a block, a tail, 0 or all ones for no data. */
  readonly firstBlock: number;
  readonly compressed: boolean;
  readonly migrated: boolean;
  readonly created: string | null;
  readonly owner: string;
  readonly archived: string | null;
  readonly archiver: string;
  readonly modified: string | null;
  /** Who modified it last; null for a directory. */
  readonly modifier: string | null;
  /** A date; null for a directory. */
  readonly accessed: string | null;
  readonly inheritedRights: number;
  readonly trustees: readonly Trustee[];
  /** Most space below a directory, in units of 4 KiB; 0 for no limit. */
  readonly quota: number;
  readonly deletion: Deletion | null;
  readonly resourceFork: ResourceFork | null;
  /** Record of its extended attributes in the extended directory, 0 for none. */
  readonly extendedAttributes: number;
  /** Numbers of all records that speak of it: names and trustees. */
  readonly records: readonly number[];
}

/** Where objects are read from. */
export interface Records {
  readonly directory: DirectoryFile;
  readonly extended: DirectoryFile | null;
  /** 6 trustees in a file's record with 3, else 4. */
  readonly version: 3 | 4;
}

/** The object whose DOS record is `number`; null where the record is lost. */
export async function readObject(from: Records, number: number): Promise<Omit<NetwareFile, 'path'> | null> {
  const record = await from.directory.record(number);
  if (record === null) return null;
  const named = parseNamed(record);
  const { subdirectory, deleted, attributes } = named;
  const name = await nameText(record, 0, from.extended);
  const others = await otherNames(from, number, named.nameList);
  const more = await moreTrustees(from, number, record.readUInt32LE(subdirectory ? 44 : 56));
  return {
    kind: subdirectory ? 'directory' : 'file',
    number,
    name,
    names: others.names,
    parent: named.parent,
    attributes,
    flags: named.flags,
    size: subdirectory ? 0 : record.readUInt32LE(48),
    firstBlock: subdirectory ? recordTypes.free : record.readUInt32LE(52),
    compressed: !subdirectory && (attributes & attributeBits.compressed) !== 0,
    migrated: !subdirectory && (attributes & attributeBits.migrated) !== 0,
    created: timeText(record.readUInt32LE(24)),
    owner: objectId(record, 28),
    archived: timeText(record.readUInt32LE(32)),
    archiver: objectId(record, 36),
    modified: timeText(record.readUInt32LE(40)),
    modifier: subdirectory ? null : objectId(record, 44),
    accessed: subdirectory ? null : dateText(record.readUInt16LE(98)),
    inheritedRights: record.readUInt16LE(subdirectory ? 100 : 96),
    trustees: [...ownTrustees(record, subdirectory, from.version), ...more.trustees],
    quota: subdirectory ? record.readUInt32LE(96) : 0,
    deletion: deleted ? deletionOf(record, subdirectory) : null,
    resourceFork: subdirectory ? null : others.fork,
    extendedAttributes: record.readUInt32LE(112),
    records: [number, ...others.records, ...more.records],
  };
}

/** The trustees in a DOS record. In a file's record of 3.x six of them: the ids first, then the masks. */
export function ownTrustees(record: Buffer, subdirectory: boolean, version: 3 | 4): Trustee[] {
  if (subdirectory) return trusteesAt(record, 48, 80, 8);
  return version === 3 ? trusteesAt(record, 60, 84, 6) : trusteesAt(record, 60, 84, 4);
}

function deletionOf(record: Buffer, subdirectory: boolean): Deletion {
  if (subdirectory) return { at: null, by: '00000000', sequence: 0 };
  return {
    at: timeText(record.readUInt32LE(104)),
    by: objectId(record, 108),
    sequence: record.readUInt32LE(116),
  };
}

async function otherNames(
  from: Records,
  number: number,
  first: number,
): Promise<{ names: Partial<Record<NameSpace, string>>; fork: ResourceFork | null; records: number[] }> {
  const names: Partial<Record<NameSpace, string>> = {};
  const records: number[] = [];
  let fork: ResourceFork | null = null;
  for (let at = first; at !== 0 && records.length < mostNames && !records.includes(at);) {
    const record = await from.directory.record(at);
    if (record === null) break;
    const named = parseNamed(record);
    const space = nameSpaces[named.nameSpace];
    // A record that belongs to another file, or to none, is where a damaged list has gone astray.
    if (named.primary !== number || space === undefined || space === 'DOS') break;
    records.push(at);
    names[space] = await nameText(record, named.nameSpace, from.extended);
    if (space === 'MAC' && !named.subdirectory) {
      fork = { size: record.readUInt32LE(48), firstBlock: record.readUInt32LE(44), record: at };
    }
    at = named.nameList;
  }
  return { names, fork, records };
}

/** Trustees that found no room in the record itself. */
export async function moreTrustees(
  from: Pick<Records, 'directory'>,
  number: number,
  first: number,
): Promise<{ trustees: Trustee[]; records: number[] }> {
  const trustees: Trustee[] = [];
  const records = new Set<number>();
  for (let at = first; at !== 0 && records.size < mostTrusteeRecords && !records.has(at);) {
    const record = await from.directory.record(at);
    if (record === null || record.readUInt32LE(0) !== recordTypes.trustees) break;
    const parsed = parseTrustees(record);
    if (parsed.of !== number) break;
    records.add(at);
    trustees.push(...parsed.trustees);
    at = parsed.next;
  }
  return { trustees, records: [...records] };
}
