import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { RemetalError } from '../errors/index.ts';
import { ioctl, systemFailure } from './native.ts';
import { sendCommand } from './scsi-command.ts';
import type {
  ScsiAnswer,
  ScsiRequest,
  TapeAccess,
  TapeDevice,
  TapeOperation,
  TapeStatus,
} from './tape-device.ts';

/* <linux/mtio.h>, on a machine whose `long` has 64 bits. */
const MTIOCTOP = 0x40086d01;
const MTIOCGET = 0x80306d02;
const MTIOCPOS = 0x80086d03;
const operations: Readonly<Record<TapeOperation, number>> = {
  FSF: 1,
  BSF: 2,
  FSR: 3,
  BSR: 4,
  WEOF: 5,
  REW: 6,
  OFFL: 7,
  NOP: 8,
  BSFM: 10,
  EOM: 12,
  ERASE: 13,
  SETBLK: 20,
  SEEK: 22,
  SETDRVBUFFER: 24,
  LOCK: 28,
  UNLOCK: 29,
  LOAD: 30,
  COMPRESSION: 32,
};
const GMT_EOF = 0x80000000;
const GMT_BOT = 0x40000000;
const GMT_EOT = 0x20000000;
const GMT_EOD = 0x08000000;
const GMT_WR_PROT = 0x04000000;
const GMT_ONLINE = 0x01000000;
const GMT_DR_OPEN = 0x00040000;
const GMT_CLN = 0x00008000;

/* <scsi/sg.h> */
const SG_SET_RESERVED_SIZE = 0x2275;
const SG_GET_RESERVED_SIZE = 0x2272;

/* <asm-generic/errno-base.h>, <asm-generic/errno.h> */
const EIO = 5;
const EBADF = 9;
const EAGAIN = 11;
const EROFS = 30;
const ENOMEDIUM = 123;

/** No adapter's limit lies above it that would be of use. */
const largestAsked = 64 * 1024 * 1024;

/** Node has no name for this errno and calls the error `Unknown system error -123`. */
function named(error: unknown, call: string): unknown {
  const errno = error instanceof Error && 'errno' in error ? error.errno : null;
  return errno === -ENOMEDIUM ? systemFailure(call, ENOMEDIUM) : error;
}

/** The fields of `struct mtget`: five longs (type, residue, dsreg, gstat, erreg) and two ints. */
export function decodeStatus(mtget: Buffer): TapeStatus {
  const dsreg = mtget.readUInt32LE(16);
  const flags = mtget.readUInt32LE(24);
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return {
    file: mtget.readInt32LE(40),
    block: mtget.readInt32LE(44),
    blockSize: dsreg & 0xffffff,
    density: dsreg >>> 24,
    online: has(GMT_ONLINE),
    writeProtected: has(GMT_WR_PROT),
    beginning: has(GMT_BOT),
    endOfFile: has(GMT_EOF),
    endOfData: has(GMT_EOD),
    endOfTape: has(GMT_EOT),
    doorOpen: has(GMT_DR_OPEN),
    cleaning: has(GMT_CLN),
  };
}

/** A drive of the kernel's driver; see `openSt`. */
class StDevice implements TapeDevice {
  readonly name: string;
  readonly #access: TapeAccess;
  #handle: FileHandle;
  #underWay: string | null = null;
  #fresh = true;
  #closed = false;

  constructor(name: string, access: TapeAccess, handle: FileHandle) {
    this.name = name;
    this.#access = access;
    this.#handle = handle;
  }

  /** Calls that overlap would come out in any order, so that is a mistake of the caller's. */
  async #alone<T>(call: string, work: () => Promise<T>): Promise<T> {
    if (this.#underWay !== null) {
      throw new RemetalError('internal', `${call} was called on ${this.name} during ${this.#underWay}`);
    }
    if (this.#closed) throw systemFailure(call, EBADF);
    this.#underWay = call;
    try {
      return await work();
    } catch (error) {
      throw named(error, call);
    } finally {
      this.#underWay = null;
    }
  }

  async read(target: Uint8Array): Promise<number> {
    return await this.#alone('read', async () => {
      // Both would give 0, which is a filemark.
      if (target.length === 0) throw new RemetalError('internal', 'A tape block is read into no room');
      if (this.#access === 'look') throw systemFailure('read', EBADF);
      return (await this.#handle.read(target, 0, target.length, null)).bytesRead;
    });
  }

