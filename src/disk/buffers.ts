import { pageAligned } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';

/** Every sector size, memory page and direct-I/O grid in use divides this, bytes. */
export const alignment = 4096;

const alignedMemory = new WeakSet<ArrayBufferLike>();

/**
 * A page-aligned buffer of at least one byte, known to the disks as one that direct I/O takes. Each
 * call reserves address space: ask for one and cut it up, rather than for many.
 */
export function alignedBuffer(length: number): Buffer {
  if (!Number.isSafeInteger(length) || length <= 0 || length > 2 ** 31) {
    throw new RemetalError('internal', `A buffer of ${length} bytes was asked for`);
  }
  const aligned = pageAligned(length);
  alignedMemory.add(aligned.buffer);
  return aligned;
}

/** True when direct I/O can use the buffer as it is: from `alignedBuffer`, and starting on `grid` bytes. */
export function isAligned(view: Uint8Array, grid: number): boolean {
  return alignedMemory.has(view.buffer) && view.byteOffset % grid === 0;
}

/** A buffer on loan from a pool. */
export interface Slab {
  /** Page-aligned, of the pool's slab size. What it holds at first is undefined. */
  readonly bytes: Buffer;
  /** Gives it back; nothing may touch `bytes` afterwards. Calling it twice is harmless. */
  release(): void;
}

/** A fixed number of aligned buffers. Waiting callers are served in the order they came. */
export interface BufferPool {
  readonly slabSize: number;
  readonly free: number;
  acquire(): Promise<Slab>;
}

/** Makes a pool of `count` slabs of `slabSize` bytes (rounded up to whole pages), all in one allocation. */
export function bufferPool(slabSize: number, count: number): BufferPool {
  const stride = Math.ceil(slabSize / alignment) * alignment;
  const all = alignedBuffer(stride * count);
  const spare = Array.from({ length: count }, (_, i) => all.subarray(i * stride, i * stride + slabSize));
  const waiting: ((bytes: Buffer) => void)[] = [];
  const lend = (bytes: Buffer): Slab => {
    let lent = true;
    return {
      bytes,
      release() {
        if (!lent) return;
        lent = false;
        const next = waiting.shift();
        if (next === undefined) spare.push(bytes);
        else next(bytes);
      },
    };
  };
  return {
    slabSize,
    get free() {
      return spare.length;
    },
    async acquire() {
      const bytes = spare.pop();
      if (bytes !== undefined) return lend(bytes);
      const { promise, resolve } = Promise.withResolvers<Buffer>();
      waiting.push(resolve);
      return lend(await promise);
    },
  };
}
