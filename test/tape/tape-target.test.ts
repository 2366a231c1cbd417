import { connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import {
  answerHeader,
  decodeText,
  encodePdu,
  encodeText,
  opcode,
  PduReader,
  type Pdu,
} from '../../qemu-tests/tape-target/iscsi-pdu.ts';
import {
  startTapeTarget,
  type TapeTarget,
  type TapeTargetRequest,
} from '../../qemu-tests/tape-target/target.ts';
import { stepBlock } from '../contract/tape-steps.ts';

const size = 16 * 1024 * 1024;

interface Result {
  readonly status: number;
  readonly sense: Buffer;
  readonly data: Buffer;
  readonly residual: number;
}

/** As much of an initiator as it takes to send commands one by one. */
class Initiator {
  readonly #socket: Socket;
  readonly #reader = new PduReader();
  readonly #pdus: Pdu[] = [];
  #wake: () => void = () => {};
  #number = 0;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.on('data', (piece) => {
      this.#pdus.push(...this.#reader.take(Buffer.from(piece)));
      this.#wake();
    });
  }

  async #next(): Promise<Pdu> {
    while (this.#pdus.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#pdus.shift()!;
  }

  #send(header: Buffer, data?: Buffer): void {
    this.#socket.write(Buffer.concat(encodePdu(header, data)));
  }

  /** Logs in without a word about authentication; gives what the target said. */
  async login(iqn: string): Promise<Map<string, string>> {
    const header = answerHeader(0x40 | opcode.login, 0x80 | (1 << 2) | 3, 1);
    this.#send(
      header,
      encodeText(
        new Map([
          ['InitiatorName', 'iqn.2026-11.test:initiator'],
          ['TargetName', iqn],
          ['SessionType', 'Normal'],
          ['HeaderDigest', 'CRC32C,None'],
          ['MaxRecvDataSegmentLength', '65536'],
        ]),
      ),
    );
    const { header: answer, data } = await this.#next();
    if (answer[0] !== opcode.loginResponse || answer.readUInt16BE(36) !== 0) throw new Error('no login');
    return decodeText(data);
  }

  /** Sends a command with `sent`, or with room for `room` bytes; data goes out when it is asked for. */
  async command(unit: number, bytes: readonly number[], room = 0, sent?: Buffer): Promise<Result> {
    const header = answerHeader(
      opcode.command,
      0x80 | (room > 0 ? 0x40 : 0) | (sent ? 0x20 : 0),
      ++this.#number,
    );
    header[9] = unit;
    header.writeUInt32BE(sent?.length ?? room, 20);
    header.writeUInt32BE(this.#number, 24);
    Buffer.from(bytes).copy(header, 32);
    this.#send(header, sent?.subarray(0, 8192));
    const pieces: Buffer[] = [];
    for (;;) {
      const { header: answer, data } = await this.#next();
      if (answer[0] === opcode.dataIn) pieces.push(Buffer.from(data));
      else if (answer[0] === opcode.readyToTransfer) this.#sendBurst(answer, sent!);
      else if (answer[0] === opcode.response) {
        const sense = Buffer.from(data.subarray(2));
        const residual = (answer[1]! & 0x02) === 0 ? 0 : answer.readUInt32BE(44);
        return { status: answer[3]!, sense, data: Buffer.concat(pieces), residual };
      } else throw new Error(`operation ${answer[0]}`);
    }
  }

  #sendBurst(request: Buffer, sent: Buffer): void {
    const from = request.readUInt32BE(40);
    const to = from + request.readUInt32BE(44);
    for (let at = from; at < to; at += 65_536) {
      const piece = sent.subarray(at, Math.min(at + 65_536, to));
      const header = answerHeader(
        opcode.dataOut,
        at + piece.length === to ? 0x80 : 0,
        request.readUInt32BE(16),
      );
      header.writeUInt32BE(request.readUInt32BE(20), 20);
      header.writeUInt32BE(at, 40);
      this.#send(header, piece);
    }
  }

  end(): void {
    this.#socket.destroy();
  }
}

async function loggedIn(t: ExecutionContext, request: TapeTargetRequest): Promise<[TapeTarget, Initiator]> {
  const target = await startTapeTarget(request);
  const initiator = new Initiator(target.port);
  t.teardown(async () => {
    initiator.end();
    await target.close();
  });
  t.is((await initiator.login(target.iqn)).get('HeaderDigest'), 'None');
  return [target, initiator];
}

const counted = (code: number, flags: number, count: number): number[] => [
  code,
  flags,
  (count >> 16) & 0xff,
  (count >> 8) & 0xff,
  count & 0xff,
  0,
];

/** Sense key and additional sense code with its qualifier. */
const why = ({ status, sense }: Result): string =>
  status === 0 ? 'good' : `${(sense[2]! & 0x0f).toString(16)}/${sense.subarray(12, 14).toString('hex')}`;

