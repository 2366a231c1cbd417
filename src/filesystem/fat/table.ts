import type { BlockDevice } from '../../disk/block-device.ts';
import { readTolerant } from '../reading.ts';
import type { FatGeometry } from './boot.ts';

const pageSize = 64 * 1024;
const pagesKept = 64;

/** What one entry of the table says of its cluster. */
export type FatEntry =
  | { readonly kind: 'free' | 'bad' | 'end' }
  | { readonly kind: 'next'; readonly cluster: number };

const free: FatEntry = { kind: 'free' };
const bad: FatEntry = { kind: 'bad' };
const end: FatEntry = { kind: 'end' };

/** The value of entry `cluster` in `table`, whose first byte is byte `from` of the FAT. */
export function entryValue(geometry: FatGeometry, table: Buffer, cluster: number, from = 0): number {
  if (geometry.kind === 16) return table.readUInt16LE(cluster * 2 - from);
  if (geometry.kind === 32) return table.readUInt32LE(cluster * 4 - from) & 0x0f_ff_ff_ff;
  const pair = table.readUInt16LE(Math.floor(cluster * 1.5) - from);
  return cluster % 2 === 1 ? pair >> 4 : pair & 0x0f_ff;
}

/** The mark of a bad cluster; everything from the next value on ends a chain. */
export function badMark(geometry: FatGeometry): number {
  return { 12: 0x0f_f7, 16: 0xff_f7, 32: 0x0f_ff_ff_f7 }[geometry.kind];
}

/** Follows chains through the active table with a few pages of it in memory; unreadable pages read as free. */
export class FatChains {
  readonly #volume: BlockDevice;
  readonly #geometry: FatGeometry;
  readonly #pages = new Map<number, Buffer>();

  constructor(volume: BlockDevice, geometry: FatGeometry) {
    this.#volume = volume;
    this.#geometry = geometry;
  }

  async entry(cluster: number): Promise<FatEntry> {
    const geometry = this.#geometry;
    if (cluster < 2 || cluster > geometry.clusters + 1) return free;
    const value = entryValue(geometry, ...(await this.#window(cluster)));
    if (value === 0) return free;
    if (value === badMark(geometry)) return bad;
    if (value > badMark(geometry)) return end;
    return { kind: 'next', cluster: value };
  }

  async #window(cluster: number): Promise<[table: Buffer, cluster: number, from: number]> {
    const byte = Math.floor((cluster * this.#geometry.kind) / 8);
    const index = this.#geometry.kind === 12 ? 0 : Math.floor(byte / pageSize);
    let page = this.#pages.get(index);
    if (page === undefined) {
      const { fatOffset, fatLength, activeFat, sectorSize, clusters, kind } = this.#geometry;
      // What lies behind the last entry is no part of the control set.
      const entries = Math.ceil(((clusters + 2) * kind) / 8 / sectorSize) * sectorSize;
      const tableEnd = Math.min(entries, fatLength);
      page = await readTolerant(this.#volume, {
        offset: fatOffset + activeFat * fatLength + index * pageSize,
        length: Math.min(pageSize, tableEnd - index * pageSize),
        unit: sectorSize,
      });
    } else {
      this.#pages.delete(index);
    }
    this.#pages.set(index, page);
    const oldest = this.#pages.keys().next();
    if (this.#pages.size > pagesKept && !oldest.done) this.#pages.delete(oldest.value);
    return [page, cluster, index * pageSize];
  }
}
