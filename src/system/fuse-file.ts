import { spawn } from 'node:child_process';
import { closeSync, openSync, read, writevSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { RemetalError, systemCode } from '../errors/index.ts';
import {
  attributesReply,
  decodeRequest,
  initReply,
  mostTransfer,
  openReply,
  operations,
  replyHead,
  requestRoom,
  statfsReply,
  writeReply,
  type FuseRequest,
} from './fuse-protocol.ts';
import { connectNbd, type NbdClient } from './nbd-client.ts';
import { programEnvironment } from './run.ts';

const ENOSYS = 38;
const EIO = 5;
/** Requests under way. Each holds a thread of the pool while it waits for the kernel. */
const lanes = 8;

/** What the environment of a process that runs `fuseFile` needs: its waiting takes most of the pool. */
export const fuseFileEnvironment = { UV_THREADPOOL_SIZE: String(lanes + 4) };

export interface FuseFileRequest {
  /** Unix socket of an NBD server, and the name of its export. */
  readonly socket: string;
  readonly export: string;
  /** The file that shows the export from then on; it must be there. */
  readonly file: string;
  readonly readOnly: boolean;
  /** Written with our process number once the file is there. */
  readonly pidFile: string;
}

const readInto = promisify(read);

/**
 * Shows the export of an NBD server as a regular file, by speaking FUSE with the kernel, until the file
 * is unmounted. Needs root. Nothing in this process may touch the file. Throws `server-failed`,
 * `mount-failed`.
 */
export async function fuseFile(request: FuseFileRequest): Promise<void> {
  const client = await connectNbd(request.socket, request.export);
  const device = openSync('/dev/fuse', 'r+');
  try {
    const readOnly = request.readOnly || client.readOnly;
    await mountOn(device, request.file, readOnly);
    await writeFile(request.pidFile, `${process.pid}\n`);
    await Promise.all(Array.from({ length: lanes }, () => lane(device, client, readOnly)));
  } finally {
    closeSync(device);
    client.close();
  }
}

/** The kernel takes the device by the number mount(8) inherits; before that it answers no read. */
async function mountOn(device: number, file: string, readOnly: boolean): Promise<void> {
  const options = [
    readOnly ? 'ro' : 'rw',
    'fd=3',
    'rootmode=100000',
    'user_id=0',
    'group_id=0',
    'allow_other',
    `max_read=${mostTransfer}`,
  ].join(',');
  const child = spawn('mount', ['-i', '-t', 'fuse.remetal', '-o', options, 'remetal', file], {
    stdio: ['ignore', 'inherit', 'inherit', device],
    env: programEnvironment(),
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('exit', (code) => resolve(code));
    child.once('error', reject);
  });
  if (status !== 0) {
    throw new RemetalError('mount-failed', `A file cannot be mounted on ${file}.`, { facts: { status } });
  }
}

async function lane(device: number, client: NbdClient, readOnly: boolean): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(requestRoom);
  for (;;) {
    let length: number;
    try {
      ({ bytesRead: length } = await readInto(device, buffer, 0, buffer.length, null));
    } catch (error) {
      const code = systemCode(error);
      // Unmounted, or its connection was aborted.
      if (code === 'ENODEV' || code === 'ECONNABORTED') return;
      // A request was taken back while it was fetched.
      if (code === 'ENOENT' || code === 'EINTR' || code === 'EAGAIN') continue;
      throw error;
    }
    const asked = decodeRequest(buffer.subarray(0, length));
    const reply = await answer(asked, client, readOnly).catch((error: unknown) => errorNumber(error));
    if (reply === null) continue;
    const [error, bytes] = typeof reply === 'number' ? [reply, Buffer.alloc(0)] : [0, reply];
    try {
      writevSync(device, [replyHead(asked.unique, error, bytes.length), bytes]);
    } catch (failure) {
      // Nobody waits for the answer any more.
      if (systemCode(failure) !== 'ENOENT' && systemCode(failure) !== 'ENODEV') throw failure;
    }
    if (asked.operation === operations.destroy) return;
  }
}

function errorNumber(error: unknown): number {
  const number = error instanceof Error && 'errno' in error ? error.errno : undefined;
  return typeof number === 'number' && number < 0 && number > -4096 ? number : -EIO;
}

/** The bytes of the answer, the negative number of an error, or null where none is wanted. */
async function answer(
  asked: FuseRequest,
  client: NbdClient,
  readOnly: boolean,
): Promise<Buffer | number | null> {
  const { offset, length } = asked;
  switch (asked.operation) {
    case operations.init:
      return initReply(asked.body);
    case operations.getattr:
    case operations.setattr:
      return attributesReply(client.size, readOnly);
    case operations.open:
      return openReply();
    case operations.read: {
      const inside = Math.max(0, Math.min(length, client.size - offset));
      return inside === 0 ? Buffer.alloc(0) : await client.read(offset, inside);
    }
    case operations.write:
      await client.write(offset, asked.data);
      return writeReply(length);
    case operations.fsync:
    case operations.flush:
      if (!readOnly) await client.flush();
      return Buffer.alloc(0);
    case operations.release:
    case operations.destroy:
      return Buffer.alloc(0);
    case operations.statfs:
      return statfsReply();
    case operations.forget:
    case operations.batchForget:
    case operations.interrupt:
      return null;
    default:
      return -ENOSYS;
  }
}
