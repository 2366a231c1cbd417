import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes that are kept in a file for as long as it is open. */
export interface Spill {
  write(at: number, bytes: Uint8Array): Promise<void>;
  read(at: number, target: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** A file in a folder that has no name any more: it goes with the program, however that ends. */
export async function openSpill({
  folder,
}: {
  readonly folder: string;
  readonly mostBytes: number;
}): Promise<Spill> {
  const own = await mkdtemp(join(folder, 'remetal-control-'));
  try {
    const file = await open(join(own, 'spill'), 'wx+', 0o600);
    return {
      write: async (at, bytes) => {
        for (let done = 0; done < bytes.length;) {
          done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
        }
      },
      read: async (at, target) => {
        for (let done = 0; done < target.length;) {
          const { bytesRead } = await file.read(target, done, target.length - done, at + done);
          if (bytesRead === 0) throw new Error('The temporary file is shorter than what was put in it.');
          done += bytesRead;
        }
      },
      close: () => file.close(),
    };
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}
