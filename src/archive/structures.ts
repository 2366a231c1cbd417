/**
 * The numbers of format 1. The tables are in docs/format.md; a number once used is never used again.
 */

/** The version of the format, in every magic. */
export const formatVersion = 1;

/** What a record is; the order here is the order in a full set, but for the sums. */
export const kinds = {
  label: 1,
  head: 2,
  layout: 3,
  map: 4,
  control: 5,
  data: 6,
  checksums: 7,
  exceptions: 8,
  totals: 9,
  index: 10,
  contents: 11,
  /** Reserved for the signature over the digest. */
  signature: 12,
  /** Closes a part that is not the last. */
  more: 13,
  /** Closes the set. */
  end: 14,
  /** What an incremental backup compares with; stands in front of the checksums. */
  sums: 15,
} as const;
export type Kind = keyof typeof kinds;

/** How a payload is stored. `zeros` has none: the plain bytes are all zero. */
export const codecs = { plain: 0, zstd: 1, zeros: 2 } as const;
export type Codec = keyof typeof codecs;

const kindNames = new Map<number, Kind>(typedEntries(kinds));
const codecNames = new Map<number, Codec>(typedEntries(codecs));

function typedEntries<Name extends string>(table: Readonly<Record<Name, number>>): [number, Name][] {
  const names = Object.keys(table).filter((name): name is Name => name in table);
  return names.map((name) => [table[name], name]);
}

/** The kind of a number, or null for one this format does not have. */
export function kindOf(number: number): Kind | null {
  return kindNames.get(number) ?? null;
}

/** The codec of a number, or null for one this format does not have. */
export function codecOf(number: number): Codec | null {
  return codecNames.get(number) ?? null;
}

/** Kinds whose payload is JSON text, stored plain so that `tar x` gives readable files. */
export const jsonKinds: ReadonlySet<Kind> = new Set([
  'label',
  'head',
  'layout',
  'exceptions',
  'totals',
  'contents',
  'more',
  'end',
]);

/** Labels and closings of parts stand outside the numbering: they carry the ordinal of the record that follows. */
export const unnumberedKinds: ReadonlySet<Kind> = new Set(['label', 'more']);

/** Kinds whose records hold bytes of volumes. */
export const groupKinds: ReadonlySet<Kind> = new Set(['control', 'data']);

/** Kinds whose checksums the digest of the set covers, in the order of their ordinals. */
export const digestedKinds: ReadonlySet<Kind> = new Set([
  'head',
  'layout',
  'map',
  'sums',
  'checksums',
  'exceptions',
  'totals',
]);

export const flags = {
  /** Some of the bytes could not be read from the source and are zeros; the header lists them. */
  unreadable: 1,
  /** A second copy of an earlier record. */
  copy: 2,
} as const;
export const knownFlags = flags.unreadable | flags.copy;

/** In the volume field of a record that belongs to none. */
export const noVolume = 0xffffffff;

/** Bytes of SHA-256 kept for each group in the table of checksums. */
export const checksumLength = 16;

/** Least bytes of a cell, the unit in which incremental backups compare. */
export const leastCell = 16 * 1024;

/** Pieces that tables and maps are cut into, plain bytes. */
export const tablePieceLength = 1024 * 1024;
