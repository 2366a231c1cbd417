import { isCoded, systemCode } from '../../errors/index.ts';
import type { Cartridge } from './bay.ts';
import { longestBlock } from './scsi-pages.ts';
import { check, good, senseCode, senseFlag, senseKey, type Answer } from './sense.ts';

/** What reading and writing blocks needs of a drive. */
export interface Transfer {
  readonly cartridge: Cartridge;
  /** Bytes; 0 for blocks of any length. */
  readonly blockSize: number;
  position(): number;
  /** Lets happen what is to happen before the next block; gives the answer when that ends the command. */
  before(what: 'read' | 'write'): Promise<Answer | null>;
  /** The tape has moved past a block or filemark. */
  passed(what: 'read' | 'write' | 'filemark', bytes: number): Promise<void>;
  takePhantom(): boolean;
}

/** READ(6), SSC-4: one block of any length, or a number of blocks of the length that is set. */
export async function readBlocks(drive: Transfer, command: Buffer): Promise<Answer> {
  const count = command.readUIntBE(2, 3);
  const fixed = (command[1]! & 1) !== 0;
  if (count === 0) return good();
  if (!fixed) return readOne(drive, count, (command[1]! & 2) !== 0);
  const { blockSize } = drive;
  if (blockSize === 0) return check(senseKey.illegalRequest, senseCode.invalidField);
  const blocks: Buffer[] = [];
  while (blocks.length < count) {
    const answer = await readOne(drive, blockSize, false);
    if (answer.status !== 0) return shortened(answer, count - blocks.length, blocks);
    blocks.push(answer.data);
  }
  return good(Buffer.concat(blocks));
}

/** The answer to a read of several blocks that one of them ended. */
function shortened(answer: Answer, left: number, blocks: readonly Buffer[]): Answer {
  const sense = Buffer.from(answer.sense);
  if ((sense[0]! & 0x80) !== 0) sense.writeInt32BE(left, 3);
  return { status: answer.status, sense, data: Buffer.concat(blocks) };
}

async function readOne(drive: Transfer, room: number, suppressLength: boolean): Promise<Answer> {
  const stopped = await drive.before('read');
  const { tape } = drive.cartridge;
  const position = drive.position();
  if (stopped !== null) return withInformation(stopped, room);
  if (position >= tape.records) return endOfData(drive, room);
  if (tape.isFilemark(position)) {
    await drive.passed('filemark', 0);
    return check(senseKey.none, senseCode.filemark, { flags: senseFlag.filemark, information: room });
  }
  const length = tape.lengthOf(position);
  const data = Buffer.allocUnsafeSlow(Math.min(length, room));
  try {
    await tape.read(position, data);
  } catch (error) {
    if (!isCoded(error, 'record-damaged')) throw error;
    return check(senseKey.mediumError, senseCode.unrecoveredRead, { information: room });
  }
  await drive.passed('read', length);
  if (length === room || (length < room && suppressLength)) return good(data);
  return check(senseKey.none, senseCode.none, {
    flags: senseFlag.incorrectLength,
    information: room - length,
    data,
  });
}

function endOfData(drive: Transfer, room: number): Answer {
  const details = drive.takePhantom()
    ? { flags: senseFlag.endOfMedium, data: Buffer.alloc(room, 0x55) }
    : { information: room };
  return check(senseKey.blankCheck, senseCode.endOfData, details);
}

/** WRITE(6), SSC-4. The write that crosses the early warning is done, and says so. */
export async function writeBlocks(drive: Transfer, command: Buffer, sent: Buffer): Promise<Answer> {
  const count = command.readUIntBE(2, 3);
  const fixed = (command[1]! & 1) !== 0;
  if (count === 0) return good();
  const size = fixed ? drive.blockSize : count;
  const blocks = fixed ? count : 1;
  if (size === 0 || size > longestBlock || sent.length < size * blocks)
    return check(senseKey.illegalRequest, senseCode.invalidField);
  const { tape, facts } = drive.cartridge;
  for (let i = 0; i < blocks; i++) {
    const left = fixed ? blocks - i : count;
    const stopped = await drive.before('write');
    if (stopped !== null) return withInformation(stopped, left);
    const written = await writeOne(drive, sent.subarray(i * size, (i + 1) * size));
    if (!written) {
      return check(senseKey.volumeOverflow, senseCode.endOfMedium, {
        flags: senseFlag.endOfMedium,
        information: left,
      });
    }
    await drive.passed('write', size);
  }
  if (tape.bytesBefore(drive.position()) <= facts.earlyWarning) return good();
  return check(senseKey.none, senseCode.endOfMedium, { flags: senseFlag.endOfMedium, information: 0 });
}

/** False where the tape is at its end; a host's disk that is full is that too. */
async function writeOne(drive: Transfer, block: Buffer): Promise<boolean> {
  const { tape, facts } = drive.cartridge;
  if (tape.bytesBefore(drive.position()) + block.length > facts.capacity) return false;
  try {
    await tape.write(drive.position(), block);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOSPC') return false;
    throw error;
  }
}

/** Errors of the medium name how much of the command was not done. */
function withInformation(answer: Answer, information: number): Answer {
  const sense = Buffer.from(answer.sense);
  if ((sense[2]! & 0x0f) !== senseKey.mediumError) return answer;
  sense[0] = 0xf0;
  sense.writeInt32BE(information, 3);
  return { ...answer, sense };
}
