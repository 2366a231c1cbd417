import type { BlockDevice } from '../../disk/block-device.ts';
import { entrySize, recordSize } from './geometry.ts';
import type { Marks } from './marks.ts';
import { purgedRecords } from './purge-records.ts';
import { recordTypes } from './records.ts';
import type { Structures } from './structures.ts';
import type { Survey } from './survey.ts';

/** A block of the volume as it is to be. */
export interface PurgeWrite {
  /** Bytes from the start of the volume. */
  readonly offset: number;
  readonly bytes: Buffer;
}

/**
 * What to write so that deleted files are gone as the server's purge leaves them: their records free in both
 * copies of the directory, the FAT entries of their chains zero in both copies of the FAT. Tails need nothing:
 * a piece nobody leads to is free. Blocks are read and given one at a time; records before the FAT, so that
 * what is cut off in between has lost blocks and no file on free ones. Nothing where the used map is not
 * trusted: there it is not known what live files hold.
 */
export async function* purgeWrites(structures: Structures, survey: Survey): AsyncGenerator<PurgeWrite> {
  if (survey.findings.doubt !== null) return;
  const { device, geometry, directory, extended, fat } = structures;
  const { blockSize, recordsPerBlock, entriesPerBlock } = geometry;
  const records = await purgedRecords(structures);
  const patch = (blocks: Iterable<number>, change: Change): AsyncGenerator<PurgeWrite> =>
    patched(device, { blocks, blockSize }, change);
  for (const blocks of [directory.primaryBlocks, directory.mirrorBlocks]) {
    yield* patch(blocks, freeing(records.directory, recordsPerBlock, freeRecord()));
  }
  for (const blocks of extended === null ? [] : [extended.primaryBlocks, extended.mirrorBlocks]) {
    yield* patch(blocks, freeing(records.extended, recordsPerBlock, Buffer.alloc(recordSize)));
  }
  const freed = (block: number): boolean => {
    const owner = survey.claims.isDeletedOnly(block) ? survey.claims.owner(block) : null;
    return owner !== null && 'record' in owner && records.directory.has(owner.record);
  };
  for (const blocks of [fat.primary, fat.mirror]) {
    yield* patch(blocks, (k, read) => zeroEntries(k * entriesPerBlock, entriesPerBlock, { freed, read }));
  }
}

/** Carries the writes out. What is there already is not written again; durable when it resolves. */
export async function carryOutPurge(device: BlockDevice, writes: AsyncIterable<PurgeWrite>): Promise<void> {
  for await (const { offset, bytes } of writes) await device.write(bytes, offset);
  await device.flush();
}

/** Changes block `k` of a file, which it reads only when it has to; null where there is nothing to change. */
type Change = (k: number, read: () => Promise<Buffer>) => Promise<Buffer | null>;

async function* patched(
  device: BlockDevice,
  { blocks, blockSize }: { readonly blocks: Iterable<number>; readonly blockSize: number },
  change: Change,
): AsyncGenerator<PurgeWrite> {
  let k = 0;
  for (const block of blocks) {
    const offset = block * blockSize;
    let before = Buffer.alloc(0);
    const bytes = await change(k++, async () => {
      before = Buffer.alloc(blockSize);
      await device.read(before, offset);
      return Buffer.from(before);
    });
    if (bytes !== null && !bytes.equals(before)) yield { offset, bytes };
  }
}

function freeRecord(): Buffer {
  const record = Buffer.alloc(recordSize);
  record.writeUInt32LE(recordTypes.free, 0);
  return record;
}

function freeing(records: Marks, perBlock: number, free: Buffer): Change {
  return async (k, read) => {
    if (!records.hasAny(k * perBlock, perBlock)) return null;
    const bytes = await read();
    for (let i = 0; i < perBlock; i++) if (records.has(k * perBlock + i)) free.copy(bytes, i * recordSize);
    return bytes;
  };
}

async function zeroEntries(
  first: number,
  count: number,
  { freed, read }: { readonly freed: (block: number) => boolean; readonly read: () => Promise<Buffer> },
): Promise<Buffer | null> {
  let bytes: Buffer | null = null;
  for (let i = 0; i < count; i++) {
    if (freed(first + i)) (bytes ??= await read()).fill(0, i * entrySize, (i + 1) * entrySize);
  }
  return bytes;
}
