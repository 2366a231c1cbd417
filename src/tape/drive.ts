import { RemetalError, systemCode } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import type { OpenTape, TapeDevice } from '../system/index.ts';
import { BlockReader, longestBlock, type FileTail, type ReadResult } from './block-reader.ts';
import { TapeCount, type TapePosition } from './count.ts';
import { driveError } from './drive-errors.ts';
import { lookAt, type DriveLook } from './drive-look.ts';
import { waitUntilReady, type Waiting } from './readiness.ts';
import {
  decodeBlockLimits,
  decodeCartridgeMemory,
  decodeTapeAlerts,
  readAttributes,
  readBlockLimits,
  readCompression,
  readConfiguration,
  readTapeAlerts,
  switchCompression,
  type CartridgeMemory,
  type TapeAlert,
} from './scsi.ts';

export interface DriveOptions {
  /** Told what a person should know: a cartridge that is being calibrated, a drive that cannot do something. */
  readonly tell?: (notice: Notice) => void;
  /** How long a drive may take to become ready; see `waitUntilReady`. */
  readonly waiting?: Waiting;
}

/** Turns the drive's compression off by its mode page, where the driver has no word for it; a drive without is fine. */
async function switchOff(device: TapeDevice): Promise<void> {
  for (const ask of [readCompression, readConfiguration]) {
    const change = await device.command(ask).then(
      (page) => switchCompression(page, false),
      () => null,
    );
    if (change === null) continue;
    const answer = await device.command(change).catch(() => null);
    if (answer?.status === 0) return;
  }
}

/** What movements of the tape were made, for the report at the end. */
export interface TapeMovements {
  /** Cartridges that were made ready. */
  readonly loads: number;
  /** Rewinds, spacing and locating: everything but reading and writing on. */
  readonly repositionings: number;
}

/** st(4): MT_ST_SETBOOLEANS and MT_ST_SCSI2LOGICAL, so that positions are counted in blocks on every drive. */
const logicalBlocks = 0x30000000 + 0x800;
/**
 * A tape drive that can be trusted: it knows where the tape stands by its own count, holds the drive to that
 * at every filemark, and turns what a drive does into values and coded errors. One call at a time.
 *
 * Errors of every call: `drive-busy`, `drive-empty`, `drive-failed`, `drive-not-found`, `position-lost` when
 * the tape no longer stands where it was left; after that only `ready` helps.
 */
export class TapeDrive {
  readonly #open: OpenTape;
  readonly #options: DriveOptions;
  readonly name: string;
  #access: 'read' | 'write' = 'read';
  /** Where the tape stands; null while the drive is not open. */
  #count: TapeCount | null = null;
  readonly #reader = new BlockReader();
  #longest = 64 * 1024;
  #loads = 0;
  /** Of drives let go of. */
  #repositionings = 0;

  constructor(name: string, open: OpenTape, options: DriveOptions = {}) {
    this.name = name;
    this.#open = open;
    this.#options = options;
  }

  /** The longest block that drive and adapter take, bytes; known once `ready`. */
  get longestBlock(): number {
    return this.#longest;
  }

  /** Null before `ready`, after `release` and once the position is lost. */
  get position(): TapePosition | null {
    return this.#count?.position ?? null;
  }

  get movements(): TapeMovements {
    const now = this.#count?.repositionings ?? 0;
    return { loads: this.#loads, repositionings: this.#repositionings + now };
  }

  /** True when a cartridge is in the drive, without touching the tape. */
  async isLoaded(): Promise<boolean> {
    return (await this.#asking((device) => device.status())).online;
  }

  /**
   * Makes the cartridge in the drive ready and rewinds it: waits while the drive loads or calibrates it, sets
   * blocks of any length and no compression by the drive. Throws `drive-empty`, `drive-not-ready`,
   * `cartridge-protected` for writing on a protected one, `cartridge-cleaning`.
   */
  async ready(access: 'read' | 'write'): Promise<void> {
    if (this.position !== null && this.#access === access) {
      await this.rewind();
      return;
    }
    await this.release();
    const look = await this.#opened('look');
    try {
      await waitUntilReady(look, this.name, this.#options.waiting, this.#options.tell);
    } finally {
      await look.close();
    }
    const device = await this.#opened(access);
    this.#access = access;
    try {
      await device.operate('SETBLK', 0);
      await device.operate('REW');
      await this.#prepare(device);
      const locates = (await device.tell().catch(() => null)) === 0;
      this.#count = new TapeCount(this.name, device, locates);
    } catch (error) {
      await device.close();
      throw driveError(this.name, error);
    }
    this.#loads++;
  }

  /** Makes the cartridge ready as it was, from its beginning: what helps once the position is lost. */
  async readyAgain(): Promise<void> {
    await this.ready(this.#access);
  }

  /** Everything a drive may lack: what it cannot do is gone without. */
  async #prepare(device: TapeDevice): Promise<void> {
    await device.operate('SETDRVBUFFER', logicalBlocks).catch(() => {});
    await device.operate('COMPRESSION', 0).catch(() => switchOff(device));
    const limits = await device.command(readBlockLimits).then(decodeBlockLimits, () => null);
    const adapter = (await device.adapterLimit?.().catch(() => null)) ?? longestBlock;
    this.#longest = Math.min(limits?.longest ?? 64 * 1024, adapter, longestBlock);
  }

  async #opened(access: 'look' | 'read' | 'write'): Promise<TapeDevice> {
    try {
      return await this.#open(access);
    } catch (error) {
      throw driveError(this.name, error);
    }
  }

  /** Lets go of the drive; what was written and not ended with a filemark gets one from the driver. */
  async release(): Promise<void> {
    const isLost = this.position === null;
    try {
      await this.#forget()?.close();
    } catch (error) {
      // That the file of a tape which was lost cannot be ended any more is no news.
      if (!isLost) throw driveError(this.name, error);
    }
  }

  /** The device, for whoever closes it. */
  #forget(): TapeDevice | null {
    const count = this.#count;
    this.#count = null;
    this.#repositionings += count?.repositionings ?? 0;
    return count?.device ?? null;
  }

  #standing(): TapeCount {
    if (this.#count === null) {
      throw new RemetalError('internal', `Tape drive ${this.name} was not made ready.`);
    }
    return this.#count;
  }

