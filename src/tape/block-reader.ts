import { pageAligned } from '../bytes/index.ts';
import { isCoded, RemetalError, systemCode } from '../errors/index.ts';
import type { TapeCount, TapePosition } from './count.ts';
import { driveError } from './drive-errors.ts';

/** How a read ended. `end` is the end of the data: nothing was ever written behind. */
export type ReadResult = Buffer | 'filemark' | 'end';

/** Reads begin with so much room, and grow to the longest block that is met. */
const firstReadSize = 1024 * 1024;
/** A command has 24 bits for the length of a block, and the memory is in whole pages. */
export const longestBlock = 16 * 1024 * 1024 - 64 * 1024;
/** Blocks before a filemark that are looked at for the last one. */
const mostLastBlocks = 8;

/** Blocks at the end of a file. */
export interface FileTail {
  /** The number in the file of the first. */
  readonly first: number;
  /** In their order; what keeps one from being read in its place. */
  readonly blocks: readonly (Buffer | RemetalError)[];
}

function lengthOf(read: Buffer | RemetalError): number {
  return Buffer.isBuffer(read) ? read.length : 0;
}

/** Reads blocks off a tape, however long they are, and tells a block from what some drives give in its place. */
export class BlockReader {
  #buffer: Buffer = Buffer.alloc(0);

  /**
   * Reads the next block. Throws `block-unreadable` for one that cannot be read; the tape then stands before
   * it, and `skip` goes on behind it.
   */
  async read(count: TapeCount): Promise<ReadResult> {
    const position = count.standing();
    const length = await this.#readInto(count);
    if (length === null) return 'end';
    if (length > 0) {
      if (await this.#isPhantom(count, position, length)) {
        // The driver counts it as a block, and takes the tape for full.
        count.standsBehind(position.file);
        return 'end';
      }
      count.moveOn({ file: position.file, block: position.block + 1 }, 1);
      return Buffer.from(this.#buffer.subarray(0, length));
    }
    const { endOfData } = await count.device.status();
    if (endOfData) return 'end';
    count.moveOn({ file: position.file + 1, block: 0 }, 1);
    return 'filemark';
  }

  /**
   * Some drives give a block that is none, as long as the buffer and of zeros, when they read past the last
   * filemark. The driver then tells of the end of the data, or only of that of the tape.
   */
  async #isPhantom(count: TapeCount, { block }: TapePosition, length: number): Promise<boolean> {
    const full = length === this.#buffer.length;
    if (block !== 0 && !full) return false;
    const { endOfData, endOfTape } = await count.device.status();
    if (block === 0 && endOfData) return true;
    return full && (endOfData || endOfTape) && this.#buffer.every((byte) => byte === 0);
  }

  /** The length of the next block, now in the buffer; 0 at a filemark or the end, null where there is no data at all. */
  async #readInto(count: TapeCount): Promise<number | null> {
    try {
      return await this.#readAny(count);
    } catch (error) {
      if (isCoded(error)) throw error;
      const code = systemCode(error);
      if (code === 'EIO' && (await this.#isAtEnd(count))) return null;
      throw code === 'EIO' ? await this.#unreadable(count, error) : driveError(count.name, error);
    }
  }

  /** The length of the next block, however long it is; 0 at a filemark. Throws what the system says. */
  async #readAny(count: TapeCount): Promise<number> {
    if (this.#buffer.length === 0) this.#buffer = pageAligned(firstReadSize);
    for (;;) {
      try {
        return await count.device.read(this.#buffer);
      } catch (error) {
        if (systemCode(error) !== 'ENOMEM' || this.#buffer.length >= longestBlock) throw error;
        // The tape has moved past the block that was too long.
        await count.move('BSR', 1);
        this.#buffer = pageAligned(Math.min(this.#buffer.length * 2, longestBlock));
      }
    }
  }

  /* A cartridge nothing was written on gives an error like a block that cannot be read does. */
  async #isAtEnd(count: TapeCount): Promise<boolean> {
    if ((await count.device.status()).endOfData) return true;
    const here = count.logical;
    if (here === null) return await this.#isLastFile(count);
    if ((await count.device.tell().catch(() => null)) !== here) return false;
    await count.device.operate('EOM').catch(() => {});
    if ((await count.device.tell().catch(() => null)) === here) return true;
    await count.device.operate('SEEK', here);
    return false;
  }

  /* A drive that cannot say where it stands can still say that no filemark follows. */
  async #isLastFile(count: TapeCount): Promise<boolean> {
    const { file, block } = count.standing();
    if (block !== 0) return false;
    const follows = await count.device.operate('FSF', 1).then(
      () => true,
      () => false,
    );
    await count.device.operate('REW');
    if (file > 0) await count.device.operate('FSF', file);
    return !follows;
  }

  async #unreadable(count: TapeCount, cause: unknown): Promise<RemetalError> {
    const position = count.standing();
    if (!(await count.standsWhereCounted().catch(() => false))) return count.lost(cause);
    return new RemetalError(
      'block-unreadable',
      `Block ${position.block} of file ${position.file} on the cartridge in ${count.name} cannot be read.`,
      {
        hint: 'Clean the drive and try again; another drive may still read the cartridge.',
        facts: { drive: count.name, ...position },
        cause,
      },
    );
  }

