import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverImage } from '../../test/helpers/server-image.ts';
import { run } from '../harness/index.ts';
import { must } from '../steps/index.ts';

const MiB = 2 ** 20;
/** Where the file system with the known files lies on the disk. */
const data = { offset: 33 * MiB, length: 16 * MiB };
const sectorLength = 512;

/** A disk quick to back up: a small ext4 with known files, one of them large and of bytes nothing shortens. */
export interface SmallDisk {
  readonly file: string;
  readonly bytes: number;
  /** The large file's name. */
  readonly large: string;
  /** From the middle of the large file: stands in one record of a set only, as it is. */
  readonly piece: Buffer;
}

export function smallDisk(folder: string): SmallDisk {
  const file = serverImage(folder, 10 * MiB);
  const noise = readFileSync(join(folder, 'data', 'noise'));
  return { file, bytes: 64 * MiB, large: 'noise', piece: noise.subarray(5 * MiB, 5 * MiB + 4096) };
}

function areaOf(file: string): Buffer {
  return readFileSync(file).subarray(data.offset, data.offset + data.length);
}

/* Names and hashes of the files, read through the kernel's own driver from a mount that changes nothing. */
async function hashesOf(file: string, scratch: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(scratch, 'looked-at');
  mkdirSync(folder, { recursive: true });
  await run('mount', ['-o', `loop,ro,noload,offset=${data.offset},sizelimit=${data.length}`, file, folder]);
  try {
    const names = readdirSync(folder).filter((name) => name !== 'lost+found');
    return new Map(
      names.map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
      ]),
    );
  } finally {
    await run('umount', [folder]);
  }
}

/** The names of the files of a restored disk that are not what they were. */
export async function otherFiles(disk: SmallDisk, restored: string, scratch: string): Promise<string[]> {
  const before = await hashesOf(disk.file, scratch);
  const after = await hashesOf(restored, scratch);
  must(before.size > 1, 'The small disk holds no files.');
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => before.get(name) !== after.get(name),
  );
}

/** Throws unless the file system came back as it was, to the byte and file by file. */
export async function mustBeBack(disk: SmallDisk, restored: string, scratch: string): Promise<void> {
  const other = await otherFiles(disk, restored, scratch);
  must(other.length === 0, `These files of ${restored} are not what they were: ${other.join(', ')}`);
}

/** How much of the file system is there on a half restored disk, bytes. Throws where something else is than was, or zeros. */
export function mustHoldNothingWrong(disk: SmallDisk, restored: string): number {
  const wanted = areaOf(disk.file);
  const found = areaOf(restored);
  const zeros = Buffer.alloc(sectorLength);
  let there = 0;
  for (let at = 0; at < data.length; at += sectorLength) {
    const sector = found.subarray(at, at + sectorLength);
    if (sector.equals(zeros)) continue;
    must(
      sector.equals(wanted.subarray(at, at + sectorLength)),
      `Byte ${at} of the data on ${restored} is wrong.`,
    );
    there += sectorLength;
  }
  return there;
}
