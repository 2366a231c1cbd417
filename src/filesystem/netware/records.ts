/*
 * The 128-byte records of the directory. Offsets: jeffmerkey/netware-file-system nwdir.h, and for the
 * DOS records also Ralf Brown's Interrupt List, tables 2143 and 2155 (NetWare hands its raw records out).
 * Numbers are little-endian, object ids big-endian.
 */

/** Values of the first dword that name a type; any other is the number of the parent directory. */
export const recordTypes = {
  free: 0xff_ff_ff_ff,
  trustees: 0xff_ff_ff_fe,
  root: 0xff_ff_ff_fd,
  restriction: 0xff_ff_ff_fc,
  suballocation: 0xff_ff_ff_fb,
} as const;

/** Record numbers end where the types begin. */
export const firstType = recordTypes.suballocation;

export const attributeBits = {
  readOnly: 0x1,
  hidden: 0x2,
  system: 0x4,
  executeOnly: 0x8,
  subdirectory: 0x10,
  archive: 0x20,
  shareable: 0x80,
  noSuballocation: 0x800,
  transactional: 0x1000,
  readAudit: 0x4000,
  writeAudit: 0x8000,
  immediatePurge: 0x1_0000,
  renameInhibit: 0x2_0000,
  deleteInhibit: 0x4_0000,
  copyInhibit: 0x8_0000,
  migrated: 0x40_0000,
  dontMigrate: 0x80_0000,
  immediateCompress: 0x200_0000,
  compressed: 0x400_0000,
  dontCompress: 0x800_0000,
  cantCompress: 0x2000_0000,
} as const;

export const flagBits = { deleted3x: 0x01, subdirectory: 0x04, deleted4x: 0x20 } as const;

/** Name spaces by their number; 4 is that of OS/2, which NetWare 4 calls LONG. */
export const nameSpaces = ['DOS', 'MAC', 'NFS', 'FTAM', 'LONG', 'NT'] as const;
export type NameSpace = (typeof nameSpaces)[number];
export const mostNameSpace = 10;

export const volumeFlagBits = {
  auditing: 0x01,
  suballocation: 0x02,
  compression: 0x04,
  migration: 0x08,
  newTrusteeCount: 0x10,
  nds: 0x20,
} as const;
const version4 = volumeFlagBits.newTrusteeCount | volumeFlagBits.nds;

/** Rights a trustee can have: read, write, open, create, erase, access control, file scan, modify, supervisor. */
export const allRights = 0x1_ff;

/** Someone with rights to a file or directory. */
export interface Trustee {
  /** Object id, eight hex digits. */
  readonly id: string;
  /** Bits 0 to 8: read, write, open, create, erase, access control, file scan, modify, supervisor. */
  readonly rights: number;
}

/** Eight hex digits of the object id at `at`. */
export function objectId(record: Buffer, at: number): string {
  return record.toString('hex', at, at + 4).toUpperCase();
}

/** The trustees in a record: ids from `ids` on, masks from `masks` on; slots without an id are empty. */
export function trusteesAt(record: Buffer, ids: number, masks: number, slots: number): Trustee[] {
  const out: Trustee[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const id = objectId(record, ids + slot * 4);
    if (id !== '00000000') out.push({ id, rights: record.readUInt16LE(masks + slot * 2) });
  }
  return out;
}

/** What begins every record with a name. */
export interface NamedRecord {
  readonly parent: number;
  readonly attributes: number;
  readonly flags: number;
  readonly nameSpace: number;
  readonly subdirectory: boolean;
  readonly deleted: boolean;
  /** Number of the DOS record of the object. */
  readonly primary: number;
  /** Number of the record in the next name space, 0 where there is none. */
  readonly nameList: number;
}

/** True for a file or directory, in whatever name space. */
export function isNamed(record: Buffer): boolean {
  return record.readUInt32LE(0) < firstType;
}

export function parseNamed(record: Buffer): NamedRecord {
  const attributes = record.readUInt32LE(4);
  const flags = record.readUInt8(9);
  return {
    parent: record.readUInt32LE(0),
    attributes,
    flags,
    nameSpace: record.readUInt8(10),
    subdirectory: (attributes & attributeBits.subdirectory) !== 0 || (flags & flagBits.subdirectory) !== 0,
    deleted: (flags & (flagBits.deleted3x | flagBits.deleted4x)) !== 0,
    primary: record.readUInt32LE(120),
    nameList: record.readUInt32LE(124),
  };
}

