import type { FatKind } from './boot.ts';

/*
 * The code in a boot sector. It stands behind the parameter block, at byte 62 of FAT12 and FAT16 and at
 * byte 90 of FAT32, so that code written for the one cannot even lie where the other wants it.
 */

/** Bytes of the sector that belong to the code; FAT12 and FAT16 have 28 more than FAT32. */
const codeRange = (kind: FatKind): [from: number, to: number] => [kind === 32 ? 90 : 62, 510];

/** What mkfs.fat puts into volumes nobody starts from, and what stands in `notBootable`. */
const notBootableText = 'This is not a bootable disk';

/**
 * What the code of a boot sector means to a file system that is laid out anew. `none`: there is none, or
 * it only says that nothing can be started here. `finds-files`: it goes by the parameter block, the table
 * or the first data cluster, as that of DOS, Windows and OS/2 does. `knows-sectors`: it holds the numbers
 * of the sectors its files lie in, so it starts nothing once they have moved.
 */
export type BootCode = 'none' | 'finds-files' | 'knows-sectors';

/** Looks at the first 512 bytes of a volume. */
export function bootCodeOf(sector: Buffer, kind: FatKind): BootCode {
  const code = sector.subarray(...codeRange(kind));
  const text = code.toString('latin1');
  const name = sector.toString('latin1', 3, 11);
  // Some name themselves where the formatter's name stands; GRUB is known by its first message.
  if (/SYSLINUX|EXTLINUX|LILO/.test(name) || text.includes('GRUB ')) return 'knows-sectors';
  if (text.includes(notBootableText) || code.every((byte) => byte === 0)) return 'none';
  return 'finds-files';
}

/*
 * Prints the text behind it, waits for a key and starts the next device (16-bit code at 0000:7C00):
 * cld / xor ax,ax / mov ds,ax / mov si,text / next: lodsb / or al,al / jz wait / mov ah,0Eh / xor bx,bx /
 * int 10h / jmp next / wait: xor ax,ax / int 16h / int 19h / jmp $.
 */
const tell = 'fc31c08ed8be0000ac08c07408b40e31dbcd10ebf331c0cd16cd19ebfe';
const textOperand = 6;
const loadedAt = 0x7c_00;

/** Writes code that says that nothing can be started here into a boot sector of FAT32. */
export function putNotBootable(sector: Buffer): void {
  const [from, to] = codeRange(32);
  sector.fill(0, from, to);
  const code = Buffer.from(tell, 'hex');
  code.writeUInt16LE(loadedAt + from + code.length, textOperand);
  code.copy(sector, from);
  sector.write(`${notBootableText}.\r\nPress any key.\r\n\0`, from + code.length, 'latin1');
}
