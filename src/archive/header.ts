import { crc32 } from 'node:zlib';
import { readUint, VarintReader, VarintWriter, writeUint, type Extent } from '../bytes/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import { maxGroupSize } from './map.ts';
import { codecOf, codecs, flags, formatVersion, kindOf, kinds, knownFlags, noVolume } from './structures.ts';
import type { Codec, Kind } from './structures.ts';

/** What a record says of itself. Byte table: docs/format.md, "Record header". */
export interface RecordHeader {
  /** 16 bytes. */
  readonly setId: Buffer;
  readonly ordinal: number;
  readonly kind: Kind;
  readonly codec: Codec;
  readonly copy: boolean;
  /** Position of the volume in the layout record; null where the record belongs to none. */
  readonly volume: number | null;
  /** Group of the volume, piece of a map, first entry of a table piece. */
  readonly index: number;
  readonly plainLength: number;
  readonly storedLength: number;
  /** SHA-256 of the plain bytes. */
  readonly sum: Buffer;
  /** Byte extents of the volume that the plain bytes are; empty but for groups. */
  readonly extents: readonly Extent[];
  readonly unreadable: readonly Extent[];
}

const magic = 'RMTLREC';
const fixedLength = 160;
/** Longest header: a group of one-sector extents, both tables full. */
export const maxHeaderLength = 512 * 1024;

function encodeExtents(extents: readonly Extent[]): Buffer {
  if (extents.length === 0) return Buffer.alloc(0);
  const out = new VarintWriter();
  let end = 0;
  for (const { start, length } of extents) {
    out.push(start - end);
    out.push(length);
    end = start + length;
  }
  return out.bytes();
}

/** Extents of a table of `count`; every one takes two bytes or more, so that `count` cannot lie much. */
function decodeExtents(table: Buffer, count: number): Extent[] {
  const reader = new VarintReader(table);
  const out: Extent[] = [];
  let end = 0;
  for (let i = 0; i < count; i++) {
    const start = end + reader.next();
    const length = reader.next();
    end = start + length;
    if (length === 0 || !Number.isSafeInteger(end)) throw tableRange();
    out.push({ start, length });
  }
  if (reader.remaining !== 0) throw tableRange();
  return out;
}

function tableRange(): RemetalError {
  return new RemetalError('field-range', 'Extent table of a record is out of range.');
}

/** The bytes of a header. Throws `field-range` for values that do not fit. */
export function encodeHeader(header: RecordHeader): Buffer {
  const extents = encodeExtents(header.extents);
  const unreadable = encodeExtents(header.unreadable);
  const length = fixedLength + extents.length + unreadable.length;
  if (length > maxHeaderLength) throw tableRange();
  const out = Buffer.alloc(length);
  out.write(magic, 0, 'latin1');
  out[7] = formatVersion;
  writeUint(out, 8, 4, length, 'header length');
  header.setId.copy(out, 16, 0, 16);
  writeUint(out, 32, 8, header.ordinal, 'ordinal');
  out[40] = kinds[header.kind];
  out[41] = codecs[header.codec];
  const flagged = (header.unreadable.length > 0 ? flags.unreadable : 0) | (header.copy ? flags.copy : 0);
  writeUint(out, 44, 4, flagged, 'flags');
  writeUint(out, 48, 4, header.volume ?? noVolume, 'volume');
  writeUint(out, 52, 4, header.extents.length, 'extent count');
  writeUint(out, 56, 4, extents.length, 'extent table length');
  writeUint(out, 60, 4, header.unreadable.length, 'unreadable count');
  writeUint(out, 64, 4, unreadable.length, 'unreadable table length');
  writeUint(out, 72, 8, header.index, 'index');
  writeUint(out, 80, 8, header.plainLength, 'plain length');
  writeUint(out, 88, 8, header.storedLength, 'stored length');
  header.sum.copy(out, 96, 0, 32);
  extents.copy(out, fixedLength);
  unreadable.copy(out, fixedLength + extents.length);
  writeUint(out, 12, 4, crc32(out), 'CRC');
  return out;
}

