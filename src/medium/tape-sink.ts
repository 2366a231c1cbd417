import { tarEndLength } from '../bytes/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import { isTarEnd, type Cartridges, type LoadedCartridge } from '../tape/index.ts';
import { closesSet } from './closed.ts';
import type { RecordPlace, RecordSink } from './medium.ts';

export interface TapeSinkOptions {
  readonly cartridges: Cartridges;
  readonly first: LoadedCartridge;
  readonly setId: string;
  readonly tell: (notice: Notice) => void;
  /** Called when nothing will be written any more. */
  readonly done: () => void;
}

/** So much of a record tells it from every other: its tar headers and the beginning of its own. */
const headLength = 2048;

/** Writes the records of a set onto cartridges, each part one file of its tape. */
export class TapeSink implements RecordSink {
  readonly #options: TapeSinkOptions;
  #loaded: LoadedCartridge;
  #part = 0;
  #file = 0;
  #offset = 0;
  /** The tape takes no more records; what closes the part may still find room. */
  #ended = false;
  /** The cartridge failed: what is on it has to be looked at before it is left. */
  #failed = false;
  #lastHead = Buffer.alloc(0);
  #committed = false;

  constructor(options: TapeSinkOptions) {
    this.#options = options;
    this.#loaded = options.first;
  }

  /** Goes to where the part begins, over what an interrupted backup left there. */
  async begin(): Promise<void> {
    const { cartridges } = this.#options;
    this.#file = this.#loaded.contents.appendAt;
    if (!(await cartridges.drive.toFile(this.#file))) {
      throw new RemetalError(
        'position-lost',
        `The end of the data on ${this.#loaded.label.name} was not found.`,
        {
          facts: { cartridge: this.#loaded.label.name, file: this.#file },
        },
      );
    }
    this.#offset = 0;
    this.#ended = false;
    this.#failed = false;
    this.#lastHead = Buffer.alloc(0);
    cartridges.changed();
  }

  async append(pieces: readonly Uint8Array[]): Promise<RecordPlace | 'end-of-medium'> {
    const block = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    // Early warning is told every other time: a closing record goes through at the second try.
    if (!(await this.#write(block)) && !(this.#ended && !this.#failed && (await this.#write(block)))) {
      this.#ended = true;
      return 'end-of-medium';
    }
    const place = { part: this.#part, offset: this.#offset };
    this.#offset += block.length;
    this.#lastHead = Buffer.from(block.subarray(0, headLength));
    return place;
  }

  async #write(block: Uint8Array): Promise<boolean> {
    try {
      return (await this.#options.cartridges.drive.write(block)) === 'written';
    } catch (error) {
      if (!isCoded(error, 'drive-failed') || error.facts['confirmed'] !== true) throw error;
      this.#failed = true;
      this.#options.tell({
        level: 'warning',
        code: 'write-error',
        message: `Cartridge ${this.#loaded.label.name} could not be written further; the set goes on with another: ${error.message}`,
        facts: { cartridge: this.#loaded.label.name, file: this.#file },
      });
      return false;
    }
  }

  /** Ends the file on the tape; what was appended is durable when this resolves. */
  async #end(): Promise<void> {
    const { drive } = this.#options.cartridges;
    await this.#write(Buffer.alloc(tarEndLength));
    await drive.filemark();
    if (this.#failed) await this.#lookAtEnd();
  }

  /** After an error the drive's word is not enough: the last record has to be there. */
  async #lookAtEnd(): Promise<void> {
    const { drive } = this.#options.cartridges;
    await drive.toFile(this.#file);
    const last = await drive.lastBlock((block) => !isTarEnd(block));
    if (last?.subarray(0, headLength).equals(this.#lastHead) === true) return;
    const { name } = this.#loaded.label;
    throw new RemetalError('medium-failed', `Cartridge ${name} lost records that the drive had taken.`, {
      hint: 'Do not use it any more; back up again onto another.',
      facts: { cartridge: name },
    });
  }

  async nextPart(): Promise<void> {
    const { cartridges, setId } = this.#options;
    await this.#end();
    this.#part++;
    const { recordLimit } = this.#loaded.label;
    this.#loaded = await cartridges.forWriting({ setId, part: this.#part + 1, recordLimit });
    await this.begin();
  }

  async commit(): Promise<void> {
    await this.#end();
    this.#committed = true;
    this.#options.done();
  }

  async abort(): Promise<void> {
    if (this.#committed) return;
    const { cartridges, done } = this.#options;
    this.#committed = true;
    try {
      // Without its closing record the file is no part of a set; one that is there already is taken away.
      const { position } = cartridges.drive;
      if (position !== null && closesSet(this.#lastHead)) {
        await cartridges.drive.toBlock(position.file, position.block - 1);
        await cartridges.drive.filemark();
      }
    } finally {
      cartridges.changed();
      done();
    }
  }
}
