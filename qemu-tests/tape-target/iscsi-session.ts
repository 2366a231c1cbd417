import type { Socket } from 'node:net';
import { check, senseCode, senseKey, type Answer } from '../../src/tape/virtual/index.ts';
import {
  answerHeader,
  decodeText,
  encodePdu,
  encodeText,
  noTag,
  opcode,
  PduReader,
  type Pdu,
} from './iscsi-pdu.ts';

/** One of the target's devices. */
export interface LogicalUnit {
  execute(command: Buffer, sent: Buffer): Promise<Answer>;
}

export interface TargetDescription {
  readonly iqn: string;
  /** `127.0.0.1:3260`, for discovery. */
  readonly portal: string;
  readonly units: readonly LogicalUnit[];
}

/** What we say to each key of the login that is ours to answer (RFC 7143, section 13). */
const parameters: Readonly<Record<string, string>> = {
  AuthMethod: 'None',
  HeaderDigest: 'None',
  DataDigest: 'None',
  InitialR2T: 'Yes',
  ImmediateData: 'Yes',
  MaxBurstLength: '16776192',
  FirstBurstLength: '262144',
  DefaultTime2Wait: '2',
  DefaultTime2Retain: '0',
  MaxOutstandingR2T: '1',
  DataPDUInOrder: 'Yes',
  DataSequenceInOrder: 'Yes',
  ErrorRecoveryLevel: '0',
  MaxConnections: '1',
  IFMarker: 'No',
  OFMarker: 'No',
};
const longestBurst = 1024 * 1024;
const commandWindow = 32;

/** A command whose data is still coming. */
interface Task {
  readonly tag: number;
  readonly unit: number;
  readonly command: Buffer;
  readonly expected: number;
  readonly reads: boolean;
  readonly writes: boolean;
  readonly sent: Buffer;
  received: number;
  burstEnd: number;
  requests: number;
}

/** One connection of an initiator, which is a session. Commands are done one after another, in their order. */
export class IscsiSession {
  readonly #socket: Socket;
  readonly #target: TargetDescription;
  readonly #reader = new PduReader();
  readonly #tasks = new Map<number, Task>();
  #statusNumber = 1;
  #commandNumber = 0;
  #longestAnswer = 8192;
  #queue: Promise<void> = Promise.resolve();

  constructor(socket: Socket, target: TargetDescription) {
    this.#socket = socket;
    this.#target = target;
    socket.setNoDelay(true);
    socket.on('data', (piece) => {
      for (const pdu of this.#reader.take(Buffer.from(piece))) this.#take(pdu);
    });
  }

  /** Ends in order what came in order: no unit is taken up before the one before it is answered. */
  #enqueue(work: () => Promise<void>): void {
    this.#queue = this.#queue.then(work).catch((error: unknown) => {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  }

  #take({ header, data }: Pdu): void {
    const operation = header[0]! & 0x3f;
    const immediate = (header[0]! & 0x40) !== 0;
    const tag = header.readUInt32BE(16);
    if (operation !== opcode.dataOut) {
      const number = header.readUInt32BE(24);
      if (!immediate) this.#commandNumber = (number + 1) >>> 0;
      else if (operation === opcode.login) this.#commandNumber = number;
    }
    switch (operation) {
      case opcode.login:
        return this.#login(header, data, tag);
      case opcode.command:
        return this.#command(header, data, tag);
      case opcode.dataOut:
        return this.#dataOut(header, data, tag);
      case opcode.nopOut:
        if (tag !== noTag) this.#answer(answerHeader(opcode.nopIn, 0x80, tag), data);
        return undefined;
      case opcode.taskManagement:
        // Function complete: nothing is ever held back that could be ended.
        return this.#answer(answerHeader(opcode.taskManagementResponse, 0x80, tag));
      case opcode.text: {
        const found = new Map([
          ['TargetName', this.#target.iqn],
          ['TargetAddress', `${this.#target.portal},1`],
        ]);
        return this.#answer(answerHeader(opcode.textResponse, 0x80, tag), encodeText(found));
      }
      case opcode.logout:
        this.#answer(answerHeader(opcode.logoutResponse, 0x80, tag));
        this.#socket.end();
        return undefined;
      default: {
        const rejection = answerHeader(opcode.reject, 0x80, noTag);
        // Reason: command not supported.
        rejection[2] = 0x05;
        return this.#answer(rejection, Buffer.from(header));
      }
    }
  }

  #send(header: Buffer, data?: Buffer): void {
    this.#socket.cork();
    for (const piece of encodePdu(header, data)) this.#socket.write(piece);
    this.#socket.uncork();
  }

  /** Sends an answer with a status number of its own. */
  #answer(header: Buffer, data?: Buffer): void {
    header.writeUInt32BE(this.#statusNumber, 24);
    this.#statusNumber = (this.#statusNumber + 1) >>> 0;
    this.#numbers(header);
    this.#send(header, data);
  }

