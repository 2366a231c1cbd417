import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { memoryDisk, type BlockDevice } from '../../src/disk/index.ts';
import type { TableWrite } from '../../src/layout/index.ts';

/** An image file of `size` bytes with the table that sfdisk makes of `script`. */
export function partitioned(path: string, size: number, script: string): Buffer {
  writeFileSync(path, '');
  truncateSync(path, size);
  execFileSync('sfdisk', ['--quiet', '--no-reread', path], {
    input: script,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  return readFileSync(path);
}

/** As `partitioned`, through a loop device with sectors of 4096 bytes. Needs root. */
export function partitioned4096(path: string, size: number, script: string): Buffer {
  writeFileSync(path, '');
  truncateSync(path, size);
  withLoop(path, 4096, (node) => {
    execFileSync('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', node], {
      input: script,
      stdio: ['pipe', 'ignore', 'pipe'],
    });
  });
  return readFileSync(path);
}

/** Runs `use` with a loop device of a sector size over a file, and takes it away again. */
export function withLoop<T>(path: string, sectorSize: number, use: (node: string) => T): T {
  const node = execFileSync('losetup', ['--find', '--show', '--sector-size', String(sectorSize), path], {
    encoding: 'utf8',
  }).trim();
  try {
    return use(node);
  } finally {
    execFileSync('losetup', ['--detach', node]);
  }
}

/** A disk in memory that holds `bytes`. */
export async function diskOf(bytes: Uint8Array, sectorSize = 512): Promise<BlockDevice> {
  const disk = memoryDisk(bytes.length, { sectorSize });
  await disk.write(bytes, 0);
  return disk;
}

/** Lays table bytes over an image, as a restore does. */
export function lay(image: Buffer, writes: readonly TableWrite[]): Buffer {
  for (const write of writes) write.bytes.copy(image, write.offset);
  return image;
}

interface SfdiskPartition {
  readonly node: string;
  readonly start: number;
  readonly size: number;
  readonly type: string;
  readonly uuid?: string;
  readonly name?: string;
  readonly bootable?: boolean;
}

/** What `sfdisk --json` says of a file or device. */
export function sfdiskJson(path: string): {
  label: string;
  id: string;
  firstlba?: number;
  lastlba?: number;
  partitions: (SfdiskPartition & { number: number })[];
} {
  const { partitiontable } = JSON.parse(execFileSync('sfdisk', ['--json', path], { encoding: 'utf8' }));
  return {
    ...partitiontable,
    partitions: (partitiontable.partitions ?? []).map((part: SfdiskPartition) => ({
      ...part,
      number: Number(/(\d+)$/.exec(part.node)?.[1]),
    })),
  };
}
