import type { Cartridge, DriveBay, DriveMemory, DriverPosition } from './bay.ts';
import { FaultPlan, type FaultEvent } from './faults.ts';
import { attentionFree, cartridgeFree, changing, op } from './scsi-commands.ts';
import { Pace, systemClock, type Clock } from './pace.ts';
import {
  attributeData,
  decodeModes,
  densityReport,
  driveProduct,
  inquiry,
  logPage,
  longestBlock,
  modeData,
  type DriveModes,
} from './scsi-pages.ts';
import { check, good, senseCode, senseData, senseFlag, senseKey, type Answer } from './sense.ts';
import { spaceBlocks, spaceFilemarks, type Spaced } from './space.ts';
import { readBlocks, writeBlocks, type Transfer } from './transfer.ts';

/** What a drive did since it is there. */
export interface DriveCounters {
  readonly blocksWritten: number;
  readonly blocksRead: number;
  readonly filemarks: number;
  /** Rewinds, spacing and locating that moved the tape. */
  readonly repositionings: number;
  /** Times the tape stopped because a block was late; see `Pace`. */
  readonly stops: number;
}

const powerOnModes: DriveModes = { blockSize: 0, buffered: 1, compression: false };

/**
 * A tape drive as the bus sees it: takes commands (SSC-4) and answers with status, sense and data. It stands
 * under the virtual drive of the product and behind the tape target of the tests. One command at a time.
 */
export class ScsiDrive {
  readonly bay: DriveBay;
  readonly #pace: Pace;
  #cartridge: Cartridge | null = null;
  #loaded = false;
  #position = 0;
  #modes = { ...powerOnModes };
  #prevented = false;
  #attentions: number[] = [];
  readonly #alerts = new Set<number>();
  #plan: FaultPlan | null = null;
  #counters = { blocksWritten: 0, blocksRead: 0, filemarks: 0, repositionings: 0 };

  constructor(bay: DriveBay, clock: Clock = systemClock) {
    this.bay = bay;
    this.#pace = new Pace(clock);
  }

