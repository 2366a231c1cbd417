import { constants } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { formatBytes } from '../bytes/index.ts';
import { RemetalError, systemCode } from '../errors/index.ts';

/** A temporary file that has no name: what was written to it is gone once it is closed, or the process ends. */
export interface Spill {
  /** Throws `overlay-full` beyond the most it may take, and where its file system is full. */
  write(at: number, bytes: Uint8Array): Promise<void>;
  /** Fills the target; what was never written reads as zeros. */
  read(at: number, target: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface SpillOptions {
  /** Where the file is made, and where its bytes are kept. */
  readonly folder: string;
  /** Bytes. */
  readonly mostBytes: number;
}

/** Opens a file for the user alone and takes its name away at once. Throws system errors. */
export async function openSpill({ folder, mostBytes }: SpillOptions): Promise<Spill> {
  const path = join(folder, `remetal-${randomUUID()}`);
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const handle: FileHandle = await open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  await rm(path);
  return {
    async write(at, bytes) {
      if (at + bytes.length > mostBytes) throw overlayFull(mostBytes, folder);
      for (let done = 0; done < bytes.length;) {
        try {
          done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
        } catch (cause) {
          const errno = systemCode(cause);
          if (errno === 'ENOSPC' || errno === 'EDQUOT') throw overlayFull(mostBytes, folder, cause);
          throw failed('disk-write-failed', folder, cause);
        }
      }
    },
    async read(at, target) {
      for (let done = 0; done < target.length;) {
        let count: number;
        try {
          count = (await handle.read(target, done, target.length - done, at + done)).bytesRead;
        } catch (cause) {
          throw failed('disk-read-failed', folder, cause);
        }
        if (count === 0) {
          target.fill(0, done);
          return;
        }
        done += count;
      }
    },
    async close() {
      await handle.close();
    },
  };
}

function failed(
  code: 'disk-read-failed' | 'disk-write-failed',
  folder: string,
  cause: unknown,
): RemetalError {
  const verb = code === 'disk-read-failed' ? 'read' : 'written';
  return new RemetalError(code, `A temporary file in ${folder} could not be ${verb}.`, {
    facts: { folder, errno: systemCode(cause) },
    cause,
  });
}

/** @param cause Where the file system had less room than was allowed. */
export function overlayFull(mostBytes: number, folder: string, cause?: unknown): RemetalError {
  return cause === undefined
    ? new RemetalError(
        'overlay-full',
        `What was written has filled the ${formatBytes(mostBytes)} it may take.`,
        {
          hint: 'Allow more with --overlay.',
          facts: { mostBytes },
        },
      )
    : new RemetalError('overlay-full', `What was written has filled the file system of ${folder}.`, {
        hint: 'Set TMPDIR to a folder with more room.',
        facts: { folder, errno: systemCode(cause) },
        cause,
      });
}
