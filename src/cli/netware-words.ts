import { attributeBits, type NetwareFile, type Trustee } from '../filesystem/netware/index.ts';

/* Attributes as NetWare's FLAG and FILER write them. */
const letters: readonly (readonly [bit: number, letters: string])[] = [
  [attributeBits.readOnly, 'Ro'],
  [attributeBits.hidden, 'H'],
  [attributeBits.system, 'Sy'],
  [attributeBits.executeOnly, 'X'],
  [attributeBits.archive, 'A'],
  [attributeBits.shareable, 'Sh'],
  [attributeBits.transactional, 'T'],
  [attributeBits.readAudit, 'Ra'],
  [attributeBits.writeAudit, 'Wa'],
  [attributeBits.immediatePurge, 'P'],
  [attributeBits.renameInhibit, 'Ri'],
  [attributeBits.deleteInhibit, 'Di'],
  [attributeBits.copyInhibit, 'Ci'],
  [attributeBits.noSuballocation, 'Ds'],
  [attributeBits.migrated, 'M'],
  [attributeBits.dontMigrate, 'Dm'],
  [attributeBits.immediateCompress, 'Ic'],
  [attributeBits.compressed, 'Co'],
  [attributeBits.dontCompress, 'Dc'],
  [attributeBits.cantCompress, 'Cc'],
];

/** `Ro A`, `-` for none. */
export function attributeText(attributes: number): string {
  const set = letters.filter(([bit]) => (attributes & bit) !== 0).map(([, word]) => word);
  return set.length === 0 ? '-' : set.join(' ');
}

/* From the highest bit down, as RIGHTS writes them; O, open, is a right of NetWare 2. */
const rights: readonly (readonly [bit: number, letter: string])[] = [
  [0x1_00, 'S'],
  [0x01, 'R'],
  [0x02, 'W'],
  [0x04, 'O'],
  [0x08, 'C'],
  [0x10, 'E'],
  [0x80, 'M'],
  [0x40, 'F'],
  [0x20, 'A'],
];

/** `[RF]`, `[SRWCEMFA]`. */
export function rightsText(mask: number): string {
  return `[${rights
    .filter(([bit]) => (mask & bit) !== 0)
    .map(([, letter]) => letter)
    .join('')}]`;
}

/** `0E000003[RF] 00000001[SRWCEMFA]`, `-` for none. */
export function trusteesText(trustees: readonly Trustee[]): string {
  if (trustees.length === 0) return '-';
  return trustees.map(({ id, rights: mask }) => `${id}${rightsText(mask)}`).join(' ');
}

/** A path as it is shown: a directory ends in a slash. */
export function pathText({ path, kind }: Pick<NetwareFile, 'path' | 'kind'>): string {
  return kind === 'directory' ? `${path}/` : path;
}