  get counters(): DriveCounters {
    return { ...this.#counters, stops: this.#pace.stops };
  }

  get position(): number {
    return this.#position;
  }

  get blockSize(): number {
    return this.#modes.blockSize;
  }

  get loaded(): boolean {
    return this.#loaded;
  }

  get cartridge(): Cartridge | null {
    return this.#cartridge;
  }

  /** The drive was switched on or its bus reset: its modes are those it began with. */
  reset(): void {
    this.#modes = { ...powerOnModes };
    this.#prevented = false;
    this.#attentions.push(senseCode.reset);
  }

  raiseAlert(flag: number): void {
    this.#alerts.add(flag);
  }

  /** Executes a command; `sent` is what came with it. What it answers with may be longer than was asked for. */
  async execute(command: Buffer, sent: Buffer = Buffer.alloc(0)): Promise<Answer> {
    await this.#look();
    return (await this.#obstacle(command[0]!)) ?? (await this.#dispatch(command, sent));
  }

  /** Goes on where the program that used the drive last left it; the drive is nobody else's now. */
  async recall(): Promise<DriveMemory | null> {
    const memory = await this.bay.remembered();
    const inside = await this.bay.inside();
    if (memory === null || inside === null || memory.presence !== inside.presence) return null;
    if (this.#cartridge?.presence !== inside.presence) this.#takeIn(inside);
    this.#cartridge = inside;
    this.#loaded = memory.loaded;
    this.#position = Math.min(memory.position, inside.tape.records);
    this.#modes.blockSize = memory.blockSize;
    return memory;
  }

  /** Sees what is in the drive. */
  async #look(): Promise<void> {
    const inside = await this.bay.inside();
    const changed = inside?.presence !== this.#cartridge?.presence;
    if (changed) this.#takeIn(inside);
    this.#cartridge = inside;
    if (!changed) return;
    this.#loaded = inside !== null;
    this.#position = 0;
    this.#prevented = false;
    if (inside !== null) this.#attentions.push(senseCode.mediumChanged);
  }

  #takeIn(inside: Cartridge | null): void {
    this.#cartridge = inside;
    this.#plan = null;
    if (inside === null) return;
    for (const alert of [...(this.bay.faults.alerts ?? []), ...(inside.facts.faults.alerts ?? [])])
      this.#alerts.add(alert);
  }

  /** The faults as they are now; others begin their counts anew. */
  #faults(): FaultPlan {
    const cartridge = this.#cartridge?.facts.faults ?? {};
    if (this.#plan?.isOf(this.bay.faults, cartridge) !== true)
      this.#plan = new FaultPlan(this.bay.faults, cartridge);
    return this.#plan;
  }

  /** Keeps where the tape stands for the next program. */
  async remember(driver: DriverPosition = { file: -1, block: -1, met: 'nothing' }): Promise<void> {
    await this.bay.remember({
      presence: this.#cartridge?.presence ?? null,
      loaded: this.#loaded,
      position: this.#position,
      blockSize: this.#modes.blockSize,
      file: driver.file,
      block: driver.block,
      met: driver.met,
    });
  }

  /** Why a command cannot be done now; null when it can. */
  async #obstacle(code: number): Promise<Answer | null> {
    if (!attentionFree.has(code)) {
      const attention = this.#attentions.shift();
      if (attention !== undefined) return check(senseKey.unitAttention, attention);
    }
    if (cartridgeFree.has(code)) return null;
    if (this.#cartridge === null || !this.#loaded) return check(senseKey.notReady, senseCode.noMedium);
    if (this.#cartridge.facts.kind === 'cleaning')
      return check(senseKey.notReady, senseCode.cleaningInstalled);
    if (this.#faults().isBecomingReady()) return check(senseKey.notReady, senseCode.becomingReady);
    return changing.has(code) ? this.#protection(this.#cartridge) : null;
  }

  #protection({ facts, tape }: Cartridge): Answer | null {
    if (facts.writeProtected) return check(senseKey.dataProtect, senseCode.writeProtected);
    const onlyFilemarksBehind =
      tape.filemarksBefore(tape.records) - tape.filemarksBefore(this.#position) ===
      tape.records - this.#position;
    return facts.worm && !onlyFilemarksBehind
      ? check(senseKey.dataProtect, senseCode.overwriteRefused)
      : null;
  }

  async #dispatch(command: Buffer, sent: Buffer): Promise<Answer> {
    const code = command[0]!;
    switch (code) {
      case op.testUnitReady:
      case op.reserve:
      case op.release:
        return good();
      case op.requestSense:
        return good(senseData(senseKey.none, senseCode.none));
      case op.inquiry:
        return found(inquiry(command, 0x01, driveProduct, this.bay.serial));
      case op.readBlockLimits: {
        const limits = Buffer.alloc(6);
        limits.writeUIntBE(longestBlock, 1, 3);
        limits.writeUInt16BE(1, 4);
        return good(limits);
      }
      case op.modeSense:
      case op.modeSense10:
        return found(modeData(command, this.#modes, this.#cartridge?.facts.writeProtected === true));
      case op.modeSelect:
      case op.modeSelect10: {
        const modes = decodeModes(command, sent, this.#modes);
        if (modes === null) return illegal();
        this.#modes = modes;
        return good();
      }
      case op.logSense:
        return found(logPage(command, this.#cartridge, this.#alerts));
      case op.reportDensity:
        return good(densityReport());
      case op.prevent:
        this.#prevented = (command[4]! & 1) !== 0;
        return good();
      case op.loadUnload:
        return this.#loadUnload((command[4]! & 1) !== 0);
      default:
        return this.#onTape(command, sent, this.#cartridge!);
    }
  }

  async #loadUnload(load: boolean): Promise<Answer> {
    await this.#pace.settle();
    if (this.#cartridge === null) return check(senseKey.notReady, senseCode.noMedium);
    if (!load && this.#prevented) return check(senseKey.illegalRequest, senseCode.removalPrevented);
    if (load && !this.#loaded) this.#attentions.push(senseCode.mediumChanged);
    this.#loaded = load;
    this.#position = 0;
    await this.remember();
    return good();
  }

  async #onTape(command: Buffer, sent: Buffer, { tape }: Cartridge): Promise<Answer> {
    const code = command[0]!;
    switch (code) {
      case op.read:
        return readBlocks(this.#transfer(), command);
      case op.write:
        return writeBlocks(this.#transfer(), command, sent);
      case op.writeFilemarks:
        return this.#writeFilemarks(command.readUIntBE(2, 3));
      case op.writeFilemarks16:
        return this.#writeFilemarks(command.readUIntBE(12, 3));
      case op.erase:
        await tape.cut(this.#position);
        return good();
      case op.rewind:
        await this.#moveTo(0);
        return good();
      case op.space:
        return this.#space(command[1]! & 0x0f, command.readIntBE(2, 3));
      case op.space16:
        return this.#space(command[1]! & 0x0f, Number(command.readBigInt64BE(4)));
      case op.locate:
        return this.#locate(command.readUInt32BE(3));
      case op.locate16:
        return this.#locate(Number(command.readBigUInt64BE(4)));
      case op.readPosition:
        return this.#readPosition(command[1]! & 0x1f);
      case op.readAttribute:
        return found(attributeData(command, this.#cartridge!));
      case op.writeAttribute:
        return this.#writeAttributes(sent);
      default:
        return check(senseKey.illegalRequest, senseCode.invalidCommand);
    }
  }

  async #moveTo(position: number): Promise<void> {
    await this.#pace.settle();
    if (position !== this.#position) this.#counters.repositionings++;
    this.#position = position;
  }

  async #space(what: number, count: number): Promise<Answer> {
    const { tape } = this.#cartridge!;
    let spaced: Spaced;
    if (what === 0) spaced = spaceBlocks(tape, this.#position, count);
    else if (what === 1) spaced = spaceFilemarks(tape, this.#position, count);
    else if (what === 3) spaced = { position: tape.records, answer: good() };
    else return illegal();
    await this.#moveTo(spaced.position);
    return spaced.answer;
  }

  async #locate(position: number): Promise<Answer> {
    if (!this.#faults().locates) return check(senseKey.illegalRequest, senseCode.invalidCommand);
    const { records } = this.#cartridge!.tape;
    await this.#moveTo(Math.min(position, records));
    return position > records ? check(senseKey.blankCheck, senseCode.endOfData) : good();
  }

  /** READ POSITION, short and long form (SSC-4, 7.7). */
  #readPosition(form: number): Answer {
    if (!this.#faults().locates) return check(senseKey.illegalRequest, senseCode.invalidCommand);
    const { tape, facts } = this.#cartridge!;
    const beginning = this.#position === 0 ? 0x80 : 0;
    if (form === 6) {
      const data = Buffer.alloc(32);
      data[0] = beginning;
      data.writeBigUInt64BE(BigInt(this.#position), 8);
      data.writeBigUInt64BE(BigInt(tape.filemarksBefore(this.#position)), 16);
      return good(data);
    }
    if (form > 1) return illegal();
    const data = Buffer.alloc(20);
    data[0] = beginning | (tape.bytesBefore(this.#position) > facts.earlyWarning ? 0x41 : 0);
    data.writeUInt32BE(this.#position, 4);
    data.writeUInt32BE(this.#position, 8);
    return good(data);
  }

  async #writeFilemarks(count: number): Promise<Answer> {
    const { tape, facts } = this.#cartridge!;
    await this.#pace.settle();
    if (count === 0) await tape.sync();
    else await tape.writeFilemarks(this.#position, count);
    this.#position += count;
    this.#counters.filemarks += count;
    if (count === 0 || tape.bytesBefore(this.#position) <= facts.earlyWarning) return good();
    return check(senseKey.none, senseCode.endOfMedium, { flags: senseFlag.endOfMedium, information: 0 });
  }

  async #writeAttributes(sent: Buffer): Promise<Answer> {
    for (let at = 4; at + 5 <= sent.length;) {
      const length = sent.readUInt16BE(at + 3);
      const number = sent.readUInt16BE(at);
      if (number < 0x0800) return illegal();
      if (!(await this.#cartridge!.tape.setAttribute(number, sent.subarray(at + 5, at + 5 + length))))
        return illegal();
      at += 5 + length;
    }
    return good();
  }

  /** What reading and writing blocks needs of the drive. */
  #transfer(): Transfer {
    const cartridge = this.#cartridge!;
    return {
      cartridge,
      blockSize: this.#modes.blockSize,
      position: () => this.#position,
      before: async (what) => {
        const number = this.#position;
        const events =
          what === 'write' ? this.#faults().beforeWrite(number) : this.#faults().beforeRead(number);
        return this.#happen(events, what === 'write' ? op.write : op.read);
      },
      passed: async (what, bytes) => {
        this.#position++;
        if (what === 'filemark') return;
        this.#counters[what === 'write' ? 'blocksWritten' : 'blocksRead']++;
        if (what === 'write') await this.#pace.take(bytes, this.bay.faults.pace);
      },
      takePhantom: () => this.#faults().takePhantom(),
    };
  }

  /** Lets happen what is due, and gives the answer of a command it stops. */
  async #happen(events: readonly FaultEvent[], code: number): Promise<Answer | null> {
    for (const { happens, barcode } of events) {
      switch (happens) {
        case 'medium-error':
          this.#alerts.add(code === op.write ? 6 : 5);
          return check(
            senseKey.mediumError,
            code === op.write ? senseCode.writeError : senseCode.unrecoveredRead,
          );
        case 'hardware-error':
          this.#alerts.add(30);
          return check(senseKey.hardwareError, senseCode.internalFailure);
        case 'bus-reset':
          this.reset();
          break;
        case 'protect':
          await this.bay.protect();
          break;
        case 'remove':
          await this.bay.remove();
          break;
        case 'swap':
          await this.bay.swap(barcode ?? '');
          break;
      }
    }
    if (events.length === 0) return null;
    await this.#look();
    return this.#obstacle(code);
  }
}

function found(data: Buffer | null): Answer {
  return data === null ? illegal() : good(data);
}

function illegal(): Answer {
  return check(senseKey.illegalRequest, senseCode.invalidField);
}
