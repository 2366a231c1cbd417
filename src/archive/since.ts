import { RemetalError } from '../errors/index.ts';
import { CellIndex, cellSizeOf, restOf } from './cells.ts';
import type { SetReader } from './reader.ts';
import { maxChain, type ChainLink } from './set.ts';
import { memorySpool, type SpoolMaker } from './spool.ts';
import { checksumLength } from './structures.ts';
import { SumTable } from './sum-table.ts';
import type { VolumeIndex } from './volume-index.ts';

/** A volume of an earlier set, as an incremental backup compares with it. */
export interface SinceVolume {
  /** Bytes of the volume. */
  readonly size: number;
  readonly cellSize: number;
  readonly index: VolumeIndex;
  readonly cells: CellIndex;
  /** Its first entry in the table of sums. */
  readonly firstEntry: number;
}

/** An earlier set that a new one builds on. The medium it lies on is needed no more. */
export interface Since {
  /** The sets the new one may point into, oldest first; the last is the set itself. */
  readonly chain: readonly ChainLink[];
  /** By volume id. */
  readonly volumes: ReadonlyMap<string, SinceVolume>;
  readonly sums: SumTable;
  /** Gives back what it takes. */
  close(): Promise<void>;
}

/**
 * Reads what an incremental backup needs of the set it builds on: block maps and the table of sums.
 *
 * @param reader Not salvaged. Closed by the caller, at any time afterwards.
 * @throws `chain-base-unfit` for a set without sums, or whose chain is as long as one may be; `record-damaged`.
 */
export async function loadSince(reader: SetReader, makeSpool: SpoolMaker = memorySpool): Promise<Since> {
  const { name, head } = reader;
  if (head.chain.length >= maxChain) {
    throw unfit(name, `it is number ${maxChain} of its chain already`);
  }
  const volumes = new Map<string, SinceVolume>();
  let entries = 0;
  for (const [id, map] of reader.maps) {
    const cellSize = cellSizeOf(map.blockSize);
    const cells = new CellIndex(restOf(map), cellSize);
    volumes.set(id, { size: map.size, cellSize, index: reader.index(id), cells, firstEntry: entries });
    entries += cells.count;
  }
  const sums = new SumTable(makeSpool());
  try {
    for await (const piece of reader.sums()) {
      if (sums.count + piece.length / checksumLength > entries)
        throw unfit(name, 'its sums do not fit its maps');
      await sums.push(piece);
    }
    await sums.flush();
    if (sums.count !== entries) throw unfit(name, 'it was made without the sums that are compared with');
    return { chain: [...head.chain, await reader.link()], volumes, sums, close: () => sums.close() };
  } catch (error) {
    await sums.close();
    throw error;
  }
}

function unfit(name: string, why: string): RemetalError {
  return new RemetalError('chain-base-unfit', `No incremental backup can build on ${name}: ${why}.`, {
    hint: 'Make a full backup, and later ones since that.',
    facts: { set: name },
  });
}
