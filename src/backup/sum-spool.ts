import { tmpdir } from 'node:os';
import type { Spool } from '../archive/index.ts';
import { openSpill, type Spill } from '../disk/index.ts';

const usualMemory = 16 * 1024 * 1024;

/**
 * Holds a table of sums while a set is written: in memory, and once it is longer than `memoryBytes` in a temporary
 * file without a name. A terabyte of data has a gigabyte of sums.
 */
export function sumSpool(memoryBytes = usualMemory): Spool {
  let chunks: Buffer[] = [];
  let whole: Buffer | null = null;
  let length = 0;
  let spill: Spill | null = null;
  return {
    get length() {
      return length;
    },
    async append(bytes) {
      if (spill === null && length + bytes.length > memoryBytes) {
        spill = await openSpill({ folder: tmpdir(), mostBytes: Number.MAX_SAFE_INTEGER });
        await spill.write(0, Buffer.concat(chunks));
        chunks = [];
        whole = null;
      }
      if (spill === null) {
        chunks.push(Buffer.from(bytes));
        whole = null;
      } else await spill.write(length, bytes);
      length += bytes.length;
    },
    async read(at, count) {
      if (spill === null) {
        whole ??= Buffer.concat(chunks);
        return whole.subarray(at, at + count);
      }
      const out = Buffer.alloc(count);
      await spill.read(at, out);
      return out;
    },
    async close() {
      chunks = [];
      whole = null;
      await spill?.close();
      spill = null;
    },
  };
}
