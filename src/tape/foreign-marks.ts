/** How the tapes of another program begin. */
export interface ForeignMark {
  /** What a person calls it, as the object of "holds". */
  readonly words: string;
  readonly is: (bytes: Buffer) => boolean;
}

function textAt(bytes: Buffer, offset: number, length: number): string {
  return bytes.toString('latin1', offset, offset + length);
}

const holds =
  (offset: number, ...texts: readonly string[]) =>
  (bytes: Buffer): boolean =>
    texts.some((text) => textAt(bytes, offset, text.length) === text);

const startsWith = (...texts: readonly string[]): ((bytes: Buffer) => boolean) => holds(0, ...texts);

const and =
  (...tests: readonly ((bytes: Buffer) => boolean)[]) =>
  (bytes: Buffer): boolean =>
    tests.every((test) => test(bytes));

/** dump(8): the magic number is the seventh word of the header; three generations, either byte order. */
const dumpMagics = new Set([60_011, 60_012, 0x1954_0119]);

function isDump(bytes: Buffer): boolean {
  if (bytes.length < 28) return false;
  return dumpMagics.has(bytes.readUInt32LE(24)) || dumpMagics.has(bytes.readUInt32BE(24));
}

/** A tar header of any age: its checksum is right, counted without itself, as bytes or as signed bytes. */
function isTar(bytes: Buffer): boolean {
  if (bytes.length < 512) return false;
  const said = /^ *([0-7]{1,7})[ \0]/.exec(textAt(bytes, 148, 8));
  if (said === null) return false;
  let sum = 8 * 0x20;
  let signed = sum;
  for (let i = 0; i < 512; i++) {
    if (i >= 148 && i < 156) continue;
    sum += bytes[i]!;
    signed += bytes.readInt8(i);
  }
  const value = Number.parseInt(said[1]!, 8);
  return value === sum || value === signed;
}

/* Bacula and Bareos: block header (24 bytes, of version 1: 16), record header (12, of version 1: 20), label. */
const identifier = 12;
const labelText = 36;

/**
 * The programs whose tapes are known by name; the first that fits counts, so what is built upon another
 * format stands before it.
 */
export const foreignMarks: readonly ForeignMark[] = [
  // ISO/IEC 20919, "LTFS Label Construct": the implementation identifier of the VOL1 label.
  { words: 'an LTFS volume', is: and(startsWith('VOL1'), holds(24, 'LTFS')) },
  { words: 'a NetBackup volume', is: and(startsWith('VOL1'), holds(112, 'ThIs Is A BP tApE hEaDer')) },
  // ECMA-13: the first label of a volume, of a file.
  { words: 'a labelled (ANSI) volume', is: startsWith('VOL1', 'HDR1') },
  { words: 'a labelled (IBM) volume', is: startsWith('\xe5\xd6\xd3\xf1', '\xc8\xc4\xd9\xf1') },
  { words: 'a Bareos volume', is: and(holds(identifier, 'BB0'), holds(labelText, 'Bareos ')) },
  { words: 'a Bacula volume', is: and(holds(identifier, 'BB0'), holds(labelText, 'Bacula ')) },
  { words: 'a Bacula or Bareos volume', is: holds(identifier, 'BB01', 'BB02', 'BB03') },
  { words: 'an Amanda volume', is: startsWith('AMANDA: ') },
  // The first eight bytes of the SHA-256 of "Proxmox Tape Block Header v1.0".
  { words: 'a Proxmox Backup volume', is: startsWith('\xdc\xbd\xaf\xca\xeb\xa0\xa5\x28') },
  // Microsoft Tape Format 1.00a: the tape header block; Windows, Backup Exec and Veeam write it.
  { words: 'a volume of Veeam, Backup Exec or Windows (Microsoft Tape Format)', is: startsWith('TAPE') },
  { words: 'a dump of a file system', is: isDump },
  { words: 'a tar archive', is: (bytes) => holds(257, 'ustar')(bytes) || isTar(bytes) },
  {
    words: 'a cpio archive',
    is: startsWith('070701', '070702', '070707', '\xc7\x71', '\x71\xc7'),
  },
  { words: 'data compressed with gzip', is: startsWith('\x1f\x8b\x08') },
  { words: 'data compressed with zstd', is: startsWith('\x28\xb5\x2f\xfd') },
  { words: 'data compressed with xz', is: startsWith('\xfd7zXZ\0') },
  { words: 'data compressed with bzip2', is: startsWith('BZh') },
  { words: 'zeros', is: (bytes) => bytes.length > 0 && bytes.every((byte) => byte === 0) },
];