  #numbers(header: Buffer): void {
    header.writeUInt32BE(this.#commandNumber, 28);
    header.writeUInt32BE((this.#commandNumber + commandWindow) >>> 0, 32);
  }

  #login(request: Buffer, data: Buffer, tag: number): void {
    const asked = decodeText(data);
    const length = Number(asked.get('MaxRecvDataSegmentLength') ?? 0);
    if (length > 0) this.#longestAnswer = Math.min(length, longestBurst);
    const said = new Map(
      [...asked.keys()].flatMap((key) => (key in parameters ? [[key, parameters[key]!] as const] : [])),
    );
    const stage = (request[1]! >> 2) & 3;
    const next = request[1]! & 3;
    const transit = (request[1]! & 0x80) !== 0;
    if (stage === 1) said.set('MaxRecvDataSegmentLength', '262144');
    said.set('TargetPortalGroupTag', '1');
    const header = answerHeader(opcode.loginResponse, (transit ? 0x80 | next : 0) | (stage << 2), tag);
    header.writeUInt32BE(0, 20);
    // The initiator's session identifier, and one of ours once the full feature phase begins.
    request.copy(header, 8, 8, 14);
    header.writeUInt16BE(transit && next === 3 ? 1 : request.readUInt16BE(14), 14);
    this.#answer(header, encodeText(said));
  }

  #command(header: Buffer, data: Buffer, tag: number): void {
    const writes = (header[1]! & 0x20) !== 0;
    const expected = header.readUInt32BE(20);
    const task: Task = {
      tag,
      unit: (header.readUInt16BE(8) & 0x3fff) >>> 0,
      command: Buffer.from(header.subarray(32, 48)),
      expected,
      reads: (header[1]! & 0x40) !== 0,
      writes,
      sent: Buffer.alloc(writes ? expected : 0),
      received: Math.min(data.length, writes ? expected : 0),
      burstEnd: 0,
      requests: 0,
    };
    data.copy(task.sent, 0, 0, task.received);
    if (task.received === task.sent.length) return this.#enqueue(() => this.#execute(task));
    this.#tasks.set(tag, task);
    return this.#requestData(task);
  }

  /** Asks for the next burst of a command's data. */
  #requestData(task: Task): void {
    const length = Math.min(task.expected - task.received, longestBurst);
    const header = answerHeader(opcode.readyToTransfer, 0x80, task.tag);
    header.writeUInt32BE(task.tag, 20);
    header.writeUInt32BE(this.#statusNumber, 24);
    this.#numbers(header);
    header.writeUInt32BE(task.requests++, 36);
    header.writeUInt32BE(task.received, 40);
    header.writeUInt32BE(length, 44);
    task.burstEnd = task.received + length;
    this.#send(header);
  }

  #dataOut(header: Buffer, data: Buffer, tag: number): void {
    const task = this.#tasks.get(tag);
    if (task === undefined) return;
    const offset = header.readUInt32BE(40);
    data.copy(task.sent, offset);
    task.received = Math.max(task.received, offset + data.length);
    if (task.received >= task.expected) {
      this.#tasks.delete(tag);
      this.#enqueue(() => this.#execute(task));
    } else if (task.received >= task.burstEnd) this.#requestData(task);
  }

  async #execute(task: Task): Promise<void> {
    const answer = await this.#answerOf(task);
    const data = task.reads ? answer.data.subarray(0, task.expected) : Buffer.alloc(0);
    for (let at = 0, number = 0; at < data.length; at += this.#longestAnswer, number++) {
      const piece = data.subarray(at, at + this.#longestAnswer);
      const header = answerHeader(opcode.dataIn, at + piece.length === data.length ? 0x80 : 0, task.tag);
      this.#numbers(header);
      header.writeUInt32BE(number, 36);
      header.writeUInt32BE(at, 40);
      this.#send(header, piece);
    }
    const transferred = task.reads ? data.length : task.sent.length;
    const residual = task.reads || task.writes ? task.expected - transferred : 0;
    // The underflow bit, where less came than was expected.
    const header = answerHeader(opcode.response, 0x80 | (residual > 0 ? 0x02 : 0), task.tag);
    header.writeUInt32BE(0, 20);
    header[3] = answer.status;
    header.writeUInt32BE(residual, 44);
    if (answer.sense.length === 0) return this.#answer(header);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(answer.sense.length, 0);
    return this.#answer(header, Buffer.concat([length, answer.sense]));
  }

  async #answerOf({ unit, command, sent }: Task): Promise<Answer> {
    const { units } = this.#target;
    if (command[0] === 0xa0) return reportUnits(units.length);
    const device = units[unit];
    if (device !== undefined) return device.execute(command, sent);
    if (command[0] !== 0x12) return check(senseKey.illegalRequest, senseCode.logicalUnitNotSupported);
    // INQUIRY of a unit there is none of: no device of any type.
    const data = Buffer.alloc(36);
    data[0] = 0x7f;
    data[4] = data.length - 5;
    return { status: 0, sense: Buffer.alloc(0), data };
  }
}

/** REPORT LUNS (SPC-4, 6.33), each in the simple form. */
function reportUnits(count: number): Answer {
  const data = Buffer.alloc(8 + 8 * count);
  data.writeUInt32BE(8 * count, 0);
  for (let unit = 0; unit < count; unit++) data[8 + 8 * unit + 1] = unit;
  return { status: 0, sense: Buffer.alloc(0), data };
}