/** The root record of a volume. */
export interface RootRecord {
  /** The layout of NetWare 4 and later; else that of 3.x. */
  readonly version: 3 | 4;
  readonly volumeFlags: number;
  /** Numbers of the name spaces, DOS first. */
  readonly nameSpaces: readonly number[];
  readonly created: number;
  readonly owner: string;
  readonly archived: number;
  readonly archiver: string;
  readonly modified: number;
  readonly nextTrustees: number;
  readonly trustees: readonly Trustee[];
  /** Units of 4 KiB; 0 for none. */
  readonly maximumSpace: number;
  readonly inheritedRights: number;
  /** First blocks of the extended directory and its mirror; 0 for none. */
  readonly extended: number;
  readonly mirrorExtended: number;
  /** Number of the first suballocation record, 0 for none. */
  readonly suballocation: number;
}

export function parseRoot(record: Buffer): RootRecord {
  const volumeFlags = record.readUInt8(23);
  const version = (volumeFlags & version4) === 0 ? 3 : 4;
  const count = record.readUInt8(11);
  const spaces = [];
  for (let i = 0; i < Math.min(count, version === 3 ? 10 : 12); i++) {
    const byte = record.readUInt8(version === 3 ? 12 + i : 16 + (i >> 1));
    spaces.push(version === 3 ? byte : i % 2 === 0 ? byte & 15 : byte >> 4);
  }
  return {
    version,
    volumeFlags,
    nameSpaces: count === 0 ? [0] : spaces,
    created: record.readUInt32LE(24),
    owner: objectId(record, 28),
    archived: record.readUInt32LE(32),
    archiver: objectId(record, 36),
    modified: record.readUInt32LE(40),
    nextTrustees: record.readUInt32LE(44),
    trustees: trusteesAt(record, 48, 80, 8),
    maximumSpace: record.readUInt32LE(96),
    inheritedRights: record.readUInt16LE(100),
    extended: record.readUInt32LE(104),
    mirrorExtended: record.readUInt32LE(108),
    suballocation: version === 4 ? record.readUInt32LE(120) : 0,
  };
}

/** More trustees of an object. */
export interface TrusteeRecord {
  readonly count: number;
  readonly directory: number;
  readonly next: number;
  /** The record it belongs to. */
  readonly of: number;
  readonly trustees: readonly Trustee[];
}

export const mostTrustees = 16;

export function parseTrustees(record: Buffer): TrusteeRecord {
  const count = record.readUInt8(9);
  return {
    count,
    directory: record.readUInt32LE(12),
    next: record.readUInt32LE(16),
    of: record.readUInt32LE(20),
    trustees: trusteesAt(record, 24, 88, Math.min(count, mostTrustees)),
  };
}

/** Space that users may take. */
export interface RestrictionRecord {
  readonly count: number;
  readonly directory: number;
  /** Object ids and limits, in units of 4 KiB. */
  readonly limits: readonly { readonly id: string; readonly limit: number }[];
}

export const mostRestrictions = 14;

export function parseRestriction(record: Buffer): RestrictionRecord {
  const count = record.readUInt8(9);
  const limits = Array.from({ length: Math.min(count, mostRestrictions) }, (_, slot) => ({
    id: objectId(record, 16 + slot * 4),
    limit: record.readUInt32LE(72 + slot * 4),
  }));
  return { count, directory: record.readUInt32LE(12), limits };
}

export const headsPerRecord = 28;

/** Where the chains of some size classes of suballocated pieces begin. */
export interface SuballocationRecord {
  readonly sequence: number;
  readonly next: number;
  readonly heads: readonly number[];
}

export function parseSuballocation(record: Buffer): SuballocationRecord {
  return {
    sequence: record.readUInt8(9),
    next: record.readUInt32LE(12),
    heads: Array.from({ length: headsPerRecord }, (_, slot) => record.readUInt32LE(16 + slot * 4)),
  };
}
