import { intersect, type Extent } from '../bytes/index.ts';
import { GroupIndex, type SetWriter } from '../archive/index.ts';
import type { BufferPool, Slab } from '../disk/index.ts';
import { batchesOf, type Batch } from './batches.ts';
import { throwIfStopped } from './interruption.ts';
import { readBatch, type ReadBatch } from './reading.ts';
import type { SurveyedVolume } from './survey.ts';

/** Batches being read while one is handed to the writer. */
const readAhead = 2;

export interface TransferRequest {
  readonly volume: SurveyedVolume;
  readonly writer: SetWriter;
  readonly pool: BufferPool;
  readonly onReadError: 'stop' | 'skip';
  readonly signal: AbortSignal | undefined;
  /** Told after every batch how many plain bytes went to the writer. */
  readonly moved: (bytes: number) => void;
}

interface Reading {
  readonly batch: Batch;
  readonly done: Promise<{ slab: Slab; read: ReadBatch }>;
}

/** Hands the map to the writer; only the index of its groups is kept. */
async function begin({ map }: SurveyedVolume, writer: SetWriter): Promise<GroupIndex> {
  const unpacked = map();
  await writer.beginVolume(unpacked);
  return new GroupIndex(unpacked);
}

/**
 * Moves a volume's kept bytes to the writer: reads run ahead of it, group views of the slabs are
 * handed over without copying. Gives back the byte extents that could not be read. When it throws,
 * no read is under way any more.
 */
export async function transfer(request: TransferRequest): Promise<Extent[]> {
  const { volume, writer, pool, onReadError, signal, moved } = request;
  const index = await begin(volume, writer);
  const batches = batchesOf(index, pool.slabSize);
  const ahead: Reading[] = [];
  const lost: Extent[] = [];
  const launch = (): void => {
    const { value: batch } = batches.next();
    if (batch === undefined) return;
    const done = pool.acquire().then(async (slab) => {
      try {
        return { slab, read: await readBatch(volume.device, batch, slab, onReadError) };
      } catch (error) {
        slab.release();
        throw error;
      }
    });
    // Looked at when its turn comes; until then a failure must not count as unhandled.
    done.catch(() => {});
    ahead.push({ batch, done });
  };

  try {
    for (let i = 0; i < readAhead; i++) launch();
    for (let reading = ahead.shift(); reading !== undefined; reading = ahead.shift()) {
      throwIfStopped(signal);
      const { batch } = reading;
      const { slab, read } = await reading.done;
      launch();
      let users = batch.groups.length;
      const release = (): void => {
        if (--users === 0) slab.release();
      };
      for (const [i, group] of batch.groups.entries()) {
        const unreadable = intersect(group.pieces, read.unreadable);
        const options = unreadable.length === 0 ? { release } : { release, unreadable };
        await writer.group(read.groups[i]!, options);
      }
      lost.push(...read.unreadable);
      moved(batch.plain);
    }
  } finally {
    await Promise.allSettled(ahead.map(({ done }) => done.then(({ slab }) => slab.release())));
  }
  return lost;
}
