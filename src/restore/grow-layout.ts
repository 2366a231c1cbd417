import type { BlockDevice } from '../disk/block-device.ts';
import { alignedBuffer } from '../disk/buffers.ts';
import { RemetalError } from '../errors/index.ts';
import type { LargerLayout } from '../filesystem/filesystem.ts';

export interface CarryOutOptions {
  readonly signal?: AbortSignal;
  readonly progress?: (doneBytes: number, totalBytes: number) => void;
}

/** The largest piece a layout moves at a time. Bytes. */
const largestPiece = 4 * 1024 * 1024;

/**
 * Moves, patches and writes what a layout says, in its order, one piece at a time: the order is what keeps
 * a piece from being overwritten before it was read. Memory for two pieces.
 *
 * @throws `interrupted` between two pieces, `disk-range` where the layout leaves the volume, and what the
 *   device throws. The volume is undefined then.
 */
export async function carryOut(
  volume: BlockDevice,
  layout: LargerLayout,
  { signal, progress }: CarryOutOptions = {},
): Promise<void> {
  const [piece, held] = [alignedBuffer(largestPiece), alignedBuffer(largestPiece)];
  let taken: { readonly from: number; readonly bytes: Buffer } | null = null;
  let done = 0;
  for (const move of layout.moves()) {
    checkStopped(signal);
    if (move.kind === 'take') {
      const bytes = held.subarray(0, move.length);
      await volume.read(bytes, move.from);
      taken = { from: move.from, bytes };
      continue;
    }
    let bytes = piece.subarray(0, move.length);
    if (move.kind === 'copy') await volume.read(bytes, move.from);
    else {
      const at: number = move.from - (taken?.from ?? 0);
      if (taken === null || at < 0 || at + move.length > taken.bytes.length) {
        throw new RemetalError('internal', `Bytes at ${move.from} of ${volume.name} were put, not taken`);
      }
      bytes = taken.bytes.subarray(at, at + move.length);
    }
    await volume.write(bytes, move.to);
    done += move.length;
    progress?.(done, layout.bytes);
  }
  for (const { extents, patch } of layout.patches) {
    checkStopped(signal);
    for (const { start, length } of extents) {
      const bytes = piece.subarray(0, length);
      await volume.read(bytes, start);
      patch(bytes);
      await volume.write(bytes, start);
    }
  }
  for (const write of layout.writes) {
    checkStopped(signal);
    if ('zeros' in write) {
      if (write.zeros > 0) await volume.writeZeroes(write.offset, write.zeros);
      continue;
    }
    for (let at = 0; at < write.bytes.length; at += largestPiece) {
      await volume.write(write.bytes.subarray(at, at + largestPiece), write.offset + at);
    }
  }
}

function checkStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new RemetalError('interrupted', 'The restore was stopped while a file system was being grown', {
    hint: 'Start it again with the same plan and it goes on where it stopped.',
  });
}
