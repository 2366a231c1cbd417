import { readUint, VarintReader, VarintWriter, writeUint, type Extent } from '../bytes/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import { EarlierRuns, type EarlierRun } from './earlier-runs.ts';
import { checkMap, maxMapExtents } from './map.ts';
import { maxChain, type VolumeMap } from './set.ts';
import { formatVersion, tablePieceLength } from './structures.ts';

/** A block map as it stands in a set. */
export interface StoredMap {
  readonly map: VolumeMap;
  /** Ordinal of group 0. */
  readonly firstOrdinal: number;
}

const magic = 'RMTLMAP';
const fixedLength = 64;
/** Two varints of at most eight bytes; of what lies in earlier sets four. */
const longestPair = 16;
const longestRun = 32;

/** Control, data, known zeros, what lies in earlier sets: the order of the lists in a piece. */
type Lists<T> = [control: T, data: T, zero: T, earlier: T];
const listCount = 4;

/** Lists are written one after the other; a piece begins each list anew, so that it can be read alone. */
function pack(
  map: VolumeMap,
  writers: Lists<VarintWriter>,
  at: { list: number; i: number },
  pieceLength: number,
): Lists<number> {
  const counts: Lists<number> = [0, 0, 0, 0];
  const lists = [map.control, map.data, map.zero ?? []];
  const room = (entry: number): boolean =>
    fixedLength + 255 + writers.reduce((sum, writer) => sum + writer.length, 0) + entry <= pieceLength;
  for (; at.list < lists.length; at.list++, at.i = 0) {
    let end = 0;
    for (; at.i < lists[at.list]!.length; at.i++) {
      if (!room(longestPair)) return counts;
      const { start, length } = lists[at.list]![at.i]!;
      writers[at.list]!.push((start - end) / map.blockSize);
      writers[at.list]!.push(Math.ceil(length / map.blockSize));
      end = start + length;
      counts[at.list]!++;
    }
  }
  const { earlier } = map;
  let end = 0;
  for (; at.i < (earlier?.count ?? 0); at.i++) {
    if (!room(longestRun)) return counts;
    const start = earlier!.start(at.i);
    const length = earlier!.length(at.i);
    writers[3].push((start - end) / map.blockSize);
    writers[3].push(Math.ceil(length / map.blockSize));
    writers[3].push(earlier!.link(at.i));
    writers[3].push(earlier!.ordinal(at.i));
    end = start + length;
    counts[3]++;
  }
  at.list = listCount;
  return counts;
}

/**
 * The pieces of a block map, each at most `pieceLength` long, for a map whose groups begin with ordinal 0;
 * `placeMap` says where they really begin. Byte table: docs/format.md, "Block map".
 */
export function encodeMap(map: VolumeMap, pieceLength: number = tablePieceLength): Buffer[] {
  const id = Buffer.from(map.volume, 'utf8');
  if (id.length > 255) {
    throw new RemetalError('field-range', 'Volume id is too long.', { facts: { volume: map.volume } });
  }
  const pieces: Buffer[] = [];
  const at = { list: 0, i: 0 };
  do {
    const writers: Lists<VarintWriter> = [
      new VarintWriter(),
      new VarintWriter(),
      new VarintWriter(),
      new VarintWriter(),
    ];
    const [controlCount, dataCount, zeroCount, earlierCount] = pack(map, writers, at, pieceLength);
    const head = Buffer.alloc(fixedLength);
    head.write(magic, 0, 'latin1');
    head[7] = formatVersion;
    writeUint(head, 8, 4, pieces.length, 'map piece');
    writeUint(head, 16, 8, map.size, 'volume size');
    writeUint(head, 24, 4, map.blockSize, 'block size');
    writeUint(head, 28, 4, map.groupSize, 'group size');
    writeUint(head, 40, 4, controlCount, 'control extents');
    writeUint(head, 44, 4, dataCount, 'data extents');
    writeUint(head, 48, 4, earlierCount, 'runs in earlier sets');
    writeUint(head, 52, 4, id.length, 'volume id length');
    writeUint(head, 56, 4, zeroCount, 'zero extents');
    pieces.push(Buffer.concat([head, id, ...writers.map((writer) => writer.bytes())]));
  } while (at.list < listCount);
  for (const piece of pieces) writeUint(piece, 12, 4, pieces.length, 'map pieces');
  return pieces;
}

/** Says in all pieces of a map what the ordinal of group 0 is. */
export function placeMap(pieces: readonly Buffer[], firstOrdinal: number): void {
  for (const piece of pieces) writeUint(piece, 32, 8, firstOrdinal, 'first ordinal');
}

/** Pieces of the map that a piece belongs to, without reading more of it. */
export function mapPieceCount(piece: Buffer): number {
  return readUint(piece, 12, 4, 'map pieces');
}

function broken(why: string, cause?: unknown): RemetalError {
  return new RemetalError('record-damaged', `Block map is damaged: ${why}.`, { cause });
}