  async write(block: Uint8Array): Promise<void> {
    await this.#alone('write', async () => {
      if (block.length === 0) throw new RemetalError('internal', 'An empty tape block is written');
      if (this.#access === 'look') throw systemFailure('write', EBADF);
      const { bytesWritten } = await this.#handle.write(block, 0, block.length, null);
      if (bytesWritten !== block.length) throw systemFailure('write, which ended in the block', EIO);
    });
  }

  async operate(operation: TapeOperation, count = 1): Promise<void> {
    const call = `MT${operation} ${count}`;
    await this.#alone(call, async () => {
      if (!Number.isInteger(count) || count < 0 || count > 0xffffffff) {
        throw new RemetalError('internal', `${call}: the count does not fit`);
      }
      const mtop = Buffer.alloc(8);
      mtop.writeInt16LE(operations[operation], 0);
      mtop.writeUInt32LE(count, 4);
      await ioctl(this.#handle.fd, MTIOCTOP, mtop, call);
    });
  }

  async status(): Promise<TapeStatus> {
    return await this.#alone('MTIOCGET', async () => {
      // The driver finds out whether a cartridge is ready when it is opened, and then only repeats that.
      if (this.#access === 'look' && !this.#fresh) {
        await this.#handle.close();
        this.#handle = await openNode(this.name, 'look');
      }
      this.#fresh = false;
      return await statusOf(this.#handle);
    });
  }

  async tell(): Promise<number> {
    return await this.#alone('MTIOCPOS', async () => {
      const mtpos = Buffer.alloc(8);
      await ioctl(this.#handle.fd, MTIOCPOS, mtpos, 'MTIOCPOS');
      return Number(mtpos.readBigInt64LE(0));
    });
  }

  async command(request: ScsiRequest): Promise<ScsiAnswer> {
    return await this.#alone('SG_IO', () => sendCommand(this.#handle.fd, request));
  }

  /** What the block layer takes in one piece; a larger block may still go through. */
  async adapterLimit(): Promise<number | null> {
    return await this.#alone('SG_GET_RESERVED_SIZE', async () => {
      const { fd } = this.#handle;
      const before = Buffer.alloc(4);
      const size = Buffer.alloc(4);
      try {
        await ioctl(fd, SG_GET_RESERVED_SIZE, before, 'SG_GET_RESERVED_SIZE');
        size.writeInt32LE(largestAsked);
        await ioctl(fd, SG_SET_RESERVED_SIZE, size, 'SG_SET_RESERVED_SIZE');
        // What is asked for is cut to what the adapter takes.
        await ioctl(fd, SG_GET_RESERVED_SIZE, size, 'SG_GET_RESERVED_SIZE');
        await ioctl(fd, SG_SET_RESERVED_SIZE, before, 'SG_SET_RESERVED_SIZE');
      } catch {
        return null;
      }
      const limit = size.readInt32LE(0);
      return limit > 0 ? limit : null;
    });
  }

  /** Throws where the driver could not write out what it still held, or the filemark that ends the file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#alone('close', async () => {
      this.#closed = true;
      await this.#handle.close();
    });
  }
}

async function statusOf(handle: FileHandle): Promise<TapeStatus> {
  const mtget = Buffer.alloc(48);
  await ioctl(handle.fd, MTIOCGET, mtget, 'MTIOCGET');
  return decodeStatus(mtget);
}

/*
 * O_NONBLOCK has no effect on reads and writes; without it the call waits two minutes for a cartridge
 * (st(4)). The driver asks the drive all the same and is as ready for use as it would be.
 */
async function openNode(path: string, access: TapeAccess): Promise<FileHandle> {
  const direction = access === 'write' ? constants.O_RDWR : constants.O_RDONLY;
  return await open(path, direction | constants.O_NONBLOCK);
}

/**
 * Opens a drive of the kernel's driver, `/dev/nst0`, at once. It stays this program's until `close`.
 * System errors: `EBUSY` while another program has it; for reading and writing `ENOMEDIUM` without a
 * cartridge and `EAGAIN` while the drive makes one ready; `EROFS` for writing on a protected one; `ENOTTY`
 * where the path is not a drive of this driver.
 */
export async function openSt(path: string, access: TapeAccess): Promise<TapeDevice> {
  const handle = await openNode(path, access).catch((error: unknown) => {
    throw named(error, 'open');
  });
  try {
    const status = await statusOf(handle);
    if (access !== 'look') {
      if (!status.online) {
        throw status.doorOpen ? systemFailure('open', ENOMEDIUM) : systemFailure('open', EAGAIN);
      }
      if (access === 'write' && status.writeProtected) throw systemFailure('open', EROFS);
    }
    return new StDevice(path, access, handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
}
