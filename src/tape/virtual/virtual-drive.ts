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
import { DriverCount } from './driver-count.ts';
import { decodeAnswer, isReset, tapeCommand, type Refusal } from './driver-commands.ts';
import type { ScsiDrive } from './scsi-drive.ts';
import { density, longestBlock } from './scsi-pages.ts';
import { senseCode, senseFlag, senseKey, type Answer } from './sense.ts';

/** Takes the drive for one program; null while another has it. */
export type TakeDrive = () => Promise<(() => Promise<void>) | null>;

/** Before these the driver ends a file that was being written. */
const endsFile = new Set<TapeOperation>(['REW', 'OFFL', 'SEEK', 'BSF', 'BSFM']);
/** Before these the driver leaves a filemark passed that a read met and the reader was not told of yet. */
const passesFilemark = new Set<TapeOperation>(['REW', 'OFFL', 'EOM', 'LOCK', 'LOAD', 'FSF', 'BSF', 'BSFM']);
/** After these the driver still believes that it is writing; after any other a close writes no filemark. */
const keepsWriting = new Set<TapeOperation>(['WEOF', 'NOP', 'SETBLK', 'SETDRVBUFFER']);
/** What goes without a cartridge. */
const cartridgeFree = new Set<TapeOperation>([
  'LOAD',
  'LOCK',
  'UNLOCK',
  'SETDRVBUFFER',
  'COMPRESSION',
  'SEEK',
]);
/** What finds a position again that a reset has lost. */
const findsPosition = new Set<TapeOperation>(['REW', 'OFFL', 'LOAD', 'EOM', 'ERASE', 'SEEK']);
const mostAttentions = 10;