  /**
   * The last block of the file the tape stands in that `counts`, of its last two; null where neither does. The
   * tape then stands at the next file. Where no filemark ends the file it gives null and stands at the
   * beginning of the tape. Throws `block-unreadable`; then too the tape stands at the next file.
   */
  async lastBlock(count: TapeCount, counts: (block: Buffer) => boolean): Promise<Buffer | null> {
    const position = count.standing();
    const next = { file: position.file + 1, block: 0 };
    if (!(await this.#behindMark(count, position.file))) return null;
    await count.move('BSF', 1);
    const within = await this.#backInFile(count, position.file);
    const { blocks, unreadable } = await this.#restOfFile(count, position.file, within);
    await count.stands(next);
    const found = blocks.findLast((block) => counts(block));
    if (found === undefined && unreadable !== null) {
      throw new RemetalError(
        'block-unreadable',
        `The end of file ${position.file} on the cartridge in ${count.name} cannot be read.`,
        {
          hint: 'Clean the drive and try again; another drive may still read the cartridge.',
          facts: { drive: count.name, file: position.file },
          cause: unreadable,
        },
      );
    }
    return found ?? null;
  }

  /**
   * The last blocks of the file the tape stands in, read in one run: at most `most` of them and of `mostBytes`
   * together. The tape then stands before the filemark. `'no-end'` where nothing ends the file, and the tape was
   * rewound; null where the drive cannot say where it stands, and nothing was done.
   */
  async tail(count: TapeCount, most: number, mostBytes: number): Promise<FileTail | 'no-end' | null> {
    const { file, block } = count.standing();
    const here = count.logical;
    if (here === null || block < 0) return null;
    if (!(await this.#behindMark(count, file))) return 'no-end';
    await count.stands({ file: file + 1, block: 0 });
    const behind = count.logical;
    const length = behind === null ? -1 : behind - 1 - (here - block);
    if (behind === null || length < block) throw count.lost();
    const wanted = Math.min(most, length);
    await count.move('SEEK', behind - 1 - wanted);
    await count.stands({ file, block: length - wanted });
    const blocks: (Buffer | RemetalError)[] = [];
    let first = length - wanted;
    for (let bytes = 0; first + blocks.length < length;) {
      const read = await this.#readOrSkip(count);
      blocks.push(read);
      for (bytes += lengthOf(read); bytes > mostBytes && blocks.length > 2; first++) {
        bytes -= lengthOf(blocks.shift()!);
      }
    }
    return { first, blocks };
  }

  /** Past the filemark that ends a file; false where there is none, and the tape was rewound. */
  async #behindMark(count: TapeCount, file: number): Promise<boolean> {
    try {
      await count.move('FSF', 1);
      return true;
    } catch (error) {
      if (!isCoded(error, 'drive-failed') || !(await count.saysEnd())) throw error;
      count.standsBehind(file + 1);
      await count.rewind();
      return false;
    }
  }

  /** The next block, which is there; or what keeps it from being read, and the tape then stands behind it. */
  async #readOrSkip(count: TapeCount): Promise<Buffer | RemetalError> {
    try {
      const read = await this.read(count);
      if (!Buffer.isBuffer(read)) throw count.lost();
      return read;
    } catch (error) {
      if (!isCoded(error, 'block-unreadable')) throw error;
      await count.skip();
      return error;
    }
  }

  /**
   * From before the filemark that ends a file two blocks back, or to its beginning where it has not so many and
   * the drive says so: then false.
   */
  async #backInFile(count: TapeCount, file: number): Promise<boolean> {
    try {
      await count.move('BSR', 2);
      return true;
    } catch (error) {
      if (!isCoded(error, 'drive-failed')) throw error;
      // It stands before the filemark of the file before, or at the beginning of the tape.
      if (file > 0) await count.move('FSF', 1);
      else await count.move('REW', 1);
      return false;
    }
  }

  /** The blocks up to the filemark, and what kept one from being read; the tape then stands behind the mark. */
  async #restOfFile(
    count: TapeCount,
    file: number,
    within: boolean,
  ): Promise<{ readonly blocks: readonly Buffer[]; readonly unreadable: unknown }> {
    const blocks: Buffer[] = [];
    // Some drives go back over a filemark as if it were a block.
    let before = within;
    const from = count.locates ? await count.device.tell().catch(() => null) : null;
    // It went back for two, some drives go one further; many more are another file than the one it was in.
    while (blocks.length < mostLastBlocks) {
      let length: number;
      try {
        length = await this.#readAny(count);
      } catch (error) {
        if (systemCode(error) !== 'EIO') throw driveError(count.name, error);
        const told = from === null ? null : await count.device.tell().catch(() => null);
        const status = await count.device.status();
        const same = from === null ? status.file < 0 || status.file === file : told === from + blocks.length;
        if (!same) throw count.lost(error);
        // The tape stands before the block.
        await count.move('FSF', 1);
        return { blocks, unreadable: error };
      }
      if (length === 0 && before) {
        before = false;
        continue;
      }
      if (length === 0) return { blocks, unreadable: null };
      before = false;
      blocks.push(Buffer.from(this.#buffer.subarray(0, length)));
    }
    throw count.lost();
  }
}
