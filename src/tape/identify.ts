import { decodeLabel, type CartridgeLabel } from './label.ts';
import { foreignMarks } from './foreign-marks.ts';

/** What a file of a tape is, by its beginning. */
export type Identity =
  | { readonly kind: 'label'; readonly label: CartridgeLabel }
  /** Our bootable image; `oneButton` where it stands in the zone that one-button recovery starts from. */
  | { readonly kind: 'appliance'; readonly oneButton: boolean }
  /** What another program wrote, in words a person knows. */
  | { readonly kind: 'foreign'; readonly words: string };

/** So many bytes of the beginning of a tape tell what it is, in blocks of any length. */
export const beginningLength = 64 * 1024;

/** ECMA-119: sectors are of 2048 bytes, and volume descriptors begin at sector 16. */
export const isoSector = 2048;
const descriptorSector = 16;
/** Volume name of the appliance's image; `bootLabel` in src/agent/media.ts. */
const applianceName = 'REMETAL';
/** El Torito: the boot record is the descriptor of sector 17, with this name from its eighth byte on. */
const bootRecord = 'CD001\x01EL TORITO SPECIFICATION';

/** The ISO stands behind so many blocks of so many bytes in the zone that one-button recovery starts from. */
export const zoneBlocks = 20;
export const zoneBlockLength = 512;
const zoneLength = zoneBlocks * zoneBlockLength;

/** The name of the volume in an image that begins at `from`; null where none begins there. */
function isoName(bytes: Buffer, from: number): string | null {
  const at = from + descriptorSector * isoSector;
  // Type 1 is the primary descriptor; its volume identifier has 32 columns.
  if (bytes.toString('latin1', at, at + 6) !== '\x01CD001') return null;
  return bytes.toString('latin1', at + 40, at + 72).trim();
}

/** True for the beginning of an image of ours. */
export function isAppliance(image: Buffer): boolean {
  return isoName(image, 0) === applianceName;
}

/** True where a drive with one-button recovery finds what it looks for before it starts from an image. */
export function isBootableImage(image: Buffer): boolean {
  const at = (descriptorSector + 1) * isoSector + 1;
  return image.toString('latin1', at, at + bootRecord.length) === bootRecord;
}

/** What the first blocks of a file on a tape are. Throws what `decodeLabel` throws. */
export function identify(blocks: readonly Buffer[]): Identity {
  const label = blocks[0] === undefined ? null : decodeLabel(blocks[0]);
  if (label !== null) return { kind: 'label', label };
  const bytes = Buffer.concat(blocks).subarray(0, beginningLength);
  for (const from of [0, zoneLength]) {
    if (isoName(bytes, from) === applianceName) return { kind: 'appliance', oneButton: from > 0 };
  }
  if (isoName(bytes, zoneLength) !== null) return { kind: 'foreign', words: 'a bootable tape (OBDR)' };
  const mark = foreignMarks.find(({ is }) => is(bytes));
  if (mark !== undefined) return { kind: 'foreign', words: mark.words };
  if (isoName(bytes, 0) !== null) return { kind: 'foreign', words: 'a CD image' };
  return { kind: 'foreign', words: 'data of a program that is not known' };
}
