import type { BlockDevice } from '../disk/block-device.ts';
import type { BufferPool, Slab } from '../disk/buffers.ts';
import { isCoded, RemetalError } from '../errors/index.ts';

/** A run of bytes of a disk that holds a part of a volume. */
export interface Placement {
  readonly device: BlockDevice;
  /** Bytes from the start of the device. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** A piece of a device, and where in the asked-for range it begins. Bytes. */
export interface Piece {
  readonly device: BlockDevice;
  readonly offset: number;
  readonly length: number;
  readonly from: number;
}

/**
 * Where `[start, start + length)` of a volume lies, in order; its segments are strung together in the
 * order given. What reaches beyond the last one is `internal`: the plan made sure of the room.
 */
export function piecesOf(segments: readonly Placement[], start: number, length: number): Piece[] {
  const pieces: Piece[] = [];
  let base = 0;
  let from = 0;
  for (const segment of segments) {
    const at = start + from - base;
    if (from < length && at < segment.length) {
      const count = Math.min(length - from, segment.length - at);
      pieces.push({ device: segment.device, offset: segment.offset + at, length: count, from });
      from += count;
    }
    base += segment.length;
  }
  if (from < length) {
    throw new RemetalError(
      'internal',
      `A volume of ${base} bytes was given bytes ${start} to ${start + length}`,
    );
  }
  return pieces;
}

/** Zeroing is cut into calls of this many bytes, so that a stop or a progress line never waits long. */
const zeroLimit = 256 * 1024 * 1024;

interface Run {
  readonly device: BlockDevice;
  readonly offset: number;
  readonly slab: Slab;
  length: number;
}

/**
 * Writes volumes in large aligned pieces, as many at a time as the pool has buffers. What follows on
 * without a gap is written as one; nothing may be given twice between two barriers.
 */
export class VolumeWriter {
  readonly #pool: BufferPool;
  readonly #pending = new Set<Promise<void>>();
  readonly #touched = new Set<BlockDevice>();
  #run: Run | null = null;
  #zeroes: { device: BlockDevice; offset: number; length: number } | null = null;
  #failure: unknown = null;
  /** Bytes handed over, zeros counted too. */
  writtenBytes = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Takes `bytes` for `start` of a volume. Resolves when there is room for more; the bytes are copied. */
  async put(segments: readonly Placement[], start: number, bytes: Buffer): Promise<void> {
    for (const piece of piecesOf(segments, start, bytes.length)) {
      let done = 0;
      while (done < piece.length) {
        const run = await this.#runAt(piece.device, piece.offset + done);
        const count = Math.min(piece.length - done, this.#pool.slabSize - run.length);
        bytes.copy(run.slab.bytes, run.length, piece.from + done, piece.from + done + count);
        run.length += count;
        done += count;
        if (run.length === this.#pool.slabSize) this.#submitRun();
      }
    }
    this.writtenBytes += bytes.length;
  }

  /** Makes a range of a volume zeros. */
  async zero(segments: readonly Placement[], start: number, length: number): Promise<void> {
    for (const piece of piecesOf(segments, start, length)) {
      let done = 0;
      while (done < piece.length) {
        const at = piece.offset + done;
        const open = this.#zeroes;
        const joins =
          open?.device === piece.device && open.offset + open.length === at && open.length < zeroLimit;
        if (!joins) await this.#submitZeroes();
        const target = joins ? open : (this.#zeroes = { device: piece.device, offset: at, length: 0 });
        const count = Math.min(piece.length - done, zeroLimit - target.length);
        target.length += count;
        done += count;
      }
    }
    this.writtenBytes += length;
  }

  /** Everything given so far is durable when this resolves. Throws the first failure of any write. */
  async barrier(): Promise<void> {
    this.#submitRun();
    await this.#submitZeroes();
    await this.settle();
    this.#check();
    for (const device of this.#touched) await device.flush();
    this.#touched.clear();
  }

  /** Waits for the writes that are under way, whatever becomes of them, and gives back the buffers. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
    this.#run?.slab.release();
    this.#run = null;
  }

  async #runAt(device: BlockDevice, offset: number): Promise<Run> {
    const run = this.#run;
    if (run?.device === device && run.offset + run.length === offset) return run;
    this.#submitRun();
    const slab = await this.#pool.acquire();
    if (this.#failure !== null) slab.release();
    this.#check();
    return (this.#run = { device, offset, slab, length: 0 });
  }

  #submitRun(): void {
    const run = this.#run;
    this.#run = null;
    if (run === null) return;
    const { device, offset, slab, length } = run;
    if (length === 0) slab.release();
    else
      this.#submit(device, offset, length, () => device.write(slab.bytes.subarray(0, length), offset), slab);
  }

  async #submitZeroes(): Promise<void> {
    const zeroes = this.#zeroes;
    this.#zeroes = null;
    if (zeroes === null) return;
    const { device, offset, length } = zeroes;
    // Zeroings hold no buffer, so their number is kept down here.
    if (this.#pending.size > 8) await Promise.race(this.#pending);
    this.#check();
    this.#submit(device, offset, length, () => device.writeZeroes(offset, length), null);
  }

  #submit(
    device: BlockDevice,
    offset: number,
    length: number,
    write: () => Promise<void>,
    slab: Slab | null,
  ): void {
    this.#touched.add(device);
    const pending: Promise<void> = write()
      .catch((error: unknown) => {
        this.#failure ??= inSectors(error, device, offset, length);
      })
      .finally(() => {
        this.#pending.delete(pending);
        slab?.release();
      });
    this.#pending.add(pending);
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }
}

/** A failed write told in sectors of the disk; any other error as it is. */
export function inSectors(error: unknown, device: BlockDevice, offset: number, length: number): unknown {
  if (!isCoded(error, 'disk-write-failed')) return error;
  const first = offset / device.sectorSize;
  const sectors = length / device.sectorSize;
  return new RemetalError(
    'disk-write-failed',
    `${device.name} could not write sectors ${first} to ${first + sectors - 1}`,
    {
      hint: 'Give the restore another disk; the journal stays, should the cause pass.',
      facts: { disk: device.name, sector: first, sectors, offset, length },
      cause: error,
    },
  );
}