function damaged(why: string, cause?: unknown): RemetalError {
  return new RemetalError('record-damaged', `Record header is damaged: ${why}.`, { cause });
}

/**
 * The header in `bytes`. Throws `record-damaged` for anything that is not one, `set-too-new` for a
 * later version or a number this version does not have, `set-encrypted` for an encrypted record.
 */
export function decodeHeader(bytes: Buffer): RecordHeader {
  if (bytes.length < fixedLength || bytes.toString('latin1', 0, 7) !== magic) throw damaged('no magic');
  if (readUint(bytes, 8, 4, 'header length') !== bytes.length) throw damaged('length');
  const zeroed = Buffer.from(bytes);
  zeroed.fill(0, 12, 16);
  if (readUint(bytes, 12, 4, 'CRC') !== crc32(zeroed)) throw damaged('CRC');
  if (bytes[7] !== formatVersion) throw tooNew('version', bytes[7]!);
  if (bytes[42] !== 0) throw encrypted(bytes[42]!, bytes[43]!);
  const kind = kindOf(bytes[40]!);
  const codec = codecOf(bytes[41]!);
  const flagged = readUint(bytes, 44, 4, 'flags');
  if (kind === null) throw tooNew('kind', bytes[40]!);
  if (codec === null) throw tooNew('codec', bytes[41]!);
  if ((flagged & ~knownFlags) !== 0) throw tooNew('flags', flagged);
  try {
    return decodeFields(bytes, kind, codec, flagged);
  } catch (error) {
    throw isCoded(error, 'field-range') ? damaged(error.message, error) : error;
  }
}

function decodeFields(bytes: Buffer, kind: Kind, codec: Codec, flagged: number): RecordHeader {
  const volume = readUint(bytes, 48, 4, 'volume');
  const extentsLength = readUint(bytes, 56, 4, 'extent table length');
  const unreadableLength = readUint(bytes, 64, 4, 'unreadable table length');
  if (fixedLength + extentsLength + unreadableLength !== bytes.length) throw damaged('table lengths');
  const plainLength = readUint(bytes, 80, 8, 'plain length');
  const storedLength = readUint(bytes, 88, 8, 'stored length');
  if (plainLength > maxGroupSize) throw damaged('plain length');
  if (storedLength > plainLength || (codec === 'plain' && storedLength !== plainLength))
    throw damaged('stored length');
  if (codec === 'zeros' && storedLength !== 0) throw damaged('stored length');
  const tables = bytes.subarray(fixedLength);
  const extents = decodeExtents(tables.subarray(0, extentsLength), readUint(bytes, 52, 4, 'extent count'));
  const group = kind === 'control' || kind === 'data';
  const described = extents.reduce((sum, extent) => sum + extent.length, 0);
  if (group !== (volume !== noVolume && kind !== 'map') || (group && described !== plainLength))
    throw damaged('extents');
  return {
    setId: bytes.subarray(16, 32),
    ordinal: readUint(bytes, 32, 8, 'ordinal'),
    kind,
    codec,
    copy: (flagged & flags.copy) !== 0,
    volume: volume === noVolume ? null : volume,
    index: readUint(bytes, 72, 8, 'index'),
    plainLength,
    storedLength,
    sum: bytes.subarray(96, 128),
    extents,
    unreadable: decodeExtents(tables.subarray(extentsLength), readUint(bytes, 60, 4, 'unreadable count')),
  };
}

function tooNew(field: string, value: number): RemetalError {
  return new RemetalError(
    'set-too-new',
    `Record has ${field} ${value}, which format ${formatVersion} does not have.`,
    {
      hint: 'Use a newer Remetal, or the reader that was stored beside the set.',
      facts: { field, value },
    },
  );
}

function encrypted(cipher: number, keySlot: number): RemetalError {
  return new RemetalError('set-encrypted', 'Record is encrypted.', {
    hint: 'Give the key or passphrase of the set.',
    facts: { cipher, keySlot },
  });
}
