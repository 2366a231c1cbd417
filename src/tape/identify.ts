import { decodeUstar } from '../bytes/index.ts';
import { decodeLabel, type CartridgeLabel } from './label.ts';

/** What a file of a tape is, by its beginning. */
export type Identity =
  | { readonly kind: 'label'; readonly label: CartridgeLabel }
  | { readonly kind: 'appliance' }
  /** What another program wrote, in words a person knows. */
  | { readonly kind: 'foreign'; readonly words: string };

/** ECMA-119: the primary volume descriptor is sector 16, its identifier at 1, the name of the volume at 40. */
const isoDescriptor = 16 * 2048;
/** Volume name of the appliance's image; `bootLabel` in src/agent/media.ts. */
const applianceName = 'REMETAL';
/** Where the ISO begins in the zone that one-button recovery starts from: twenty blocks of 512 bytes stand before. */
const recoveryZone = 20 * 512;

function textAt(bytes: Buffer, offset: number, length: number): string {
  return bytes.toString('latin1', offset, offset + length);
}

function isIso(bytes: Buffer, from: number): boolean {
  return textAt(bytes, from + isoDescriptor + 1, 5) === 'CD001';
}

function isAppliance(bytes: Buffer): boolean {
  return [0, recoveryZone].some(
    (from) => isIso(bytes, from) && textAt(bytes, from + isoDescriptor + 40, 32).trim() === applianceName,
  );
}

interface Mark {
  readonly words: string;
  readonly is: (bytes: Buffer) => boolean;
}

const startsWith =
  (...texts: readonly string[]) =>
  (bytes: Buffer): boolean =>
    texts.some((text) => textAt(bytes, 0, text.length) === text);
const holds =
  (offset: number, text: string) =>
  (bytes: Buffer): boolean =>
    textAt(bytes, offset, text.length) === text;

/** The programs whose tapes are known by name; the first that fits counts. */
const marks: readonly Mark[] = [
  { words: 'an LTFS volume', is: (bytes) => startsWith('VOL1')(bytes) && holds(24, 'LTFS')(bytes) },
  { words: 'a labelled ANSI volume', is: startsWith('VOL1', 'HDR1') },
  { words: 'a labelled IBM volume', is: startsWith('\xe5\xd6\xd3\xf1') },
  // The block header is a checksum, a size, a number and the identifier.
  { words: 'a Bacula or Bareos volume', is: (bytes) => /^BB0[12]$/.test(textAt(bytes, 12, 4)) },
  { words: 'an Amanda volume', is: startsWith('AMANDA: ') },
  { words: 'a volume of Windows or Veeam (Microsoft Tape Format)', is: startsWith('TAPE') },
  { words: 'a BRU volume', is: (bytes) => holds(180, 'bru')(bytes) },
  {
    words: 'a dump of a file system',
    is: (bytes) => bytes.length >= 28 && [60012, 60011].includes(bytes.readInt32LE(24)),
  },
  { words: 'a tar archive', is: (bytes) => holds(257, 'ustar')(bytes) || decodeUstar(bytes, 0) !== null },
  { words: 'a cpio archive', is: startsWith('070701', '070702', '070707', '\xc7\x71') },
  { words: 'data compressed with gzip', is: startsWith('\x1f\x8b') },
  { words: 'data compressed with zstd', is: startsWith('\x28\xb5\x2f\xfd') },
  { words: 'data compressed with xz', is: startsWith('\xfd7zXZ') },
  { words: 'a CD image', is: (bytes) => isIso(bytes, 0) },
  { words: 'zeros', is: (bytes) => bytes.every((byte) => byte === 0) },
];

/** What the first blocks of a file on a tape are. Throws what `decodeLabel` throws. */
export function identify(blocks: readonly Buffer[]): Identity {
  const label = blocks[0] === undefined ? null : decodeLabel(blocks[0]);
  if (label !== null) return { kind: 'label', label };
  const bytes = Buffer.concat(blocks);
  if (isAppliance(bytes)) return { kind: 'appliance' };
  const words = marks.find(({ is }) => is(bytes))?.words ?? 'data of a program that is not known';
  return { kind: 'foreign', words };
}
