/*
 * Feature bits of ext2, ext3 and ext4, with the names e2fsprogs prints for them. Source: the Linux
 * kernel's documentation, Documentation/filesystems/ext4/super.rst, and ext4(5).
 */

export const compat = { hasJournal: 0x4, sparseSuper2: 0x2_00 } as const;

export const incompat = {
  filetype: 0x2,
  recover: 0x4,
  journalDev: 0x8,
  metaBg: 0x10,
  extents: 0x40,
  bits64: 0x80,
  mmp: 0x1_00,
  flexBg: 0x2_00,
  eaInode: 0x4_00,
  csumSeed: 0x20_00,
  largedir: 0x40_00,
  inlineData: 0x80_00,
  encrypt: 0x1_00_00,
  casefold: 0x2_00_00,
} as const;

export const roCompat = {
  sparseSuper: 0x1,
  largeFile: 0x2,
  btreeDir: 0x4,
  hugeFile: 0x8,
  gdtCsum: 0x10,
  dirNlink: 0x20,
  extraIsize: 0x40,
  quota: 0x1_00,
  bigalloc: 0x2_00,
  metadataCsum: 0x4_00,
  readonly: 0x10_00,
  project: 0x20_00,
  sharedBlocks: 0x40_00,
  verity: 0x80_00,
  orphanPresent: 0x1_00_00,
} as const;

const all = (flags: Readonly<Record<string, number>>): number =>
  Object.values(flags).reduce((sum, flag) => sum | flag, 0);

/** What this driver understands. `journalDev` is understood as "not a file system". */
export const knownIncompat = all(incompat);
export const knownRoCompat = all(roCompat);

/** Names of bits that are defined and not understood here; others are printed as hex. */
export const incompatNames: Readonly<Record<number, string>> = { 0x1: 'compression', 0x10_00: 'dirdata' };
export const roCompatNames: Readonly<Record<number, string>> = { 0x80: 'has_snapshot', 0x8_00: 'replica' };

/** The set bits of `word` by name. */
export function namesOf(word: number, names: Readonly<Record<number, string>>): string {
  const found: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    const flag = 2 ** bit;
    if ((word & flag) !== 0) found.push(names[flag] ?? `0x${flag.toString(16)}`);
  }
  return found.join(', ');
}
