import { constants } from 'node:fs';
import { open, statfs, type FileHandle } from 'node:fs/promises';
import { btrfsMagic, btrfsPlaces } from './btrfs-chunks.ts';
import type { FilePath } from './file-attributes.ts';
import type { MappedRun } from './mapped-run.ts';
import { ioctl } from './native.ts';

/* <linux/fiemap.h> */
const FS_IOC_FIEMAP = 0xc020660b;
const headLength = 32;
const extentLength = 56;
const extentsAsked = 512;
const flagBits = {
  last: 0x1,
  unknown: 0x2,
  delayed: 0x4,
  encoded: 0x8,
  encrypted: 0x80,
  unaligned: 0x100,
  inline: 0x200,
  tail: 0x400,
  unwritten: 0x800,
} as const;
const elsewhereBits =
  flagBits.unknown |
  flagBits.delayed |
  flagBits.encoded |
  flagBits.encrypted |
  flagBits.unaligned |
  flagBits.inline |
  flagBits.tail;
const everything = 0xffff_ffff_ffff_ffffn;

/**
 * Where the bytes of a file lie on the device of its file system (FIEMAP), ascending in the file; what no run covers
 * is a hole. Null where the file system cannot tell (`EOPNOTSUPP`, `ENOTTY`): then all of it is read through the file.
 * Runs of btrfs are told in bytes of the device, not of its own address space. Throws a system error.
 */
export async function fileRuns(path: FilePath): Promise<MappedRun[] | null> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const runs = await mappedRuns(file);
    if (runs === null) return null;
    const { type } = await statfs(path);
    return type === btrfsMagic ? await btrfsPlaces(file.fd, runs) : runs;
  } finally {
    await file.close();
  }
}

/* <linux/fs.h> */
const FIBMAP = 1;
const FIGETBSZ = 2;

/**
 * About where single bytes of a file lie on the device of its file system (FIBMAP), for one that does not tell runs;
 * null for each that lies nowhere, or where nobody tells. Good for an order only: what lies there need not be what
 * the file reads as. Needs root. Throws a system error where the file cannot be opened.
 */
export async function placeHints(path: FilePath, offsets: readonly number[]): Promise<(number | null)[]> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const blockSize = await numberOf(file.fd, FIGETBSZ, 0, 'ioctl FIGETBSZ');
    const hints: (number | null)[] = [];
    for (const offset of offsets) {
      const block = Math.floor(offset / blockSize);
      // The call knows 31 bits of blocks.
      const found = block > 0x7fff_ffff ? 0 : await numberOf(file.fd, FIBMAP, block, 'ioctl FIBMAP');
      hints.push(found > 0 ? found * blockSize : null);
    }
    return hints;
  } catch (error) {
    if (!isUnable(error) && !(error instanceof Error && 'code' in error && error.code === 'EPERM'))
      throw error;
    return offsets.map(() => null);
  } finally {
    await file.close();
  }
}

async function numberOf(fd: number, request: number, value: number, name: string): Promise<number> {
  const argument = Buffer.alloc(4);
  argument.writeUInt32LE(value);
  await ioctl(fd, request, argument, name);
  return argument.readInt32LE();
}

async function mappedRuns(file: FileHandle): Promise<MappedRun[] | null> {
  const runs: MappedRun[] = [];
  for (let from = 0n; ;) {
    const block = Buffer.alloc(headLength + extentsAsked * extentLength);
    block.writeBigUInt64LE(from, 0);
    block.writeBigUInt64LE(everything - from, 8);
    block.writeUInt32LE(extentsAsked, 24);
    try {
      await ioctl(file.fd, FS_IOC_FIEMAP, block, 'ioctl FIEMAP');
    } catch (error) {
      if (isUnable(error)) return null;
      throw error;
    }
    const count = Math.min(block.readUInt32LE(20), extentsAsked);
    let last = count === 0;
    for (let i = 0; i < count; i++) {
      const at = headLength + i * extentLength;
      const offset = Number(block.readBigUInt64LE(at));
      const length = Number(block.readBigUInt64LE(at + 16));
      const flags = block.readUInt32LE(at + 40);
      last ||= (flags & flagBits.last) !== 0;
      from = BigInt(offset + length);
      // What goes on behind the last byte of the file is told as one long run by some file systems.
      if (length === 0 || !Number.isSafeInteger(offset + length)) continue;
      const kind =
        (flags & elsewhereBits) !== 0 ? 'through' : (flags & flagBits.unwritten) !== 0 ? 'zeros' : 'plain';
      const start = kind === 'plain' ? Number(block.readBigUInt64LE(at + 8)) : null;
      runs.push({ offset, length, start, kind });
    }
    if (last) return runs;
  }
}

function isUnable(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    ['ENOTSUP', 'EOPNOTSUPP', 'ENOTTY', 'ENOSYS', 'EINVAL'].includes(String(error.code))
  );
}
