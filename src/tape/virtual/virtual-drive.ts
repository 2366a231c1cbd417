import type {
  OpenTape,
  ScsiAnswer,
  ScsiRequest,
  TapeAccess,
  TapeDevice,
  TapeOperation,
  TapeStatus,
} from '../../system/index.ts';
import { driverError } from './driver-error.ts';
import { decodeAnswer, isReset, tapeCommand, type Refusal } from './driver-commands.ts';
import { systemClock, type Clock } from './pace.ts';
import type { ScsiDrive } from './scsi-drive.ts';
import { density, longestBlock } from './scsi-pages.ts';
import { senseCode, senseFlag, senseKey, type Answer } from './sense.ts';

/** Takes the drive for one program; null while another has it. */
export type TakeDrive = () => Promise<(() => Promise<void>) | null>;

/**
 * What the last calls met: `filemark` was just passed, `filemark-ahead` ended a read that had blocks before
 * it, `end` is the end of the data and `end-ahead` is told once more before it; `warned` refuses one write,
 * and after that `warned-twice` lets one through.
 */
type Met = 'nothing' | 'filemark' | 'filemark-ahead' | 'end-ahead' | 'end' | 'warned' | 'warned-twice';

/** Before these the driver ends a file that was being written. */
const endsFile = new Set<TapeOperation>(['REW', 'OFFL', 'SEEK', 'BSF', 'BSFM']);
/** What still goes when a reset has lost the position. */
const findsPosition = new Set<TapeOperation>([
  'REW',
  'OFFL',
  'LOAD',
  'EOM',
  'ERASE',
  'NOP',
  'LOCK',
  'UNLOCK',
  'SETDRVBUFFER',
]);
const mostAttentions = 10;
const longestWait = 120;

/** How a drive is opened that is a `ScsiDrive`: as st(4) shows a real one. */
export function openVirtualDrive(scsi: ScsiDrive, take: TakeDrive, clock: Clock = systemClock): OpenTape {
  return async (access) => {
    const letGo = await take();
    if (letGo === null) throw driverError('EBUSY', 'open', scsi.bay.name);
    try {
      const drive = new VirtualDrive(scsi, access, letGo, clock);
      await drive.begin();
      return drive;
    } catch (error) {
      await scsi.bay.rest();
      await letGo();
      throw error;
    }
  };
}

class VirtualDrive implements TapeDevice {
  readonly name: string;
  readonly #scsi: ScsiDrive;
  readonly #access: TapeAccess;
  readonly #letGo: () => Promise<void>;
  readonly #clock: Clock;
  #file = 0;
  #block = 0;
  #met: Met = 'nothing';
  #writing = false;
  #lost = false;
  #state: 'ready' | 'not-ready' | 'empty' = 'empty';
  #protected = false;
  #cleaning = false;
  #closed = false;

  constructor(scsi: ScsiDrive, access: TapeAccess, letGo: () => Promise<void>, clock: Clock) {
    this.name = scsi.bay.name;
    this.#scsi = scsi;
    this.#access = access;
    this.#letGo = letGo;
    this.#clock = clock;
  }

