import { hash } from 'node:crypto';
import { decodeUstar, encodeUstar, padded, tarBlock } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { nodeCodec, type Codec } from './codec.ts';
import { decodeHeader, encodeHeader, type RecordHeader } from './header.ts';
import { jsonKinds, unnumberedKinds } from './structures.ts';

/** A record as it was read: its header and the payload as stored. */
export interface StoredRecord {
  readonly header: RecordHeader;
  readonly payload: Buffer;
  /** Bytes of the whole tar member. */
  readonly length: number;
}

/** The last part of a record's tar name, so that `tar t` tells what is what. */
function memberName(header: RecordHeader): string {
  if (unnumberedKinds.has(header.kind))
    return `part${String(header.index).padStart(4, '0')}.${header.kind}.json`;
  const ordinal = String(header.ordinal).padStart(10, '0');
  if (jsonKinds.has(header.kind)) return `${ordinal}.${header.kind}.json`;
  return `${ordinal}.${header.kind}.${{ plain: 'raw', zstd: 'zst', zeros: 'zeros' }[header.codec]}`;
}

/** One record of the pax extended header: the length counts itself (POSIX.1-2001 pax, "pax Extended Header"). */
function paxComment(value: string): Buffer {
  const rest = ` comment=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.from(`${length}${rest}`, 'latin1');
}

const commentPattern = /^(\d{1,7}) comment=([A-Za-z0-9+/]+={0,2})\n$/;

export interface MemberOptions {
  /** The folder all members stand in: the name of the set. */
  readonly folder: string;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/** The tar member of a record, in pieces; the payload is not copied. */
export function encodeRecord(
  header: RecordHeader,
  payload: Uint8Array,
  options: MemberOptions,
): Uint8Array[] {
  const name = memberName(header);
  const comment = paxComment(encodeHeader(header).toString('base64'));
  const front = Buffer.alloc(tarBlock + padded(comment.length) + tarBlock);
  const { mtime } = options;
  encodeUstar(
    { name: `${options.folder}/PaxHeaders/${name}`, size: comment.length, mtime, type: 'x' },
    front,
    0,
  );
  comment.copy(front, tarBlock);
  encodeUstar(
    { name: `${options.folder}/${name}`, size: payload.length, mtime, type: '0' },
    front,
    front.length - tarBlock,
  );
  const padding = padded(payload.length) - payload.length;
  return padding === 0 ? [front, payload] : [front, payload, zeros.subarray(0, padding)];
}

const zeros = Buffer.alloc(tarBlock);

function damaged(why: string): RemetalError {
  return new RemetalError('record-damaged', `Record is damaged: ${why}.`);
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(zeros.subarray(0, bytes.length));
}

/** Takes a tar member apart. Throws what `decodeHeader` throws; the payload is not yet checked against its checksum. */
export function decodeRecord(member: Buffer): StoredRecord {
  const extended = decodeUstar(member, 0);
  if (extended === null || extended.type !== 'x') throw damaged('tar header');
  const second = tarBlock + padded(extended.size);
  const file = decodeUstar(member, second);
  if (file === null || file.type !== '0' || member.length !== second + tarBlock + padded(file.size)) {
    throw damaged('tar header');
  }
  const commentEnd = tarBlock + extended.size;
  const found = commentPattern.exec(member.toString('latin1', tarBlock, commentEnd));
  if (found === null || Number(found[1]) !== extended.size) throw damaged('extended header');
  const header = decodeHeader(Buffer.from(found[2]!, 'base64'));
  const end = second + tarBlock + file.size;
  if (header.storedLength !== file.size) throw damaged('stored length');
  if (!isZero(member.subarray(commentEnd, second)) || !isZero(member.subarray(end))) throw damaged('padding');
  return { header, payload: member.subarray(second + tarBlock, end), length: member.length };
}

/** Plain bytes on loan: after `release` their buffer may be used again. Null for zeros. */
export interface Unpacked {
  readonly plain: Buffer | null;
  readonly release: () => void;
}

/**
 * The plain bytes of a record, checked against their checksum. Throws `record-damaged`. Allocates the
 * plain length at most, which `decodeHeader` has bounded.
 */
export async function unpack(record: StoredRecord, codec: Codec): Promise<Unpacked> {
  const { header, payload } = record;
  if (header.codec === 'zeros') {
    if (!header.sum.equals(sumOfZeros(header.plainLength))) throw damaged('checksum');
    return { plain: null, release: nothing };
  }
  const packed =
    header.codec === 'zstd'
      ? await codec.decompress(payload, header.plainLength)
      : { bytes: payload, release: nothing };
  if (packed === null || packed.bytes.length !== header.plainLength) throw damaged('compressed data');
  if (!header.sum.equals(await codec.sum(packed.bytes))) throw damaged('checksum');
  return { plain: packed.bytes, release: () => packed.release() };
}

function nothing(): void {}

/** As `unpack`, for bytes that are kept. */
export async function plainOf(record: StoredRecord): Promise<Buffer | null> {
  return (await unpack(record, nodeCodec)).plain;
}

/** SHA-256, 32 bytes. */
export function sumOf(plain: Uint8Array): Buffer {
  return hash('sha256', plain, 'buffer');
}

const zeroSums = new Map<number, Buffer>();

/** SHA-256 of `length` zeros; the few lengths that occur are remembered. */
export function sumOfZeros(length: number): Buffer {
  let sum = zeroSums.get(length);
  if (sum === undefined) {
    sum = sumOf(Buffer.alloc(length));
    if (zeroSums.size < 64) zeroSums.set(length, sum);
  }
  return sum;
}
