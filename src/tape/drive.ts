import { pageAligned } from '../bytes/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import type { OpenTape, ScsiRequest, TapeDevice, TapeOperation } from '../system/index.ts';
import { driveError, systemCode } from './drive-errors.ts';
import { lookAt, type DriveLook } from './drive-look.ts';
import { waitUntilReady, type Waiting } from './readiness.ts';
import {
  decodeBlockLimits,
  decodeCartridgeMemory,
  decodeSense,
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

/**
 * Where the tape stands: the file, counted by the filemarks before it, and the block in it, both from 0; -1
 * for somewhere behind its last block.
 */
export interface TapePosition {
  readonly file: number;
  readonly block: number;
}

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

/** How a read ended. `end` is the end of the data: nothing was ever written behind. */
export type ReadResult = Buffer | 'filemark' | 'end';

/** Reads begin with so much room, and grow to the longest block that is met. */
const firstReadSize = 1024 * 1024;
/** A command has 24 bits for the length of a block, and the memory is in whole pages. */
const longestBlock = 16 * 1024 * 1024 - 64 * 1024;
/** st(4): MT_ST_SETBOOLEANS and MT_ST_SCSI2LOGICAL, so that positions are counted in blocks on every drive. */
const logicalBlocks = 0x30000000 + 0x800;
/** SPACE over one filemark (SSC-4), and the sense key and qualifier that say there is none any more. */
const spaceFilemark: ScsiRequest = { command: Uint8Array.of(0x11, 1, 0, 0, 1, 0) };
const blankCheck = 0x08;
const endOfDataMet = 0x05;
/** Blocks before a filemark that are looked at for the last one. */
const mostLastBlocks = 8;

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
  #device: TapeDevice | null = null;
  #access: 'read' | 'write' = 'read';
  #position: TapePosition | null = null;
  /** The block's number as the drive counts it; null where the drive cannot say. */
  #logical: number | null = null;
  #locates = false;
  #readBuffer: Buffer = Buffer.alloc(0);
  #longest = 64 * 1024;
  #loads = 0;
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
    return this.#position;
  }

  get movements(): TapeMovements {
    return { loads: this.#loads, repositionings: this.#repositionings };
  }

  /** True when a cartridge is in the drive, without touching the tape. */
  async isLoaded(): Promise<boolean> {
    if (this.#device !== null) return (await this.#device.status()).online;
    const device = await this.#opened('look');
    try {
      return (await device.status()).online;
    } finally {
      await device.close();
    }
  }

  /**
   * Makes the cartridge in the drive ready and rewinds it: waits while the drive loads or calibrates it, sets
   * blocks of any length and no compression by the drive. Throws `drive-empty`, `drive-not-ready`,
   * `cartridge-protected` for writing on a protected one, `cartridge-cleaning`.
   */
  async ready(access: 'read' | 'write'): Promise<void> {
    if (this.#device !== null && this.#access === access && this.#position !== null) {
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
    this.#device = device;
    this.#access = access;
    try {
      await device.operate('SETBLK', 0);
      await device.operate('REW');
      await this.#prepare(device);
    } catch (error) {
      await this.release();
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
    this.#position = { file: 0, block: 0 };
    this.#locates = (await device.tell().catch(() => null)) === 0;
    this.#logical = this.#locates ? 0 : null;
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
    const device = this.#device;
    this.#device = null;
    this.#position = null;
    await device?.close();
  }

  #standing(): { device: TapeDevice; position: TapePosition } {
    if (this.#device === null) {
      throw new RemetalError('internal', `Tape drive ${this.name} was not made ready.`);
    }
    if (this.#position === null) throw this.#lost();
    return { device: this.#device, position: this.#position };
  }

  #lost(cause?: unknown): RemetalError {
    this.#position = null;
    return new RemetalError('position-lost', `The tape in ${this.name} no longer stands where it was left.`, {
      hint: 'The drive was reset, its cartridge changed, or another program moved it. Let nothing else use it.',
      facts: { drive: this.name },
      cause,
    });
  }

  #moveOn(position: TapePosition, blocks: number): void {
    this.#position = position;
    if (this.#logical !== null) this.#logical += blocks;
  }

  /**
   * Writes one block. `'end-of-medium'`: it was not written, early warning was met; closing blocks may still
   * find room. Throws `drive-failed` with the fact `confirmed` true when the drive stands exactly behind
   * everything written before.
   */
  async write(block: Uint8Array): Promise<'written' | 'end-of-medium'> {
    const { device, position } = this.#standing();
    try {
      await device.write(block);
    } catch (error) {
      if (systemCode(error) === 'ENOSPC') return 'end-of-medium';
      throw await this.#failedAt(error);
    }
    this.#moveOn({ file: position.file, block: position.block + 1 }, 1);
    return 'written';
  }

  /**
   * Ends the file and makes everything written durable: the drive answers when it is on the tape, and then has
   * to stand where we count. Throws `drive-failed` and `position-lost`.
   */
  async filemark(): Promise<void> {
    const { device, position } = this.#standing();
    try {
      await device.operate('WEOF', 1);
    } catch (error) {
      throw await this.#failedAt(error);
    }
    this.#moveOn({ file: position.file + 1, block: 0 }, 1);
    if (!(await this.standsWhereCounted())) throw this.#lost();
  }

  /** Whether the drive, as far as it can tell, stands where we count. */
  async standsWhereCounted(): Promise<boolean> {
    const { device, position } = this.#standing();
    if (this.#logical !== null) return (await device.tell().catch(() => null)) === this.#logical;
    const status = await device.status();
    if (status.file < 0) return true;
    return status.file === position.file && (status.block < 0 || status.block === position.block);
  }

  /* After an error the next call may well succeed, on another cartridge: the drive has to say where it stands. */
  async #failedAt(thrown: unknown): Promise<RemetalError> {
    const failure = driveError(this.name, thrown);
    if (failure.code !== 'drive-failed') return failure;
    const { device } = this.#standing();
    const told = this.#logical === null ? null : await device.tell().catch(() => null);
    const confirmed = told !== null && told === this.#logical;
    const facts = { ...failure.facts, position: this.#position, confirmed };
    if (!confirmed) await this.#giveUp(device);
    const { hint, cause } = failure;
    return new RemetalError(failure.code, failure.message, {
      ...(hint === undefined ? {} : { hint }),
      facts,
      cause,
    });
  }

  /* Let go of while it counts as being written the driver would end the file, on whatever tape is there now. */
  async #giveUp(device: TapeDevice): Promise<void> {
    this.#position = null;
    await device.read(Buffer.alloc(512)).catch(() => {});
  }

  /**
   * Reads the next block. Throws `block-unreadable` for one that cannot be read; the tape then stands before
   * it, and `skip` goes on behind it.
   */
  async read(): Promise<ReadResult> {
    const { device, position } = this.#standing();
    const length = await this.#readInto(device);
    if (length === null) return 'end';
    if (length > 0) {
      if (await this.#isPhantom(device, position, length)) {
        // The driver counts it as a block, and takes the tape for full.
        this.#position = { file: position.file, block: -1 };
        return 'end';
      }
      this.#moveOn({ file: position.file, block: position.block + 1 }, 1);
      return Buffer.from(this.#readBuffer.subarray(0, length));
    }
    const { endOfData } = await device.status();
    if (endOfData) return 'end';
    this.#moveOn({ file: position.file + 1, block: 0 }, 1);
    return 'filemark';
  }

  /**
   * Some drives give a block that is none, as long as the buffer and of zeros, when they read past the last
   * filemark. The driver then tells of the end of the data, or only of that of the tape.
   */
  async #isPhantom(device: TapeDevice, { block }: TapePosition, length: number): Promise<boolean> {
    const full = length === this.#readBuffer.length;
    if (block !== 0 && !full) return false;
    const { endOfData, endOfTape } = await device.status();
    if (block === 0 && endOfData) return true;
    return full && (endOfData || endOfTape) && this.#readBuffer.every((byte) => byte === 0);
  }

  /** The length of the next block, now in the buffer; 0 at a filemark or the end, null where there is no data at all. */
  async #readInto(device: TapeDevice): Promise<number | null> {
    try {
      return await this.#readAny(device);
    } catch (error) {
      if (isCoded(error)) throw error;
      const code = systemCode(error);
      if (code === 'EIO' && (await this.#isAtEnd(device))) return null;
      throw code === 'EIO' ? await this.#unreadable(error) : driveError(this.name, error);
    }
  }

  /** The length of the next block, however long it is; 0 at a filemark. Throws what the system says. */
  async #readAny(device: TapeDevice): Promise<number> {
    if (this.#readBuffer.length === 0) this.#readBuffer = pageAligned(firstReadSize);
    for (;;) {
      try {
        return await device.read(this.#readBuffer);
      } catch (error) {
        if (systemCode(error) !== 'ENOMEM' || this.#readBuffer.length >= longestBlock) throw error;
        // The tape has moved past the block that was too long.
        await this.#move(device, 'BSR', 1);
        this.#readBuffer = pageAligned(Math.min(this.#readBuffer.length * 2, longestBlock));
      }
    }
  }

  /* A cartridge nothing was written on gives an error like a block that cannot be read does. */
  async #isAtEnd(device: TapeDevice): Promise<boolean> {
    if ((await device.status()).endOfData) return true;
    const here = this.#logical;
    if (here === null) return await this.#isLastFile(device);
    if ((await device.tell().catch(() => null)) !== here) return false;
    await device.operate('EOM').catch(() => {});
    if ((await device.tell().catch(() => null)) === here) return true;
    await device.operate('SEEK', here);
    return false;
  }

  /* A drive that cannot say where it stands can still say that no filemark follows. */
  async #isLastFile(device: TapeDevice): Promise<boolean> {
    const { file, block } = this.#standing().position;
    if (block !== 0) return false;
    const follows = await device.operate('FSF', 1).then(
      () => true,
      () => false,
    );
    await device.operate('REW');
    if (file > 0) await device.operate('FSF', file);
    return !follows;
  }

  async #unreadable(cause: unknown): Promise<RemetalError> {
    const { position } = this.#standing();
    if (!(await this.standsWhereCounted().catch(() => false))) return this.#lost(cause);
    return new RemetalError(
      'block-unreadable',
      `Block ${position.block} of file ${position.file} on the cartridge in ${this.name} cannot be read.`,
      {
        hint: 'Clean the drive and try again; another drive may still read the cartridge.',
        facts: { drive: this.name, ...position },
        cause,
      },
    );
  }

  /** Goes past the next block without reading it. */
  async skip(): Promise<void> {
    const { device, position } = this.#standing();
    try {
      if (this.#logical !== null) await device.operate('SEEK', this.#logical + 1);
      else await device.operate('FSR', 1);
    } catch (error) {
      throw driveError(this.name, error);
    }
    this.#moveOn({ file: position.file, block: position.block + 1 }, 1);
  }

  async rewind(): Promise<void> {
    const { device, position } = this.#standing();
    if (position.file === 0 && position.block === 0) return;
    await this.#move(device, 'REW', 1);
    this.#position = { file: 0, block: 0 };
    this.#logical = this.#locates ? 0 : null;
  }

  /** Goes to the first block of a file. False when the tape has no such file; then it stands at its end. */
  async toFile(file: number): Promise<boolean> {
    const { device, position } = this.#standing();
    if (position.file === file && position.block === 0) return true;
    if (position.file >= file) await this.rewind();
    const from = this.#standing().position.file;
    if (file === from) return true;
    try {
      await this.#move(device, 'FSF', file - from);
    } catch (error) {
      if (!isCoded(error, 'drive-failed') || !(await this.#saysEnd(device))) throw error;
      // How many files there are the drive does not say.
      this.#position = { file, block: -1 };
      await this.rewind();
      return false;
    }
    this.#position = { file, block: 0 };
    await this.#askLogical();
    return true;
  }

  /** Whether spacing over a filemark failed because there is none any more. The tape has to be rewound behind this. */
  async #saysEnd(device: TapeDevice): Promise<boolean> {
    if ((await device.status()).endOfData) return true;
    // Of some drives the driver cannot tell; asked past it they say what stopped them.
    const answer = await device.command(spaceFilemark).catch(() => null);
    const sense = answer === null ? null : decodeSense(answer.sense);
    return sense !== null && (sense.key === blankCheck || (sense.asc === 0 && sense.ascq === endOfDataMet));
  }

  /** Goes to a block of a file that has it. */
  async toBlock(file: number, block: number): Promise<void> {
    const here = this.#standing().position;
    if (here.file === file && here.block === block) return;
    if ((here.file !== file || here.block < 0) && !(await this.toFile(file))) throw this.#lost();
    const { device, position } = this.#standing();
    const distance = block - position.block;
    if (distance === 0) return;
    if (this.#logical === null) {
      await this.#move(device, distance > 0 ? 'FSR' : 'BSR', Math.abs(distance));
    } else {
      await this.#move(device, 'SEEK', this.#logical + distance);
      this.#logical += distance;
    }
    this.#position = { file, block };
  }

  /**
   * The last block of the file the tape stands in that `counts`, of its last two; null where neither does. The
   * tape then stands at the next file. Where no filemark ends the file it gives null and stands at the
   * beginning of the tape. Throws `block-unreadable`; then too the tape stands at the next file.
   */
  async lastBlock(counts: (block: Buffer) => boolean = () => true): Promise<Buffer | null> {
    const { device, position } = this.#standing();
    const next = { file: position.file + 1, block: 0 };
    try {
      await this.#move(device, 'FSF', 1);
    } catch (error) {
      if (!isCoded(error, 'drive-failed') || !(await this.#saysEnd(device))) throw error;
      this.#position = { file: next.file, block: -1 };
      await this.rewind();
      return null;
    }
    await this.#move(device, 'BSF', 1);
    const within = await this.#backInFile(device, position.file);
    const { blocks, unreadable } = await this.#restOfFile(device, position.file, within);
    this.#position = next;
    await this.#askLogical();
    const found = blocks.findLast((block) => counts(block));
    if (found === undefined && unreadable !== null) {
      throw new RemetalError(
        'block-unreadable',
        `The end of file ${position.file} on the cartridge in ${this.name} cannot be read.`,
        {
          hint: 'Clean the drive and try again; another drive may still read the cartridge.',
          facts: { drive: this.name, file: position.file },
          cause: unreadable,
        },
      );
    }
    return found ?? null;
  }

  /**
   * From before the filemark that ends a file two blocks back, or to its beginning where it has not so many and
   * the drive says so: then false.
   */
  async #backInFile(device: TapeDevice, file: number): Promise<boolean> {
    try {
      await this.#move(device, 'BSR', 2);
      return true;
    } catch (error) {
      if (!isCoded(error, 'drive-failed')) throw error;
      // It stands before the filemark of the file before, or at the beginning of the tape.
      if (file > 0) await this.#move(device, 'FSF', 1);
      else await this.#move(device, 'REW', 1);
      return false;
    }
  }

  /** The blocks up to the filemark, and what kept one from being read; the tape then stands behind the mark. */
  async #restOfFile(
    device: TapeDevice,
    file: number,
    within: boolean,
  ): Promise<{ readonly blocks: readonly Buffer[]; readonly unreadable: unknown }> {
    const blocks: Buffer[] = [];
    // Some drives go back over a filemark as if it were a block.
    let before = within;
    const from = this.#locates ? await device.tell().catch(() => null) : null;
    // It went back for two, some drives go one further; many more are another file than the one it was in.
    while (blocks.length < mostLastBlocks) {
      let length: number;
      try {
        length = await this.#readAny(device);
      } catch (error) {
        if (systemCode(error) !== 'EIO') throw driveError(this.name, error);
        const told = from === null ? null : await device.tell().catch(() => null);
        const status = await device.status();
        const same = from === null ? status.file < 0 || status.file === file : told === from + blocks.length;
        if (!same) throw this.#lost(error);
        // The tape stands before the block.
        await this.#move(device, 'FSF', 1);
        return { blocks, unreadable: error };
      }
      if (length === 0 && before) {
        before = false;
        continue;
      }
      if (length === 0) return { blocks, unreadable: null };
      before = false;
      blocks.push(Buffer.from(this.#readBuffer.subarray(0, length)));
    }
    throw this.#lost();
  }

  async #askLogical(): Promise<void> {
    this.#logical = this.#locates ? await this.#device!.tell().catch(() => null) : null;
  }

  async #move(device: TapeDevice, operation: TapeOperation, count: number): Promise<void> {
    this.#repositionings++;
    try {
      await device.operate(operation, count);
    } catch (error) {
      // Where it stands now only somebody knows who expected this.
      this.#position = null;
      throw driveError(this.name, error);
    }
  }

  /** Erases everything behind where the tape stands; `long` overwrites all of it, which takes hours. */
  async erase(long: boolean): Promise<void> {
    const { device } = this.#standing();
    try {
      await device.operate('ERASE', long ? 1 : 0);
    } catch (error) {
      throw driveError(this.name, error);
    }
  }

  /** Rewinds and lets go of the cartridge, so that it can be taken out. */
  async eject(): Promise<void> {
    const device = this.#device ?? (await this.#opened('look'));
    this.#device = null;
    this.#position = null;
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
    const device = this.#device ?? (await this.#opened('look'));
    try {
      return await lookAt(device);
    } catch (error) {
      throw driveError(this.name, error);
    } finally {
      if (device !== this.#device) await device.close();
    }
  }

  /** The drive's TapeAlert flags, which asking clears; none where the drive has no such page. */
  async alerts(): Promise<TapeAlert[]> {
    return (await this.#ask(async (device) => decodeTapeAlerts(await device.command(readTapeAlerts)))) ?? [];
  }

  /** What the cartridge's chip says; null where it has none or the drive does not tell. */
  async memory(): Promise<CartridgeMemory | null> {
    return await this.#ask(async (device) => decodeCartridgeMemory(await device.command(readAttributes)));
  }

  async #ask<T>(question: (device: TapeDevice) => Promise<T>): Promise<T | null> {
    const device = this.#device ?? (await this.#opened('look'));
    try {
      return await question(device).catch(() => null);
    } finally {
      if (device !== this.#device) await device.close();
    }
  }
}