  /**
   * Writes one block. `'end-of-medium'`: it was not written, early warning was met; closing blocks may still
   * find room. Throws `drive-failed` with the fact `confirmed` true when the drive stands exactly behind
   * everything written before.
   */
  async write(block: Uint8Array): Promise<'written' | 'end-of-medium'> {
    const count = this.#standing();
    const { file, block: number } = count.standing();
    try {
      await count.device.write(block);
    } catch (error) {
      if (systemCode(error) !== 'ENOSPC') throw await count.failedAt(error);
      // Some drives take the block that meets early warning, and the driver says all the same that it was not.
      if (!(await count.hasGoneOn())) return 'end-of-medium';
    }
    count.moveOn({ file, block: number + 1 }, 1);
    return 'written';
  }

  /**
   * Ends the file and makes everything written durable: the drive answers when it is on the tape, and then has
   * to stand where we count. Throws `drive-failed` and `position-lost`.
   */
  async filemark(): Promise<void> {
    const count = this.#standing();
    const { file } = count.standing();
    try {
      await count.device.operate('WEOF', 1);
    } catch (error) {
      throw await count.failedAt(error);
    }
    count.moveOn({ file: file + 1, block: 0 }, 1);
    if (!(await count.standsWhereCounted())) throw count.lost();
  }

  /**
   * Reads the next block. Throws `block-unreadable` for one that cannot be read; the tape then stands before
   * it, and `skip` goes on behind it.
   */
  async read(): Promise<ReadResult> {
    return await this.#reader.read(this.#standing());
  }

  /** As `BlockReader.lastBlock`, for the file the tape stands in. */
  async lastBlock(counts: (block: Buffer) => boolean = () => true): Promise<Buffer | null> {
    return await this.#reader.lastBlock(this.#standing(), counts);
  }

  /** As `BlockReader.tail`, for the file the tape stands in. */
  async tail(most: number, mostBytes: number): Promise<FileTail | 'no-end' | null> {
    return await this.#reader.tail(this.#standing(), most, mostBytes);
  }

  /** Goes past the next block without reading it. */
  async skip(): Promise<void> {
    await this.#standing().skip();
  }

  async rewind(): Promise<void> {
    await this.#standing().rewind();
  }

  /** Goes to the first block of a file. False when the tape has no such file; then it stands at its beginning. */
  async toFile(file: number): Promise<boolean> {
    return await this.#standing().toFile(file);
  }

  /** Goes to a block of a file that has it. */
  async toBlock(file: number, block: number): Promise<void> {
    await this.#standing().toBlock(file, block);
  }

  /** Erases everything behind where the tape stands; `long` overwrites all of it, which takes hours. */
  async erase(long: boolean): Promise<void> {
    const count = this.#standing();
    count.standing();
    try {
      await count.device.operate('ERASE', long ? 1 : 0);
    } catch (error) {
      throw driveError(this.name, error);
    }
  }

  /** Rewinds and lets go of the cartridge, so that it can be taken out. */
  async eject(): Promise<void> {
    const device = this.#forget() ?? (await this.#opened('look'));
    try {
      await device.operate('OFFL');
    } catch (error) {
      throw driveError(this.name, error);
    } finally {
      await device.close();
    }
  }

  /** What the drive says of itself, without touching the tape. */
  async look(): Promise<DriveLook> {
    return await this.#asking((device) => lookAt(device));
  }

  /** The drive's TapeAlert flags, which asking clears; none where the drive has no such page. */
  async alerts(): Promise<TapeAlert[]> {
    return await this.#asking(async (device) => {
      const answer = await device.command(readTapeAlerts).catch(() => null);
      return answer === null ? [] : decodeTapeAlerts(answer);
    });
  }

  /** What the cartridge's chip says; null where it has none or the drive does not tell. */
  async memory(): Promise<CartridgeMemory | null> {
    return await this.#asking(async (device) => {
      const answer = await device.command(readAttributes).catch(() => null);
      return answer === null ? null : decodeCartridgeMemory(answer);
    });
  }

  /** Asks the open drive, or one that is opened for it. */
  async #asking<T>(question: (device: TapeDevice) => Promise<T>): Promise<T> {
    const open = this.#count?.device;
    const device = open ?? (await this.#opened('look'));
    try {
      return await question(device);
    } catch (error) {
      throw driveError(this.name, error);
    } finally {
      if (open === undefined) await device.close();
    }
  }
}