  async begin(): Promise<void> {
    const memory = await this.#scsi.recall();
    if (memory !== null) this.#stand(memory.file, memory.block);
    await this.#check();
    if (this.#access === 'look') return;
    if (this.#state === 'empty') throw driverError('ENOMEDIUM', 'open', this.name);
    if (this.#state === 'not-ready') throw driverError('EIO', 'open', this.name);
    if (this.#access === 'write' && this.#protected) throw driverError('EROFS', 'open', this.name);
  }

  /** Asks the drive whether it is ready; one that just took a cartridge in begins anew. */
  async #check(): Promise<void> {
    let attentions = 0;
    for (let waited = 0; waited <= longestWait;) {
      const answer = await this.#scsi.execute(tapeCommand.testUnitReady());
      const refusal = decodeAnswer(answer);
      this.#state = refusal === null ? 'ready' : refusal.code === senseCode.noMedium ? 'empty' : 'not-ready';
      this.#cleaning = refusal?.code === senseCode.cleaningInstalled;
      if (refusal?.key === senseKey.unitAttention && attentions++ < mostAttentions) continue;
      if (refusal?.code !== senseCode.becomingReady || this.#access === 'look') break;
      await this.#clock.wait(1000);
      waited++;
    }
    if (attentions > 0) {
      this.#lost = false;
      this.#writing = false;
      this.#met = 'nothing';
      const known = this.#scsi.position === 0 ? 0 : -1;
      this.#stand(known, known);
    }
    this.#protected = this.#scsi.cartridge?.facts.writeProtected === true;
  }

  #stand(file: number, block: number): void {
    this.#file = file;
    this.#block = block;
  }

  #mayTransfer(call: 'read' | 'write'): void {
    if (this.#closed || this.#access === 'look' || (call === 'write' && this.#access !== 'write'))
      throw driverError('EBADF', call, this.name);
    if (this.#state === 'empty') throw driverError('ENOMEDIUM', call, this.name);
    if (this.#state !== 'ready' || this.#lost) throw driverError('EIO', call, this.name);
  }

  async read(target: Uint8Array): Promise<number> {
    this.#mayTransfer('read');
    this.#writing = false;
    if (target.length === 0) return 0;
    if (this.#met === 'end-ahead') {
      this.#met = 'end';
      return 0;
    }
    if (this.#met === 'end') throw driverError('EIO', 'read', this.name);
    if (this.#met === 'filemark-ahead') return this.#passFilemark();
    const size = this.#scsi.blockSize;
    const wanted = size === 0 ? target.length : Math.floor(target.length / size);
    if (wanted === 0) throw driverError('EINVAL', 'read', this.name);
    const answer = await this.#scsi.execute(tapeCommand.read(wanted, size > 0));
    const refusal = decodeAnswer(answer);
    target.set(answer.data.subarray(0, target.length));
    const blocks = size === 0 ? 1 : answer.data.length / size;
    if (refusal === null) return this.#passBlocks(blocks, answer.data.length);
    return this.#readStopped(refusal, answer, size);
  }

  #passFilemark(): number {
    this.#met = 'filemark';
    this.#stand(this.#file < 0 ? -1 : this.#file + 1, 0);
    return 0;
  }

  #passBlocks(blocks: number, length: number): number {
    if (this.#block >= 0) this.#block += blocks;
    this.#met = 'nothing';
    return length;
  }

  #readStopped(refusal: Refusal, answer: Answer, size: number): number {
    const { key, flags, information } = refusal;
    if ((flags & senseFlag.filemark) !== 0) {
      if (answer.data.length === 0) return this.#passFilemark();
      this.#passBlocks(answer.data.length / size, 0);
      this.#met = 'filemark-ahead';
      return answer.data.length;
    }
    if ((flags & senseFlag.incorrectLength) !== 0 && size === 0) {
      if (information < 0) {
        this.#passBlocks(1, 0);
        throw driverError('ENOMEM', 'read', this.name);
      }
      return this.#passBlocks(1, answer.data.length);
    }
    if (key === senseKey.blankCheck && answer.data.length > 0 && this.#met === 'filemark') {
      this.#block = -1;
      this.#met = 'end-ahead';
      return answer.data.length;
    }
    this.#failed(refusal);
    if (key === senseKey.blankCheck && this.#met === 'filemark') {
      this.#met = 'end';
      return 0;
    }
    throw driverError('EIO', 'read', this.name);
  }

  /** After an error the driver does not know in which block it is, and after a reset not even where. */
  #failed(refusal: Refusal): void {
    this.#block = -1;
    if (!isReset(refusal)) return;
    this.#file = -1;
    this.#lost = true;
  }

  async write(block: Uint8Array): Promise<void> {
    this.#mayTransfer('write');
    if (block.length === 0) return;
    const size = this.#scsi.blockSize;
    if (size > 0 ? block.length % size !== 0 : block.length > longestBlock)
      throw driverError('EINVAL', 'write', this.name);
    this.#writing = true;
    if (this.#met === 'warned') {
      this.#met = 'warned-twice';
      throw driverError('ENOSPC', 'write', this.name);
    }
    const blocks = size === 0 ? block.length : block.length / size;
    const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
    const refusal = decodeAnswer(await this.#scsi.execute(tapeCommand.write(blocks, size > 0), bytes));
    if (refusal !== null && (refusal.flags & senseFlag.endOfMedium) === 0) {
      this.#failed(refusal);
      throw driverError('EIO', 'write', this.name);
    }
    const done = size === 0 ? 1 : blocks - (refusal?.information ?? 0);
    this.#passBlocks(done, 0);
    if (refusal === null) return;
    this.#met = 'warned';
    if (refusal.information !== 0) throw driverError('ENOSPC', 'write', this.name);
  }

  async operate(operation: TapeOperation, count = 1): Promise<void> {
    const call = `ioctl MT${operation}`;
    if (this.#closed) throw driverError('EBADF', call, this.name);
    if ((operation === 'WEOF' || operation === 'ERASE') && this.#access !== 'write')
      throw driverError('EACCES', call, this.name);
    if (this.#lost && !findsPosition.has(operation)) throw driverError('EIO', call, this.name);
    let spaced = count;
    if (this.#writing && endsFile.has(operation)) {
      await this.#weof(1, call);
      if (operation === 'BSF' || operation === 'BSFM') spaced++;
    }
    if (operation !== 'WEOF' && operation !== 'NOP') this.#writing = false;
    await this.#perform(operation, spaced, call);
  }

  async #perform(operation: TapeOperation, count: number, call: string): Promise<void> {
    switch (operation) {
      case 'NOP':
      case 'SETDRVBUFFER':
        return;
      case 'REW':
        await this.#done(tapeCommand.rewind(), call);
        this.#lost = false;
        this.#met = 'nothing';
        return this.#stand(0, 0);
      case 'WEOF':
        return this.#weof(count, call);
      case 'FSF':
      case 'BSF':
        return this.#spaceFiles(operation, count, call);
      case 'BSFM':
        await this.#spaceFiles('BSF', count, call);
        return this.#spaceFiles('FSF', 1, call);
      case 'FSR':
      case 'BSR':
        return this.#spaceBlocks(operation, count, call);
      case 'EOM':
        return this.#endOfData(call);
      case 'SEEK':
        return this.#seek(count, call);
      case 'ERASE':
        return this.#done(tapeCommand.erase(), call);
      case 'OFFL':
        await this.#done(tapeCommand.load(false), call);
        this.#state = 'empty';
        return;
      case 'LOAD':
        await this.#done(tapeCommand.load(true), call);
        return this.#check();
      case 'LOCK':
      case 'UNLOCK':
        return this.#done(tapeCommand.prevent(operation === 'LOCK'), call);
      case 'SETBLK':
        if (count < 0 || count > longestBlock) throw driverError('EINVAL', call, this.name);
        return this.#done(tapeCommand.modeSelect(), call, tapeCommand.blockSize(count));
      case 'COMPRESSION':
        return this.#done(
          tapeCommand.modeSelect(),
          call,
          tapeCommand.compression(count !== 0, this.#scsi.blockSize),
        );
    }
  }

  /** Sends a command of an operation; any refusal is EIO. */
  async #done(command: Buffer, call: string, sent?: Buffer): Promise<void> {
    const refusal = decodeAnswer(await this.#scsi.execute(command, sent));
    if (refusal === null) return;
    if (isReset(refusal)) this.#failed(refusal);
    throw driverError('EIO', call, this.name);
  }

  async #weof(count: number, call: string): Promise<void> {
    const refusal = decodeAnswer(await this.#scsi.execute(tapeCommand.filemarks(count)));
    this.#writing = false;
    if (refusal !== null && (refusal.flags & senseFlag.endOfMedium) === 0) {
      this.#failed(refusal);
      throw driverError('EIO', call, this.name);
    }
    this.#met = count > 0 ? 'filemark' : 'nothing';
    if (refusal !== null) this.#met = 'nothing';
    if (count > 0) this.#stand(this.#file < 0 ? -1 : this.#file + count, 0);
  }

  async #spaceFiles(operation: 'FSF' | 'BSF', count: number, call: string): Promise<void> {
    // A filemark that a read met is passed on the tape, though not yet for the reader.
    const ahead = this.#met === 'filemark-ahead' ? 1 : 0;
    const forward = operation === 'FSF';
    const file = this.#file;
    const refusal = decodeAnswer(
      await this.#scsi.execute(tapeCommand.space(1, forward ? count - ahead : -(count + ahead))),
    );
    const left = refusal?.information ?? 0;
    this.#met =
      refusal?.key === senseKey.blankCheck ? 'end' : forward && refusal === null ? 'filemark' : 'nothing';
    const moved = forward ? count - left : -(count - left);
    const known = refusal === null ? (forward ? 0 : -1) : forward ? -1 : 0;
    this.#stand(file < 0 ? -1 : file + moved, known);
    if (refusal === null) return;
    if (isReset(refusal)) this.#failed(refusal);
    throw driverError('EIO', call, this.name);
  }

  async #spaceBlocks(operation: 'FSR' | 'BSR', count: number, call: string): Promise<void> {
    const forward = operation === 'FSR';
    const refusal = decodeAnswer(await this.#scsi.execute(tapeCommand.space(0, forward ? count : -count)));
    const moved = count - (refusal?.information ?? 0);
    this.#met = 'nothing';
    if (this.#block >= 0) this.#block += forward ? moved : -moved;
    if (this.#block < 0) this.#block = -1;
    if (refusal === null) return;
    if ((refusal.flags & senseFlag.filemark) !== 0) {
      const file = this.#file < 0 ? -1 : this.#file + (forward ? 1 : -1);
      this.#stand(file, forward ? 0 : -1);
      if (forward) this.#met = 'filemark';
    }
    if (refusal.key === senseKey.blankCheck) this.#met = 'end';
    if (isReset(refusal)) this.#failed(refusal);
    throw driverError('EIO', call, this.name);
  }

  /** To the end of the data, over the filemarks, so that the number of the file is known. */
  async #endOfData(call: string): Promise<void> {
    const most = 0x7fffff;
    const refusal = decodeAnswer(await this.#scsi.execute(tapeCommand.space(1, most)));
    if (refusal !== null && refusal.key !== senseKey.blankCheck) {
      this.#failed(refusal);
      throw driverError('EIO', call, this.name);
    }
    if (this.#file >= 0) this.#file += most - (refusal?.information ?? 0);
    await this.#done(tapeCommand.spaceToEnd(), call);
    this.#lost = false;
    this.#block = -1;
    this.#met = 'end';
  }

  async #seek(block: number, call: string): Promise<void> {
    this.#stand(-1, -1);
    this.#met = 'nothing';
    await this.#done(tapeCommand.locate(block), call);
    if (block === 0) this.#stand(0, 0);
  }

  async status(): Promise<TapeStatus> {
    const nothing = this.#state !== 'ready';
    return {
      file: this.#file,
      block: this.#block,
      blockSize: this.#scsi.blockSize,
      density: nothing ? 0 : density,
      online: !nothing,
      writeProtected: this.#protected,
      beginning: this.#file === 0 && this.#block === 0,
      endOfFile: this.#file !== 0 && this.#block === 0,
      endOfData: this.#met === 'end' || this.#met === 'end-ahead',
      endOfTape: this.#met === 'warned' || this.#met === 'warned-twice',
      doorOpen: this.#state === 'empty',
      cleaning: this.#cleaning,
    };
  }

  async tell(): Promise<number> {
    const call = 'ioctl MTIOCPOS';
    if (this.#lost || this.#state !== 'ready') throw driverError('EIO', call, this.name);
    const answer = await this.#scsi.execute(tapeCommand.readPosition());
    const refusal = decodeAnswer(answer);
    if (refusal === null) return answer.data.readUInt32BE(4);
    if (isReset(refusal)) this.#failed(refusal);
    throw driverError('EIO', call, this.name);
  }

  async command({ command, send, receive = 0 }: ScsiRequest): Promise<ScsiAnswer> {
    const sent = send === undefined ? undefined : Buffer.from(send);
    const answer = await this.#scsi.execute(Buffer.from(command), sent);
    return { ...answer, data: Buffer.from(answer.data.subarray(0, receive)) };
  }

  async adapterLimit(): Promise<number | null> {
    return longestBlock;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.#writing && !this.#lost) await this.#weof(1, 'close');
    } finally {
      this.#closed = true;
      await this.#scsi.remember(this.#file, this.#block);
      await this.#scsi.bay.rest();
      await this.#letGo();
    }
  }
}
