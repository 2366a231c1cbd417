import { tmpdir } from 'node:os';
import { memorySpool, type Spool } from '../archive/index.ts';
import { openSpill, type Spill } from '../disk/index.ts';

const usualMemory = 16 * 1024 * 1024;

/**
 * Holds a table of sums while a set is written: in memory, and once it is longer than `memoryBytes` in a temporary
 * file without a name. A terabyte of data has a gigabyte of sums.
 */
export function sumSpool(memoryBytes = usualMemory): Spool {
  const memory = memorySpool();
  let spilled = 0;
  let spill: Spill | null = null;
  return {
    get length() {
      return spill === null ? memory.length : spilled;
    },
    async append(bytes) {
      if (spill === null && memory.length + bytes.length <= memoryBytes) return await memory.append(bytes);
      if (spill === null) {
        spill = await openSpill({ folder: tmpdir(), mostBytes: Number.MAX_SAFE_INTEGER });
        spilled = memory.length;
        await spill.write(0, await memory.read(0, spilled));
        await memory.close();
      }
      await spill.write(spilled, bytes);
      spilled += bytes.length;
    },
    async read(at, count) {
      if (spill === null) return await memory.read(at, count);
      const out = Buffer.alloc(count);
      await spill.read(at, out);
      return out;
    },
    async close() {
      await memory.close();
      await spill?.close();
      spill = null;
    },
  };
}
