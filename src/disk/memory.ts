import type { Extent } from '../bytes/index.ts';
import { normalize } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { BlockDevice } from './block-device.ts';
import { checkRange } from './range.ts';

const chunkSize = 65536;

export interface MemoryDiskOptions {
  readonly name?: string;
  /** 512 by default. */
  readonly sectorSize?: number;
}

/** Calls `visit` with each chunk number touched, the place in it, the place in the range, and the length. */
function walk(
  offset: number,
  length: number,
  visit: (chunk: number, at: number, from: number, count: number) => void,
): void {
  for (let done = 0; done < length;) {
    const at = (offset + done) % chunkSize;
    const count = Math.min(chunkSize - at, length - done);
    visit(Math.floor((offset + done) / chunkSize), at, done, count);
    done += count;
  }
}

/** A disk in memory. Only what was written takes room, so `size` may be that of the largest disk. */
export function memoryDisk(size: number, options: MemoryDiskOptions = {}): BlockDevice {
  const sectorSize = options.sectorSize ?? 512;
  if (!Number.isSafeInteger(size) || size < 0 || size % sectorSize !== 0) {
    throw new RemetalError('disk-range', `A disk of ${size} bytes is not made of whole sectors`, {
      facts: { size, sectorSize },
    });
  }
  const view = { name: options.name ?? 'memory', size, sectorSize };
  const chunks = new Map<number, Buffer>();
  let closed = false;

  const check = (offset: number, length: number): void => {
    if (closed) throw new RemetalError('internal', `${view.name} was used after it was closed`);
    checkRange(view, offset, length);
  };
  const zero = (offset: number, length: number): void => {
    check(offset, length);
    const end = offset + length;
    for (const [number, chunk] of chunks) {
      const start = number * chunkSize;
      if (start + chunkSize <= offset || start >= end) continue;
      if (offset <= start && end >= start + chunkSize) chunks.delete(number);
      else chunk.fill(0, Math.max(0, offset - start), Math.min(chunkSize, end - start));
    }
  };

  return {
    ...view,
    async read(target, offset) {
      check(offset, target.length);
      walk(offset, target.length, (number, at, from, count) => {
        const chunk = chunks.get(number);
        if (chunk === undefined) target.fill(0, from, from + count);
        else target.set(chunk.subarray(at, at + count), from);
      });
    },
    async write(source, offset) {
      check(offset, source.length);
      walk(offset, source.length, (number, at, from, count) => {
        let chunk = chunks.get(number);
        if (chunk === undefined) chunks.set(number, (chunk = Buffer.alloc(chunkSize)));
        chunk.set(source.subarray(from, from + count), at);
      });
    },
    async writeZeroes(offset, length) {
      zero(offset, length);
    },
    async discard(offset, length) {
      zero(offset, length);
    },
    async flush() {
      check(0, 0);
    },
    async close() {
      closed = true;
    },
    async dataExtents(): Promise<Extent[]> {
      return normalize(
        [...chunks.keys()].map((number) => ({
          start: number * chunkSize,
          length: Math.min(chunkSize, size - number * chunkSize),
        })),
      );
    },
  };
}
