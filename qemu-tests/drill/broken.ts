import { closeSync, openSync, writeSync } from 'node:fs';
import { run } from '../harness/index.ts';

/** Sectors of 512 bytes; where the server's EFI system partition lies (qemu-tests/server/shape.ts). */
const espStart = 4096;
const bootCodeBytes = 440;

/**
 * A copy of the server's disk whose boot loaders are destroyed: no boot code in the first sector, and no file
 * system in the EFI system partition any more.
 */
export async function withoutBootLoaders(original: string, copy: string): Promise<void> {
  await run('cp', ['--sparse=always', original, copy]);
  const handle = openSync(copy, 'r+');
  try {
    writeSync(handle, Buffer.alloc(bootCodeBytes), 0, bootCodeBytes, 0);
    const mebibyte = Buffer.alloc(2 ** 20);
    writeSync(handle, mebibyte, 0, mebibyte.length, espStart * 512);
  } finally {
    closeSync(handle);
  }
}
