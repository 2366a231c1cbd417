import { isCoded, RemetalError } from '../errors/index.ts';
import type { ScsiRequest, TapeDevice, TapeOperation } from '../system/index.ts';
import { driveError } from './drive-errors.ts';
import { decodeSense } from './scsi.ts';

/**
 * Where the tape stands: the file, counted by the filemarks before it, and the block in it, both from 0; -1
 * for somewhere behind its last block.
 */
export interface TapePosition {
  readonly file: number;
  readonly block: number;
}

/** SPACE over one filemark (SSC-4), and the sense key and qualifier that say there is none any more. */
const spaceFilemark: ScsiRequest = { command: Uint8Array.of(0x11, 1, 0, 0, 1, 0) };
const blankCheck = 0x08;
const endOfDataMet = 0x05;

/**
 * Where the tape in an open drive stands, by our own count, and every way to another place. What the driver or
 * the drive say of it is compared with the count and never taken for it.
 */
export class TapeCount {
  /** Of the drive, for messages. */
  readonly name: string;
  readonly device: TapeDevice;
  /** Whether the drive can say where it stands, and go there. */
  readonly locates: boolean;
  /** Rewinds, spacing and locating. */
  repositionings = 0;
  #position: TapePosition | null = { file: 0, block: 0 };
  /** The block's number as the drive counts it; null where the drive cannot say. */
  #logical: number | null;

  /** The tape was just rewound. */
  constructor(name: string, device: TapeDevice, locates: boolean) {
    this.name = name;
    this.device = device;
    this.locates = locates;
    this.#logical = locates ? 0 : null;
  }

  /** Null once the position is lost. */
  get position(): TapePosition | null {
    return this.#position;
  }

  get logical(): number | null {
    return this.#logical;
  }

  /** Throws `position-lost`. */
  standing(): TapePosition {
    if (this.#position === null) throw this.lost();
    return this.#position;
  }

  /** That the tape is not where it was left; from now on nothing is known of it. */
  lost(cause?: unknown): RemetalError {
    this.#position = null;
    return new RemetalError('position-lost', `The tape in ${this.name} no longer stands where it was left.`, {
      hint: 'The drive was reset, its cartridge changed, or another program moved it. Let nothing else use it.',
      facts: { drive: this.name },
      cause,
    });
  }

  /** The tape went on by so many blocks and filemarks. */
  moveOn(position: TapePosition, blocks: number): void {
    this.#position = position;
    if (this.#logical !== null) this.#logical += blocks;
  }

  /** The tape stands here; how the drive counts that it is asked for. */
  async stands(position: TapePosition): Promise<void> {
    this.#position = position;
    this.#logical = this.locates ? await this.device.tell().catch(() => null) : null;
  }

  /** The tape stands somewhere behind the last block of a file. */
  standsBehind(file: number): void {
    this.#position = { file, block: -1 };
  }

  /** Whether the drive, as far as it can tell, stands where we count. */
  async standsWhereCounted(): Promise<boolean> {
    const { device } = this;
    const position = this.standing();
    if (this.#logical !== null) return (await device.tell().catch(() => null)) === this.#logical;
    const status = await device.status();
    if (status.file < 0) return true;
    return status.file === position.file && (status.block < 0 || status.block === position.block);
  }

  /** Whether the drive stands one block further than we count; false where it cannot say. */
  async hasGoneOn(): Promise<boolean> {
    if (this.#logical === null) return false;
    return (await this.device.tell().catch(() => null)) === this.#logical + 1;
  }

  /**
   * What a write that failed comes to. The next call may well succeed, on another cartridge, so the drive has to
   * say where it stands.
   */
  async failedAt(thrown: unknown): Promise<RemetalError> {
    const failure = driveError(this.name, thrown);
    if (failure.code !== 'drive-failed') return failure;
    const { device } = this;
    const counted = this.#logical;
    const told = counted === null ? null : await device.tell().catch(() => null);
    const confirmed = told !== null && told === counted;
    const facts = { ...failure.facts, position: this.#position, confirmed };
    if (!confirmed) await this.#giveUp();
    const { code, message, hint, cause } = failure;
    if (confirmed || counted === null) {
      return new RemetalError(code, message, { ...(hint === undefined ? {} : { hint }), facts, cause });
    }
    return new RemetalError(code, `${message} The tape no longer stands where it was left.`, {
      hint: 'Its cartridge was changed, the drive was reset, or it lost blocks it had taken; nothing was written since. `remetal tape status` says what the drive itself reports.',
      facts,
      cause,
    });
  }

  /* Let go of while it counts as being written the driver would end the file, on whatever tape is there now. */
  async #giveUp(): Promise<void> {
    this.#position = null;
    await this.device.read(Buffer.alloc(512)).catch(() => {});
  }

  /** Goes past the next block without reading it. */
  async skip(): Promise<void> {
    const { device } = this;
    const position = this.standing();
    try {
      if (this.#logical !== null) await device.operate('SEEK', this.#logical + 1);
      else await device.operate('FSR', 1);
    } catch (error) {
      throw driveError(this.name, error);
    }
    this.moveOn({ file: position.file, block: position.block + 1 }, 1);
  }

  /** Goes to the beginning. */
  async rewind(): Promise<void> {
    const position = this.standing();
    if (position.file === 0 && position.block === 0) return;
    await this.move('REW', 1);
    this.#position = { file: 0, block: 0 };
    this.#logical = this.locates ? 0 : null;
  }

  /** Goes to the first block of a file. False when the tape has no such file; then it stands at its beginning. */
  async toFile(file: number): Promise<boolean> {
    const position = this.standing();
    if (position.file === file && position.block === 0) return true;
    if (position.file >= file) await this.rewind();
    const from = this.standing().file;
    if (file === from) return true;
    try {
      await this.move('FSF', file - from);
    } catch (error) {
      if (!isCoded(error, 'drive-failed') || !(await this.saysEnd())) throw error;
      // How many files there are the drive does not say.
      this.standsBehind(file);
      await this.rewind();
      return false;
    }
    await this.stands({ file, block: 0 });
    return true;
  }

  /** Whether spacing over a filemark failed because there is none any more. The tape has to be rewound behind this. */
  async saysEnd(): Promise<boolean> {
    const { device } = this;
    if ((await device.status()).endOfData) return true;
    // Of some drives the driver cannot tell; asked past it they say what stopped them.
    const answer = await device.command(spaceFilemark).catch(() => null);
    const sense = answer === null ? null : decodeSense(answer.sense);
    return sense !== null && (sense.key === blankCheck || (sense.asc === 0 && sense.ascq === endOfDataMet));
  }

  /** Goes to a block of a file that has it. */
  async toBlock(file: number, block: number): Promise<void> {
    const here = this.standing();
    if (here.file === file && here.block === block) return;
    if ((here.file !== file || here.block < 0) && !(await this.toFile(file))) throw this.lost();
    const position = this.standing();
    const distance = block - position.block;
    if (distance === 0) return;
    if (this.#logical === null) {
      await this.move(distance > 0 ? 'FSR' : 'BSR', Math.abs(distance));
    } else {
      await this.move('SEEK', this.#logical + distance);
      this.#logical += distance;
    }
    this.#position = { file, block };
  }

  /** One movement; the position is lost where it fails. */
  async move(operation: TapeOperation, count: number): Promise<void> {
    this.repositionings++;
    try {
      await this.device.operate(operation, count);
    } catch (error) {
      // Where it stands now only somebody knows who expected this.
      this.#position = null;
      throw driveError(this.name, error);
    }
  }
}