test('a block of many bursts comes back whole over the wire', async (t) => {
  const [target, initiator] = await loggedIn(t, { cartridges: { A: { size } } });
  const ready = [0, 0, 0, 0, 0, 0];
  t.is(why(await initiator.command(0, ready)), '6/2900');
  t.is(why(await initiator.command(0, ready)), '6/2800');
  t.is(why(await initiator.command(0, ready)), 'good');
  for (const length of [1, 8192, 8193, 3_000_001]) {
    const block = stepBlock(Math.max(length, 4), length).subarray(0, length);
    t.is(why(await initiator.command(0, counted(0x0a, 0, length), 0, block)), 'good');
  }
  t.is(why(await initiator.command(0, counted(0x10, 0, 1))), 'good');
  t.is(why(await initiator.command(0, [1, 0, 0, 0, 0, 0])), 'good');
  for (const length of [1, 8192, 8193, 3_000_001]) {
    const { data } = await initiator.command(0, counted(0x08, 0, length), length);
    t.true(data.equals(stepBlock(Math.max(length, 4), length).subarray(0, length)), `${length} bytes`);
  }
  const mark = await initiator.command(0, counted(0x08, 0, 4096), 4096);
  t.is(why(mark), '0/0001');
  t.is(mark.residual, 4096);
  t.like(target.control.counters(), { blocksWritten: 4, blocksRead: 4, filemarks: 1, repositionings: 1 });
});

test('a shorter block than the room leaves a residual, and says so', async (t) => {
  const [, initiator] = await loggedIn(t, { cartridges: { A: { size } } });
  for (let i = 0; i < 2; i++) await initiator.command(0, [0, 0, 0, 0, 0, 0]);
  await initiator.command(0, counted(0x0a, 0, 1000), 0, stepBlock(1000, 1));
  await initiator.command(0, [1, 0, 0, 0, 0, 0]);
  const short = await initiator.command(0, counted(0x08, 0, 4096), 4096);
  t.is(short.data.length, 1000);
  t.is(short.residual, 3096);
  t.is(short.sense[2]! & 0x20, 0x20, 'incorrect length');
  t.is(short.sense.readInt32BE(3), 3096);
});

/** MOVE MEDIUM between two elements. */
function move(from: number, to: number): number[] {
  const bytes = Buffer.alloc(12);
  bytes[0] = 0xa5;
  bytes.writeUInt16BE(from, 4);
  bytes.writeUInt16BE(to, 6);
  return [...bytes];
}

test('the changer is a unit behind the drives: elements with volume tags, and movements', async (t) => {
  const request = {
    drives: 2,
    slots: 2,
    importExportSlots: 1,
    cartridges: { VOL1: { size }, VOL2: { size } },
  };
  const [target, initiator] = await loggedIn(t, request);
  t.is(target.changerUnit, 2);
  const luns = await initiator.command(0, [0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], 256);
  t.is(luns.data.readUInt32BE(0), 24);
  const type = await initiator.command(2, [0x12, 0, 0, 0, 96, 0], 96);
  t.is(type.data[0], 8);
  t.is(why(await initiator.command(2, [0, 0, 0, 0, 0, 0])), '6/2900');
  t.is(why(await initiator.command(2, move(0x3e8, 0x101))), 'good');
  t.is(why(await initiator.command(2, move(0x3e8, 0x100))), '5/3b0e');
  t.is(why(await initiator.command(2, move(0x3e9, 0x101))), '5/3b0d');
  t.is(why(await initiator.command(2, move(0x3e9, 0x7777))), '5/2101');
  t.like((await target.control.library.changer!.status()).drives[1], {
    full: true,
    barcode: 'VOL1',
    from: 1,
  });
  // Drives only, with volume tags: header 8, page header 8, two descriptors of 12 + 36 + 4.
  const status = await initiator.command(2, [0xb8, 0x14, 0, 0, 0xff, 0xff, 0, 0, 16, 0, 0, 0], 4096);
  t.is(status.data.length, 8 + 8 + 2 * 52);
  t.is(status.data.readUInt16BE(2), 2);
  const second = status.data.subarray(16 + 52);
  t.is(second.readUInt16BE(0), 0x101);
  t.is(second[2]! & 1, 1);
  t.is(second.readUInt16BE(10), 0x3e8);
  t.is(second.toString('latin1', 12, 44).trim(), 'VOL1');
  // And with what names each drive, the same as the drive says of itself.
  const named = await initiator.command(2, [0xb8, 4, 0, 0, 0xff, 0xff, 1, 0, 16, 0, 0, 0], 4096);
  const identification = await initiator.command(1, [0x12, 1, 0x83, 0, 0xff, 0], 255);
  const identifier = identification.data.subarray(8);
  t.is(identifier.toString('latin1', 0, 8), 'REMETAL ');
  t.true(named.data.subarray(-identifier.length).equals(identifier));
});

test('a unit that does not exist says that it is none', async (t) => {
  const [, initiator] = await loggedIn(t, { cartridges: { A: { size } } });
  const inquiry = await initiator.command(5, [0x12, 0, 0, 0, 36, 0], 36);
  t.is(inquiry.data[0], 0x7f);
  t.is(why(await initiator.command(5, [0, 0, 0, 0, 0, 0])), '5/2500');
});

test('units come out whole however the stream is cut', (t) => {
  const first = encodePdu(answerHeader(opcode.nopIn, 0x80, 7), Buffer.from('abcde'));
  const stream = Buffer.concat([...first, ...encodePdu(answerHeader(opcode.nopIn, 0x80, 8))]);
  for (const length of [1, 7, 47, 48, 53, 56, stream.length]) {
    const reader = new PduReader();
    const out: string[] = [];
    for (let at = 0; at < stream.length; at += length)
      out.push(...reader.take(stream.subarray(at, at + length)).map(({ data }) => data.toString()));
    t.deepEqual(out, ['abcde', ''], `pieces of ${length}`);
  }
});