/** What every piece of a map repeats. */
type MapFacts = Omit<VolumeMap, 'control' | 'data' | 'zero' | 'earlier'>;

function readExtents(reader: VarintReader, count: number, map: MapFacts): Extent[] {
  if (count * 2 > reader.remaining) throw broken('extent count');
  const out: Extent[] = [];
  let end = 0;
  for (let i = 0; i < count; i++) {
    const start = end + reader.next() * map.blockSize;
    end = Math.min(start + reader.next() * map.blockSize, map.size);
    out.push({ start, length: end - start });
  }
  return out;
}

function readRuns(reader: VarintReader, count: number, map: MapFacts): EarlierRun[] {
  if (count * 4 > reader.remaining) throw broken('run count');
  const out: EarlierRun[] = [];
  let end = 0;
  for (let i = 0; i < count; i++) {
    const start = end + reader.next() * map.blockSize;
    end = Math.min(start + reader.next() * map.blockSize, map.size);
    const link = reader.next();
    if (link < 1 || link > maxChain) throw broken('number of an earlier set');
    out.push({ start, length: end - start, link, ordinal: reader.next() });
  }
  return out;
}

/**
 * The map of all its pieces, in order. Throws `record-damaged` when they do not fit together or
 * break a rule, `set-too-new` for a later version, `set-encrypted` never.
 */
export function decodeMap(pieces: readonly Buffer[]): StoredMap {
  const control: Extent[][] = [];
  const data: Extent[][] = [];
  let kept = 0;
  const zero: Extent[][] = [];
  const earlier = new EarlierRuns();
  let earlierEnd = 0;
  let first: { facts: MapFacts; firstOrdinal: number } | null = null;
  try {
    for (const [number, piece] of pieces.entries()) {
      const { facts, firstOrdinal, lists, runs } = decodePiece(piece, number, pieces.length);
      kept += lists[0].length + lists[1].length + lists[2].length + runs.length;
      if (kept > maxMapExtents) throw broken('too many extents');
      first ??= { facts, firstOrdinal };
      if (JSON.stringify(first) !== JSON.stringify({ facts, firstOrdinal })) throw broken('pieces differ');
      control.push(lists[0]);
      data.push(lists[1]);
      zero.push(lists[2]);
      for (const { start, length, link, ordinal } of runs) {
        if (length <= 0 || start < earlierEnd) throw broken('runs in earlier sets');
        earlierEnd = start + length;
        earlier.push(start, length, link, ordinal);
      }
    }
    if (first === null) throw broken('no pieces');
    const zeros = zero.flat();
    const map: VolumeMap = {
      ...first.facts,
      control: control.flat(),
      data: data.flat(),
      ...(zeros.length === 0 ? {} : { zero: zeros }),
      ...(earlier.count === 0 ? {} : { earlier }),
    };
    checkMap(map);
    return { map, firstOrdinal: first.firstOrdinal };
  } catch (error) {
    throw isCoded(error, 'field-range') ? broken(error.message, error) : error;
  }
}

function decodePiece(
  piece: Buffer,
  number: number,
  count: number,
): {
  facts: MapFacts;
  firstOrdinal: number;
  lists: readonly [Extent[], Extent[], Extent[]];
  runs: EarlierRun[];
} {
  if (piece.length < fixedLength || piece.toString('latin1', 0, 7) !== magic) throw broken('no magic');
  if (piece[7] !== formatVersion) {
    throw new RemetalError('set-too-new', 'Block map is of a kind this version does not read.', {
      hint: 'Use a newer Remetal.',
      facts: { version: piece[7] },
    });
  }
  if (readUint(piece, 8, 4, 'map piece') !== number || mapPieceCount(piece) !== count)
    throw broken('order of pieces');
  const idLength = readUint(piece, 52, 4, 'volume id length');
  if (idLength > 255 || fixedLength + idLength > piece.length) throw broken('volume id');
  const facts = {
    volume: piece.toString('utf8', fixedLength, fixedLength + idLength),
    size: readUint(piece, 16, 8, 'volume size'),
    blockSize: readUint(piece, 24, 4, 'block size'),
    groupSize: readUint(piece, 28, 4, 'group size'),
  };
  const reader = new VarintReader(piece.subarray(fixedLength + idLength));
  const control = readExtents(reader, readUint(piece, 40, 4, 'control extents'), facts);
  const data = readExtents(reader, readUint(piece, 44, 4, 'data extents'), facts);
  const zero = readExtents(reader, readUint(piece, 56, 4, 'zero extents'), facts);
  const runs = readRuns(reader, readUint(piece, 48, 4, 'runs in earlier sets'), facts);
  if (reader.remaining !== 0) throw broken('length');
  return { facts, firstOrdinal: readUint(piece, 32, 8, 'first ordinal'), lists: [control, data, zero], runs };
}
