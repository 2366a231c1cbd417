import { createHash } from 'node:crypto';
import { closeSync, createReadStream, ftruncateSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { run } from './run.ts';

/** An empty sparse disk of `bytes`. */
export function blankDisk(file: string, bytes: number): void {
  const handle = openSync(file, 'w');
  ftruncateSync(handle, bytes);
  closeSync(handle);
}

/** A qcow2 file that takes the writes while `base` (raw) stays as it is. */
export async function overlay(file: string, base: string): Promise<void> {
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', file]);
}

export interface MediumImage {
  readonly file: string;
  readonly bytes: number;
  readonly filesystem: 'ext4' | 'fat';
  readonly label: string;
  /** Folder of the host whose content lies on the medium. */
  readonly content?: string;
}

/** A labelled medium without partitions, as USB disks often come. Neither root nor a mount is needed. */
export async function makeMedium(medium: MediumImage): Promise<void> {
  blankDisk(medium.file, medium.bytes);
  if (medium.filesystem === 'ext4') {
    const filled = medium.content === undefined ? [] : ['-d', medium.content];
    await run('mkfs.ext4', ['-q', '-F', '-L', medium.label, '-m', '0', ...filled, medium.file]);
    return;
  }
  await run('mkfs.vfat', ['-F', '32', '-n', medium.label, medium.file]);
  if (medium.content !== undefined) {
    const { content } = medium;
    const entries = readdirSync(content).map((name) => join(content, name));
    await run('mcopy', ['-s', '-m', '-Q', '-i', medium.file, ...entries, '::/']);
  }
}

/** SHA-256 of a whole file, as hex. */
export async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 4 << 20 }), hash);
  return hash.digest('hex');
}

/** True when `text` stands anywhere on the disk image, in files or between them. */
export async function holdsText(file: string, text: string): Promise<boolean> {
  // NUL ends a line, so that the zeros of a disk are not one line of gigabytes.
  const { exitCode } = await execa('grep', ['-a', '-z', '-q', '-F', '-e', text, file], { reject: false });
  if (exitCode === 0 || exitCode === 1) return exitCode === 0;
  throw new Error(`grep failed on ${file}.`);
}
