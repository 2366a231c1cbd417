import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { memoryDisk, type BlockDevice } from '../../../src/disk/index.ts';
import { serveNbd, type NbdServer, type ServeOptions } from '../../../src/mount/nbd/index.ts';
import type { Notice } from '../../../src/progress/index.ts';
import { temporary } from '../../helpers/temporary.ts';

export const MiB = 1024 * 1024;

/** A server on a socket of its own, closed when the test has ended. */
export interface Scene {
  readonly server: NbdServer;
  readonly socket: string;
  readonly folder: string;
  readonly notices: Notice[];
}

export async function serving(
  t: ExecutionContext<any>,
  device: BlockDevice,
  options: Partial<ServeOptions> & { readonly readOnly?: boolean } = {},
): Promise<Scene> {
  const folder = temporary(t);
  const socket = join(folder, 'nbd.sock');
  const notices: Notice[] = [];
  const { readOnly = true, ...rest } = options;
  const server = await serveNbd({
    exports: [{ name: 'disk', description: 'A disk', device, readOnly }],
    listen: { socket },
    tell: (notice) => notices.push(notice),
    ...rest,
  });
  t.teardown(() => server.close());
  return { server, socket, folder, notices };
}

/** Bytes that tell their place. */
export function patterned(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(Math.imul(i + seed, 2654435761) >>> 0, i);
  return bytes;
}

/** A disk in memory with data here and there: at 0, at 3 MiB and at its end, 1 MiB each. */
export async function sparseDisk(size = 16 * MiB): Promise<BlockDevice> {
  const disk = memoryDisk(size);
  for (const at of [0, 3 * MiB, size - MiB]) await disk.write(patterned(MiB, at + 1), at);
  return disk;
}

/** Waits until something holds; fails the test where it never does. */
export async function eventually(
  t: ExecutionContext<any>,
  what: string,
  holds: () => boolean,
): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) {
    if (holds()) {
      t.pass();
      return;
    }
    await delay(5);
  }
  t.fail(`it never came to this: ${what}`);
}
