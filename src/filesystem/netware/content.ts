import type { BlockDevice } from '../../disk/block-device.ts';
import { RemetalError } from '../../errors/index.ts';
import { readBytes, tryReadBytes } from '../reading.ts';
import { followChain, type Chain } from './chain.ts';
import type { FatTable } from './fat.ts';
import { pieceUnit } from './geometry.ts';
import type { NetwareFile } from './objects.ts';
import type { Suballocation } from './suballocation.ts';

const piece = 1024 * 1024;
const unit = 4096;

/** Which part of a file is meant. */
export type Fork = 'data' | 'resource';

/**
 * A run of bytes of a file. `data`: they lie at byte `at` of the volume. `hole`: zeros. `missing`: the
 * chain is damaged before them, nobody knows where they are.
 */
export type FileExtent =
  | { readonly kind: 'data'; readonly offset: number; readonly length: number; readonly at: number }
  | { readonly kind: 'hole' | 'missing'; readonly offset: number; readonly length: number };

/** What the contents of files are read from. */
export interface Contents {
  readonly device: BlockDevice;
  readonly fat: FatTable;
  readonly suballocation: Suballocation;
}

/** A range of a file's bytes; more than the file has is cut off. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
  readonly fork?: Fork;
}

type Stored = Pick<NetwareFile, 'path' | 'size' | 'firstBlock' | 'compressed' | 'resourceFork'>;

/**
 * How many bytes of a fork can be read. Of a compressed file its compressed data: whole blocks as they
 * are stored, since where in the last one they end is known to the compressor alone.
 */
export function lengthOf(contents: Pick<Contents, 'fat'>, file: Stored, fork: Fork = 'data'): number {
  if (fork === 'resource') return file.resourceFork?.size ?? 0;
  return file.compressed ? storedLength(contents.fat, followChain(contents.fat, file.firstBlock)) : file.size;
}

function storedLength(fat: FatTable, { runs, tail }: Chain): number {
  const { blockSize } = fat.geometry;
  const last = runs.length === 0 ? null : runs.at(runs.length - 1);
  const blocks = last === null ? 0 : last.index + last.count;
  return blocks * blockSize + (tail === null ? 0 : tail.size * pieceUnit);
}

/** The extents of a fork in order, from its first byte to its last, holes and what is missing among them. */
export function* extentsOf(contents: Contents, file: Stored, fork: Fork = 'data'): Generator<FileExtent> {
  const { fat, suballocation } = contents;
  const { blockSize } = fat.geometry;
  const first = fork === 'resource' ? (file.resourceFork?.firstBlock ?? 0) : file.firstBlock;
  const size = lengthOf(contents, file, fork);
  const chain = followChain(fat, first, { before: Math.ceil(size / blockSize) });
  let done = 0;
  for (const { index, block, count } of chain.runs) {
    const start = index * blockSize;
    if (start >= size) break;
    if (start > done) yield { kind: 'hole', offset: done, length: start - done };
    const length = Math.min(count * blockSize, size - start);
    yield { kind: 'data', offset: start, length, at: block * blockSize };
    done = start + length;
  }
  if (done >= size) return;
  if (chain.fault !== null) {
    yield { kind: 'missing', offset: done, length: size - done };
    return;
  }
  const { tail } = chain;
  if (tail !== null) {
    const length = Math.min(size - done, tail.size * pieceUnit);
    const parts = suballocation.partsOf(tail, length);
    if (parts === null) {
      yield { kind: 'missing', offset: done, length: size - done };
      return;
    }
    for (const part of parts) {
      yield { kind: 'data', offset: done, length: part.length, at: part.at };
      done += part.length;
    }
  }
  if (done < size) yield { kind: 'hole', offset: done, length: size - done };
}

/** The parts of extents inside `[from, to)`. */
function* clipped(extents: Iterable<FileExtent>, from: number, to: number): Generator<FileExtent> {
  for (const extent of extents) {
    const low = Math.max(from, extent.offset);
    const high = Math.min(to, extent.offset + extent.length);
    if (extent.offset >= to) return;
    if (low >= high) continue;
    const cut = { offset: low, length: high - low };
    yield extent.kind === 'data'
      ? { kind: 'data', ...cut, at: extent.at + low - extent.offset }
      : { kind: extent.kind, ...cut };
  }
}

/** Told of bytes of a file in whose place zeros come. */
export type OnLost = (lost: { readonly offset: number; readonly length: number }) => void;

/**
 * The bytes of a range of a file, in pieces of at most 1 MiB. With `onLost`, zeros for what is lost or cannot
 * be read.
 *
 * @throws without it, `filesystem-damaged` at the first byte nobody knows the place of, `disk-read-failed` as
 *   the device does.
 */
export async function* streamOf(
  contents: Contents,
  file: Stored,
  { offset, length, fork = 'data' }: FileRange,
  onLost?: OnLost,
): AsyncGenerator<Buffer> {
  for (const extent of clipped(extentsOf(contents, file, fork), offset, offset + length)) {
    if (extent.kind === 'missing') {
      if (onLost === undefined) throw missing(file, extent);
      onLost({ offset: extent.offset, length: extent.length });
    }
    for (let done = 0; done < extent.length; done += piece) {
      const count = Math.min(piece, extent.length - done);
      if (extent.kind !== 'data') yield Buffer.alloc(count);
      else
        yield await readPiece(contents.device, extent.at + done, count, {
          offset: extent.offset + done,
          onLost,
        });
    }
  }
}

function missing({ path }: Stored, { offset, length }: FileExtent): RemetalError {
  return new RemetalError(
    'filesystem-damaged',
    `${path}: its chain of blocks is damaged, bytes from ${offset} on are lost`,
    { facts: { path, offset, length } },
  );
}

/** `count` bytes of the volume at `at`; where they cannot all be read, what can be, in units of 4 KiB. */
async function readPiece(
  device: BlockDevice,
  at: number,
  count: number,
  { offset, onLost }: { readonly offset: number; readonly onLost: OnLost | undefined },
): Promise<Buffer> {
  if (onLost === undefined) return await readBytes(device, at, count);
  const whole = await tryReadBytes(device, at, count);
  if (whole !== null) return whole;
  const out = Buffer.alloc(count);
  for (let done = 0; done < count; done += unit) {
    const length = Math.min(unit, count - done);
    const bytes = await tryReadBytes(device, at + done, length);
    if (bytes === null) onLost({ offset: offset + done, length });
    else bytes.copy(out, done);
  }
  return out;
}
