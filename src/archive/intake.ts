import type { Extent } from '../bytes/index.ts';
import { CellCutter, cellSizeOf } from './cells.ts';
import type { VolumeMap } from './set.ts';
import type { SumTable } from './sum-table.ts';

/** Compares the cells of a volume with an earlier set, or only takes their sums. */
export interface Intake {
  push(extents: readonly Extent[], plain: Uint8Array, unreadable: readonly Extent[]): Promise<void>;
  end(): Promise<void>;
}

/** Takes the sums of a volume that is stored whole. */
export class SumsOnly implements Intake {
  readonly #cutter: CellCutter;
  readonly #table: SumTable;

  constructor(map: VolumeMap, table: SumTable) {
    this.#cutter = new CellCutter(cellSizeOf(map.blockSize));
    this.#table = table;
  }

  async push(extents: readonly Extent[], plain: Uint8Array, unreadable: readonly Extent[]): Promise<void> {
    const sums = Array.from(this.#cutter.push(extents, plain, unreadable), ({ sum }) => sum);
    await this.#table.push(Buffer.concat(sums));
  }

  async end(): Promise<void> {
    const last = this.#cutter.end();
    if (last !== null) await this.#table.push(last.sum);
  }
}
