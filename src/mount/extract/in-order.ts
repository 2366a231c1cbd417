import type { Extent } from '../../bytes/index.ts';
import type { BlockDevice } from '../../disk/index.ts';
import { isCoded, type RemetalError } from '../../errors/index.ts';
import type { SetVolume } from '../set-volume.ts';

/** What the bytes of files are read from: a volume of a set in the order of its medium, or any device. */
export type ReadableVolume = BlockDevice & Partial<Pick<SetVolume, 'readInOrder'>>;

const pieceSize = 1024 * 1024;

/** The bytes of some extents, each once; a set's in the order of its medium, others ascending. */
export async function* bytesInOrder(
  volume: ReadableVolume,
  extents: readonly Extent[],
  options: {
    readonly signal?: AbortSignal;
    readonly onDamage: (extent: Extent, error: RemetalError) => void;
  },
): AsyncGenerator<{ readonly start: number; readonly bytes: Buffer }> {
  if (volume.readInOrder !== undefined) {
    yield* volume.readInOrder(extents, options);
    return;
  }
  const { sectorSize } = volume;
  for (const extent of extents) {
    const end = extent.start + extent.length;
    for (let at = extent.start; at < end; at += pieceSize) {
      options.signal?.throwIfAborted();
      const length = Math.min(pieceSize, end - at);
      const from = Math.floor(at / sectorSize) * sectorSize;
      const bytes = Buffer.alloc(Math.ceil((at + length - from) / sectorSize) * sectorSize);
      try {
        await volume.read(bytes, from);
      } catch (error) {
        if (!isCoded(error, 'disk-read-failed')) throw error;
        options.onDamage({ start: at, length }, error);
        continue;
      }
      yield { start: at, bytes: bytes.subarray(at - from, at - from + length) };
    }
  }
}
