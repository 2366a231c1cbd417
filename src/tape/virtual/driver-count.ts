import type { TapeStatus } from '../../system/index.ts';
import type { DriverPosition, Met } from './bay.ts';
import type { Refusal } from './driver-commands.ts';
import { senseFlag, senseKey } from './sense.ts';

/** How the system's driver counts files and blocks along, and what it met last: st(4), quirks included. */
export class DriverCount implements DriverPosition {
  file = 0;
  block = 0;
  met: Met = 'nothing';

  stand(file: number, block: number, met: Met = this.met): void {
    this.file = file;
    this.block = block;
    this.met = met;
  }

  passBlocks(count: number): void {
    if (this.block >= 0) this.block += count;
    this.met = 'nothing';
  }

  /** Filemarks were passed, or written; with none written too st(4) counts the blocks anew. */
  passFilemarks(count: number, met: Met = 'filemark'): void {
    this.stand(this.#files(count), 0, met);
  }

  #files(moved: number): number {
    return this.file < 0 ? -1 : this.file + moved;
  }

  /** The tape was spaced over filemarks. */
  spacedFiles(forward: boolean, count: number, refusal: Refusal | null): void {
    const moved = count - (refusal?.information ?? 0);
    const arrived = refusal === null;
    // Behind a filemark, and at the beginning, the block is known; before one it is not.
    this.stand(this.#files(forward ? moved : -moved), forward === arrived ? 0 : -1, 'nothing');
    if (refusal?.key === senseKey.blankCheck) this.met = 'end';
    else if (forward && arrived) this.met = 'filemark';
  }

  /** The tape was spaced over blocks. */
  spacedBlocks(forward: boolean, count: number, refusal: Refusal | null): void {
    const moved = count - (refusal?.information ?? 0);
    this.met = refusal?.key === senseKey.blankCheck ? 'end' : 'nothing';
    if (refusal !== null && (refusal.flags & senseFlag.filemark) !== 0) {
      if (forward) this.passFilemarks(1);
      else this.stand(this.#files(-1), -1);
      return;
    }
    if (this.block >= 0) this.block = Math.max(-1, this.block + (forward ? moved : -moved));
  }

  /** What the status says of it. */
  flags(): Pick<TapeStatus, 'beginning' | 'endOfFile' | 'endOfData' | 'endOfTape'> {
    return {
      beginning: this.file === 0 && this.block === 0,
      endOfFile: this.file !== 0 && this.block === 0,
      // So does st(4): after the write it refused it says end of data, not end of tape.
      endOfData: this.met === 'end' || this.met === 'end-ahead' || this.met === 'warned-twice',
      endOfTape: this.met === 'warned',
    };
  }
}