/** How a drive is opened that is a `ScsiDrive`: as st(4) shows a real one, and as `openSt` does. */
export function openVirtualDrive(scsi: ScsiDrive, take: TakeDrive): OpenTape {
  return async (access) => {
    const letGo = await take();
    if (letGo === null) throw driverError('EBUSY', 'open', scsi.bay.name);
    try {
      const drive = new VirtualDrive(scsi, access, letGo);
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
  readonly #count = new DriverCount();
  #writing = false;
  /** The drive told of another cartridge; the next call counts from its beginning. */
  #renewed = false;
  /** It did so since the tape was rewound. */
  #changed = false;
  #state: 'ready' | 'not-ready' | 'empty' = 'empty';
  #protected = false;
  #cleaning = false;
  /** Nobody asked for the status since the drive was asked whether it is ready. */
  #fresh = true;
  #closed = false;

  constructor(scsi: ScsiDrive, access: TapeAccess, letGo: () => Promise<void>) {
    this.name = scsi.bay.name;
    this.#scsi = scsi;
    this.#access = access;
    this.#letGo = letGo;
  }

  async begin(): Promise<void> {
    const memory = await this.#scsi.recall();
    if (memory !== null) this.#count.stand(memory.file, memory.block, memory.met);
    await this.#check();
    if (this.#access === 'look') return;
    if (this.#state === 'empty') throw driverError('ENOMEDIUM', 'open', this.name);
    if (this.#state === 'not-ready') throw driverError('EAGAIN', 'open', this.name);
    if (this.#access === 'write' && this.#protected) throw driverError('EROFS', 'open', this.name);
  }

  /** Asks the drive whether it is ready; one that just took a cartridge in begins anew. */
  async #check(): Promise<void> {
    let attentions = 0;
    for (;;) {
      const answer = await this.#scsi.execute(tapeCommand.testUnitReady());
      const refusal = decodeAnswer(answer);
      this.#state = refusal === null ? 'ready' : refusal.code === senseCode.noMedium ? 'empty' : 'not-ready';
      this.#cleaning = refusal?.code === senseCode.cleaningInstalled;
      if (refusal?.key !== senseKey.unitAttention || attentions++ >= mostAttentions) break;
    }
    if (this.#state === 'empty') this.#count.stand(-1, -1);
    if (attentions > 0 && this.#state !== 'empty') {
      this.#writing = false;
      this.#count.met = 'nothing';
      const known = this.#scsi.position === 0 ? 0 : -1;
      this.#count.stand(known, known);
    }
    this.#protected = this.#scsi.cartridge?.facts.writeProtected === true;
  }

  /** After a reset: nothing but finding a position goes. */
  get #lost(): boolean {
    return this.#count.met === 'lost';
  }

  #beginAnew(): void {
    if (this.#renewed) this.#count.stand(0, 0);
    this.#renewed = false;
  }

  #mayTransfer(call: 'read' | 'write'): void {
    if (this.#closed || this.#access === 'look' || (call === 'write' && this.#access !== 'write'))
      throw driverError('EBADF', call, this.name);
    if (this.#state === 'empty') throw driverError('ENOMEDIUM', call, this.name);
    if (this.#state !== 'ready' || this.#lost) throw driverError('EIO', call, this.name);
    this.#beginAnew();
  }

  async read(target: Uint8Array): Promise<number> {
    this.#mayTransfer('read');
    this.#writing = false;
    if (target.length === 0) return 0;
    if (this.#count.met === 'end-ahead') {
      this.#count.met = 'end';
      return 0;
    }
    if (this.#count.met === 'end') throw driverError('EIO', 'read', this.name);
    if (this.#count.met === 'filemark-ahead') return this.#passFilemark();
    const size = this.#scsi.blockSize;
    // st(4) would keep the rest of a block for the next read; nobody needs that.
    if (size > 0 && target.length % size !== 0) throw driverError('EINVAL', 'read', this.name);
    const wanted = size === 0 ? target.length : target.length / size;
    const answer = await this.#scsi.execute(tapeCommand.read(wanted, size > 0));
    const refusal = decodeAnswer(answer);
    target.set(answer.data.subarray(0, target.length));
    const blocks = size === 0 ? 1 : answer.data.length / size;
    if (refusal === null) return this.#passBlocks(blocks, answer.data.length);
    if (size > 0 && (refusal.flags & senseFlag.incorrectLength) !== 0) return this.#goBack(blocks, answer);
    return this.#readStopped(refusal, answer, size);
  }

  /** A block of another length than the one set ended a read: the tape is put before it. */
  async #goBack(blocks: number, answer: Answer): Promise<number> {
    await this.#done(tapeCommand.space(0, -1), 'read');
    if (blocks > 0) return this.#passBlocks(blocks, answer.data.length);
    throw driverError('EIO', 'read', this.name);
  }

  #passFilemark(): number {
    this.#count.passFilemarks(1);
    return 0;
  }

  #passBlocks(blocks: number, length: number): number {
    this.#count.passBlocks(blocks);
    return length;
  }

  #readStopped(refusal: Refusal, answer: Answer, size: number): number {
    const { key, flags, information } = refusal;
    if ((flags & senseFlag.filemark) !== 0) {
      if (answer.data.length === 0) return this.#passFilemark();
      this.#passBlocks(answer.data.length / size, 0);
      this.#count.met = 'filemark-ahead';
      return answer.data.length;
    }
    if ((flags & senseFlag.incorrectLength) !== 0) {
      if (information < 0) {
        this.#passBlocks(1, 0);
        throw driverError('ENOMEM', 'read', this.name);
      }
      return this.#passBlocks(1, answer.data.length);
    }
    if (key === senseKey.blankCheck && answer.data.length > 0 && this.#count.met === 'filemark') {
      this.#count.block = -1;
      this.#count.met = 'end-ahead';
      return answer.data.length;
    }
    this.#failed(refusal);
    if (key === senseKey.blankCheck && this.#count.met === 'filemark') {
      this.#count.met = 'end';
      return 0;
    }
    throw driverError('EIO', 'read', this.name);
  }

  /** After an error the driver does not know in which block it is, and after a reset not even where. */
  #failed(refusal: Refusal): void {
    this.#count.block = -1;
    this.#renewed = refusal.key === senseKey.unitAttention && refusal.code === senseCode.mediumChanged;
    this.#changed ||= this.#renewed;
    if (!isReset(refusal)) return;
    this.#count.stand(-1, -1, 'lost');
  }

  async write(block: Uint8Array): Promise<void> {
    this.#mayTransfer('write');
    if (block.length === 0) return;
    const size = this.#scsi.blockSize;
    if (size > 0 ? block.length % size !== 0 : block.length > longestBlock)
      throw driverError('EINVAL', 'write', this.name);
    this.#writing = true;
    if (this.#count.met === 'warned') {
      this.#count.met = 'warned-twice';
      throw driverError('ENOSPC', 'write', this.name);
    }
    const blocks = size === 0 ? block.length : block.length / size;
    const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
    const refusal = await this.#send(tapeCommand.write(blocks, size > 0), bytes);
    if (refusal !== null && (refusal.flags & senseFlag.endOfMedium) === 0) {
      this.#failed(refusal);
      throw driverError('EIO', 'write', this.name);
    }
    const left = refusal?.information ?? 0;
    this.#passBlocks(size === 0 ? (left === 0 ? 1 : 0) : blocks - left, 0);
    if (refusal === null) return;
    this.#count.met = 'warned';
    if (left > 0) throw driverError('ENOSPC', 'write', this.name);
  }

  async operate(operation: TapeOperation, count = 1): Promise<void> {
    const call = `ioctl MT${operation}`;
    if (this.#closed) throw driverError('EBADF', call, this.name);
    if ((operation === 'WEOF' || operation === 'ERASE') && this.#access !== 'write')
      throw driverError('EACCES', call, this.name);
    if (this.#lost) {
      if (!findsPosition.has(operation)) throw driverError('EIO', call, this.name);
      this.#writing = false;
      this.#count.met = 'nothing';
    }
    if (this.#state !== 'ready' && !cartridgeFree.has(operation))
      throw driverError(this.#state === 'empty' ? 'ENOMEDIUM' : 'EIO', call, this.name);
    this.#beginAnew();
    if (!passesFilemark.has(operation)) await this.#backOverFilemark(call);
    let spaced = count;
    if (this.#writing && endsFile.has(operation)) {
      await this.#weof(1, call);
      if (operation === 'BSF' || operation === 'BSFM') spaced++;
    }
    if (!keepsWriting.has(operation)) this.#writing = false;
    await this.#perform(operation, spaced, call);
  }

  async #perform(operation: TapeOperation, count: number, call: string): Promise<void> {
    switch (operation) {
      case 'NOP':
      case 'SETDRVBUFFER':
        return;
      case 'REW':
        await this.#done(tapeCommand.rewind(), call);
        this.#changed = false;
        return this.#count.stand(0, 0, 'nothing');
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
        await this.#done(tapeCommand.prevent(false), call);
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

  async #backOverFilemark(call: string): Promise<void> {
    if (this.#count.met !== 'filemark-ahead') return;
    await this.#done(tapeCommand.space(1, -1), call);
    this.#count.met = 'nothing';
  }

  async #send(command: Buffer, sent?: Buffer): Promise<Refusal | null> {
    return decodeAnswer(await this.#scsi.execute(command, sent));
  }

  /** Sends a command of an operation; any refusal is EIO. */
  async #done(command: Buffer, call: string, sent?: Buffer): Promise<void> {
    this.#settle(await this.#send(command, sent), call);
  }

  #settle(refusal: Refusal | null, call: string): void {
    if (refusal === null) return;
    if (isReset(refusal)) this.#failed(refusal);
    throw driverError('EIO', call, this.name);
  }

  async #weof(count: number, call: string): Promise<void> {
    const refusal = await this.#send(tapeCommand.filemarks(count));
    if (refusal !== null && (refusal.flags & senseFlag.endOfMedium) === 0) {
      this.#failed(refusal);
      throw driverError('EIO', call, this.name);
    }
    this.#writing = false;
    this.#count.passFilemarks(count, count > 0 && refusal === null ? 'filemark' : 'nothing');
  }

  async #spaceFiles(operation: 'FSF' | 'BSF', count: number, call: string): Promise<void> {
    // A filemark that a read met is passed on the tape, though not yet for the reader.
    const ahead = this.#count.met === 'filemark-ahead' ? 1 : 0;
    const forward = operation === 'FSF';
    const refusal = await this.#send(tapeCommand.space(1, forward ? count - ahead : -(count + ahead)));
    this.#count.spacedFiles(forward, count, refusal);
    this.#settle(refusal, call);
  }

  async #spaceBlocks(operation: 'FSR' | 'BSR', count: number, call: string): Promise<void> {
    const forward = operation === 'FSR';
    const refusal = await this.#send(tapeCommand.space(0, forward ? count : -count));
    this.#count.spacedBlocks(forward, count, refusal);
    this.#settle(refusal, call);
  }

  /** To the end of the data, over the filemarks, so that the number of the file is known. */
  async #endOfData(call: string): Promise<void> {
    const most = 0x7fffff;
    const refusal = await this.#send(tapeCommand.space(1, most));
    if (refusal !== null && refusal.key !== senseKey.blankCheck) {
      this.#failed(refusal);
      throw driverError('EIO', call, this.name);
    }
    if (this.#count.file >= 0) this.#count.file += most - (refusal?.information ?? 0);
    await this.#done(tapeCommand.spaceToEnd(), call);
    this.#count.block = -1;
    this.#count.met = 'end';
  }

  async #seek(block: number, call: string): Promise<void> {
    if (this.#state !== 'ready') throw driverError('EIO', call, this.name);
    this.#count.stand(-1, -1);
    this.#count.met = 'nothing';
    await this.#done(tapeCommand.locate(block), call);
    if (block === 0) this.#count.stand(0, 0);
  }

  async status(): Promise<TapeStatus> {
    // Who only looks wants to see what became of the drive since.
    if (this.#access === 'look' && !this.#fresh) await this.#check();
    this.#fresh = false;
    const nothing = this.#state !== 'ready';
    return {
      file: this.#count.file,
      block: this.#count.block,
      blockSize: this.#scsi.blockSize,
      density: nothing ? 0 : density,
      online: !nothing,
      writeProtected: this.#protected,
      ...this.#count.flags(),
      doorOpen: this.#state === 'empty',
      cleaning: this.#cleaning,
    };
  }

  async tell(): Promise<number> {
    const call = 'ioctl MTIOCPOS';
    if (this.#lost || this.#state !== 'ready') throw driverError('EIO', call, this.name);
    await this.#backOverFilemark(call);
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
      if (this.#writing && this.#lost) throw driverError('EIO', 'close', this.name);
      if (this.#writing) await this.#weof(1, 'close');
    } finally {
      this.#closed = true;
      if (this.#changed) this.#count.stand(0, 0, 'nothing');
      await this.#scsi.remember(this.#count);
      await this.#scsi.bay.rest();
      await this.#letGo();
    }
  }
}
