import { normalize, type Extent } from '../bytes/index.ts';
import { isCoded } from '../errors/index.ts';
import type { BlockDevice, Slab } from '../disk/index.ts';
import type { Batch, GroupPieces, Run } from './batches.ts';

/** More reads at a time than threads that carry them out gain nothing. */
const parallelReads = 4;

/** A batch that was read. */
export interface ReadBatch {
  /** The plain bytes of each group, views of the slab. */
  readonly groups: readonly Buffer[];
  /** What could not be read: byte extents of the volume, whole sectors, zeros in the slab. */
  readonly unreadable: readonly Extent[];
}

/** Reads one used extent; where that fails, its halves, down to the single sectors that cannot be read. */
async function salvage(
  device: BlockDevice,
  { start, length }: Extent,
  target: Buffer,
  lost: Extent[],
): Promise<void> {
  try {
    await device.read(target, start);
  } catch (error) {
    if (!isCoded(error, 'disk-read-failed')) throw error;
    const sectors = length / device.sectorSize;
    if (sectors <= 1) {
      target.fill(0);
      lost.push({ start, length });
      return;
    }
    const half = Math.ceil(sectors / 2) * device.sectorSize;
    await salvage(device, { start, length: half }, target.subarray(0, half), lost);
    await salvage(device, { start: start + half, length: length - half }, target.subarray(half), lost);
  }
}

async function readRun(
  device: BlockDevice,
  run: Run,
  slab: Buffer,
  onReadError: 'stop' | 'skip',
): Promise<Extent[]> {
  try {
    await device.read(slab.subarray(run.at, run.at + run.length), run.start);
    return [];
  } catch (error) {
    if (onReadError === 'stop' || !isCoded(error, 'disk-read-failed')) throw error;
  }
  const lost: Extent[] = [];
  for (const piece of run.pieces) {
    const { start, length, at } = piece;
    await salvage(device, { start, length }, slab.subarray(at, at + length), lost);
  }
  return lost;
}

/**
 * The plain bytes of a group as one view of the slab. Its pieces are drawn together to the first of
 * them, over the gaps that were read with them; other groups are not touched.
 */
function drawTogether({ pieces, length }: GroupPieces, slab: Buffer): Buffer {
  const start = pieces[0]?.at ?? 0;
  let to = start;
  for (const piece of pieces) {
    if (piece.at !== to) slab.copyWithin(to, piece.at, piece.at + piece.length);
    to += piece.length;
  }
  return slab.subarray(start, start + length);
}

/**
 * Fills a slab with the plain bytes of a batch, group after group. With `skip`, sectors that cannot
 * be read are zeros and are given back; with `stop` they throw `disk-read-failed`.
 */
export async function readBatch(
  device: BlockDevice,
  batch: Batch,
  slab: Slab,
  onReadError: 'stop' | 'skip',
): Promise<ReadBatch> {
  const lost: Extent[] = [];
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < batch.runs.length && !failed) {
      const run = batch.runs[next++]!;
      try {
        lost.push(...(await readRun(device, run, slab.bytes, onReadError)));
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const workers = Array.from({ length: Math.min(parallelReads, batch.runs.length) }, worker);
  // All of them must be done with the slab before anybody else may have it.
  const ended = await Promise.allSettled(workers);
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  return {
    groups: batch.groups.map((group) => drawTogether(group, slab.bytes)),
    unreadable: normalize(lost),
  };
}
