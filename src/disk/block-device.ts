/**
 * A block device: a disk, an image file, a partition of either, or a wrapper of one of these.
 *
 * Contract, checked by `test/contract/block-device.ts`:
 * - Offsets and lengths are bytes, safe integers, multiples of `sectorSize`, inside `[0, size)`;
 *   anything else throws `disk-range` and touches nothing. `size` is a multiple of `sectorSize`
 *   (an image file with a ragged tail is cut down to whole sectors and the maker says so).
 * - `read` fills the whole target or throws `disk-read-failed` with facts `{offset, length}`.
 * - `write` has handed over the whole source or throws `disk-write-failed` likewise. It is durable
 *   only after `flush`.
 * - `writeZeroes` leaves zeros readable; it may punch holes or discard where the device guarantees zeros.
 * - Calls may overlap in time; overlapping ranges in flight have no order.
 * - Any buffer is accepted; those from `disk/buffers.ts` are aligned and cost no copy under direct I/O.
 */
export interface BlockDevice {
  /** For messages: the path, or a path with the range of a slice. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Logical sector size in bytes: 512 or 4096. Never assume one of them. */
  readonly sectorSize: number;
  /** Bytes at the end of an image file that make no whole sector and are left out; absent or 0 where there are none. */
  readonly raggedTail?: number;
  read(target: Uint8Array, offset: number): Promise<void>;
  write(source: Uint8Array, offset: number): Promise<void>;
  writeZeroes(offset: number, length: number): Promise<void>;
  discard(offset: number, length: number): Promise<void>;
  flush(): Promise<void>;
  close(): Promise<void>;
  /**
   * The byte extents that may hold something other than zeros, found without reading them (the
   * holes of a sparse image file left out). Absent where the device cannot tell.
   */
  dataExtents?(): Promise<import('../bytes/extents.ts').Extent[]>;
}
