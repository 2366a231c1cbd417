import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { TapeDevice } from '../../src/system/index.ts';
import {
  createLibrary,
  openLibrary,
  type Clock,
  type Faults,
  type VirtualLibrary,
} from '../../src/tape/virtual/index.ts';
import { tapeContract } from '../contract/tape-device.ts';
import { faultLibrary, faultSteps } from '../contract/tape-fault-steps.ts';
import { faultStepLines, stepLines } from '../contract/tape-lines.ts';
import { stepBlock, stepCartridge, steps } from '../contract/tape-steps.ts';
import { temporary } from '../helpers/temporary.ts';

const mebi = 1024 * 1024;

tapeContract(
  'virtual drive',
  async (t) => {
    const folder = temporary(t);
    await createLibrary(folder, { drives: 1, slots: 0, cartridges: { A: stepCartridge } });
    const library = await openLibrary(folder);
    await library.insert('A');
    return library.drives[0]!.open;
  },
  steps,
  stepLines,
);

tapeContract(
  'virtual drive with faults',
  async (t) => {
    const folder = temporary(t);
    await createLibrary(folder, faultLibrary);
    const library = await openLibrary(folder);
    await library.insert('A');
    return library.drives[0]!.open;
  },
  faultSteps,
  faultStepLines,
);

/** Time that passes only when it is waited for. */
function handClock(): Clock & { pass(milliseconds: number): void } {
  let now = 0;
  return {
    now: () => now,
    wait: async (milliseconds) => {
      now += milliseconds;
    },
    pass: (milliseconds) => {
      now += milliseconds;
    },
  };
}

async function loneDrive(
  t: ExecutionContext,
  facts: Parameters<VirtualLibrary['describe']>[1] = {},
  drive: Faults = {},
  clock: Clock = handClock(),
): Promise<VirtualLibrary> {
  const folder = temporary(t);
  await createLibrary(folder, {
    drives: [{ faults: drive }],
    slots: 0,
    cartridges: { A: { size: 8 * mebi, ...facts }, B: { size: 8 * mebi } },
  });
  return openLibrary(folder, clock);
}

async function device(
  library: VirtualLibrary,
  access: 'look' | 'read' | 'write' = 'write',
): Promise<TapeDevice> {
  return library.drives[0]!.open(access);
}

const testUnitReady = { command: Buffer.alloc(6) };

test('a drive without a cartridge can only be looked at', async (t) => {
  const library = await loneDrive(t);
  for (const access of ['read', 'write'] as const)
    await t.throwsAsync(device(library, access), { code: 'ENOMEDIUM' });
  const look = await device(library, 'look');
  t.like(await look.status(), { online: false, doorOpen: true, file: -1, block: -1 });
  const answer = await look.command(testUnitReady);
  t.is(answer.status, 2);
  t.is(answer.sense[2]! & 0x0f, 2);
  t.is(answer.sense[12], 0x3a);
  await t.throwsAsync(look.read(Buffer.alloc(10)), { code: 'EBADF' });
  await library.insert('A');
  await t.throwsAsync(look.operate('LOAD'), { code: 'EIO' }, 'the first answer only tells of the cartridge');
  await look.operate('LOAD');
  t.true((await look.status()).online);
  await look.close();
});

test('a protected cartridge opens only to be read', async (t) => {
  const library = await loneDrive(t, { writeProtected: true });
  await library.insert('A');
  await t.throwsAsync(device(library), { code: 'EROFS' });
  const tape = await device(library, 'read');
  t.true((await tape.status()).writeProtected);
  await tape.close();
  await library.describe('A', { writeProtected: false });
  await (await device(library)).close();
});

test('a tape written once takes more only behind what it holds', async (t) => {
  const library = await loneDrive(t, { worm: true });
  await library.insert('A');
  const tape = await device(library);
  await tape.write(stepBlock(1000, 1));
  await tape.operate('WEOF', 2);
  await tape.operate('REW');
  await t.throwsAsync(tape.write(stepBlock(1000, 2)), { code: 'EIO' });
  await tape.operate('EOM');
  await tape.operate('BSF', 1);
  await tape.write(stepBlock(1000, 3));
  await tape.operate('REW');
  await tape.operate('FSF', 1);
  const target = Buffer.alloc(1000);
  t.is(await tape.read(target), 1000);
  t.deepEqual(target, stepBlock(1000, 3));
  await tape.close();
});

test('a cleaning cartridge is no tape', async (t) => {
  const library = await loneDrive(t, { kind: 'cleaning' });
  await library.insert('A');
  await t.throwsAsync(device(library), { code: 'EAGAIN' });
  const look = await device(library, 'look');
  t.like(await look.status(), { online: false, doorOpen: false, cleaning: true });
  const answer = await look.command(testUnitReady);
  t.deepEqual([answer.sense[2]! & 0x0f, answer.sense[12], answer.sense[13]], [2, 0x30, 3]);
  await look.close();
});

test('a cartridge that is being calibrated is not waited for, but can be looked at', async (t) => {
  const library = await loneDrive(t, { faults: { pollsUntilReady: 4 } });
  await library.insert('A');
  await t.throwsAsync(device(library), { code: 'EAGAIN' });
  const look = await device(library, 'look');
  t.like(await look.status(), { online: false, doorOpen: false });
  const answer = await look.command(testUnitReady);
  t.deepEqual([answer.sense[2]! & 0x0f, answer.sense[12], answer.sense[13]], [2, 4, 1]);
  t.false((await look.status()).online);
  t.true((await look.status()).online);
  await look.close();
  await (await device(library)).close();
});

test('a cartridge that is taken out under the driver', async (t) => {
  const library = await loneDrive(t);
  await library.insert('A');
  const tape = await device(library);
  await tape.write(stepBlock(1000, 1));
  t.is(await library.remove(), 'A');
  await t.throwsAsync(tape.write(stepBlock(1000, 2)), { code: 'EIO' });
  await t.throwsAsync(tape.tell(), { code: 'EIO' });
  await library.insert('A');
  await t.throwsAsync(tape.operate('REW'), { code: 'EIO' });
  await tape.operate('REW');
  // The driver ended its file before it rewound, where the tape was put in: at the beginning.
  t.is(await tape.read(Buffer.alloc(1000)), 0);
  t.like(await tape.status(), { file: 1, block: 0 });
  await tape.close();
});

test('alerts are told once, and not to who only asks for the length', async (t) => {
  const library = await loneDrive(t, { faults: { alerts: [20] } });
  await library.insert('A');
  const tape = await device(library, 'read');
  library.drives[0]!.scsi.raiseAlert(4);
  const raised = async (room: number): Promise<number[]> => {
    const command = Buffer.from([0x4d, 0, 0x6e, 0, 0, 0, 0, room >> 8, room & 0xff, 0]);
    const { data } = await tape.command({ command, receive: room });
    return Array.from({ length: 64 }, (_, i) => i + 1).filter((flag) => data[4 + (flag - 1) * 5 + 4] === 1);
  };
  t.deepEqual(await raised(4), []);
  t.deepEqual(await raised(1024), [4, 20]);
  t.deepEqual(await raised(1024), []);
  await tape.close();
});

test('the chip names the cartridge and what is left on it, and keeps what is written into it', async (t) => {
  const library = await loneDrive(t);
  await library.insert('A');
  const tape = await device(library);
  await tape.write(stepBlock(256 * 1024, 1));
  await tape.operate('WEOF');
  const value = Buffer.from('Remetal');
  const sent = Buffer.concat([Buffer.from([0, 0, 0, 12, 0x08, 0x01, 0x01, 0, value.length]), value]);
  const write = Buffer.from([0x8d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, sent.length, 0, 0]);
  t.is((await tape.command({ command: write, send: sent })).status, 0);
  await tape.close();
  const again = await device(library, 'read');
  const read = Buffer.from([0x8c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0]);
  const { data } = await again.command({ command: read, receive: 4096 });
  const found = new Map<number, Buffer>();
  for (let at = 4; at < data.length; at += 5 + data.readUInt16BE(at + 3))
    found.set(data.readUInt16BE(at), data.subarray(at + 5, at + 5 + data.readUInt16BE(at + 3)));
  t.is(found.get(0x0000)?.readBigUInt64BE(), 7n);
  t.is(found.get(0x0001)?.readBigUInt64BE(), 8n);
  t.is(found.get(0x0806)?.toString().trim(), 'A');
  t.is(found.get(0x0801)?.toString(), 'Remetal');
  await again.close();
});

test('a drive that cannot locate neither seeks nor tells', async (t) => {
  const library = await loneDrive(t, {}, { noLocate: true });
  await library.insert('A');
  const tape = await device(library);
  await tape.write(stepBlock(1000, 1));
  await tape.operate('WEOF');
  await t.throwsAsync(tape.tell(), { code: 'EIO' });
  await t.throwsAsync(tape.operate('SEEK', 1), { code: 'EIO' });
  await tape.operate('REW');
  await tape.operate('FSF', 1);
  t.like(await tape.status(), { file: 1, block: 0 });
  await tape.close();
});

test('a drive that gives a block of junk at the end of the data says so in its status', async (t) => {
  const library = await loneDrive(t, {}, { phantomBlock: true });
  await library.insert('A');
  const tape = await device(library);
  await tape.write(stepBlock(1000, 1));
  await tape.operate('WEOF');
  await tape.operate('REW');
  const target = Buffer.alloc(2000);
  t.is(await tape.read(target), 1000);
  t.is(await tape.read(target), 0);
  t.is(await tape.read(target), 2000);
  t.true((await tape.status()).endOfData);
  t.is(await tape.read(target), 0);
  await t.throwsAsync(tape.read(target), { code: 'EIO' });
  await tape.close();
});

test('a tape that is not fed in time stops, and each stop costs', async (t) => {
  const clock = handClock();
  const pace = { bytesPerSecond: mebi, slackMilliseconds: 100, stopMilliseconds: 2000 };
  const library = await loneDrive(t, {}, { pace }, clock);
  await library.insert('A');
  const tape = await device(library);
  const { scsi } = library.drives[0]!;
  const block = stepBlock(mebi / 4, 1);
  // Each block takes a quarter of a second; the drive holds one while it writes.
  for (let i = 0; i < 4; i++) await tape.write(block);
  t.is(clock.now(), 750);
  t.is(scsi.counters.stops, 0);
  clock.pass(340);
  await tape.write(block);
  t.is(scsi.counters.stops, 0, 'within its slack');
  clock.pass(400);
  await tape.write(block);
  t.is(scsi.counters.stops, 1);
  t.is(clock.now(), 1090 + 400 + 2000);
  await tape.operate('WEOF');
  t.is(clock.now(), 1090 + 400 + 2000 + 250);
  clock.pass(10_000);
  await tape.write(block);
  t.is(scsi.counters.stops, 1, 'a filemark stops the tape anyhow');
  t.like(scsi.counters, { blocksWritten: 7, filemarks: 1, repositionings: 0 });
  await tape.close();
});

test('faults that are set while the drive works count at once', async (t) => {
  const library = await loneDrive(t);
  await library.insert('A');
  const tape = await device(library);
  await tape.write(stepBlock(1000, 1));
  library.drives[0]!.faults = { events: [{ before: 'write', number: 1, happens: 'medium-error' }] };
  await tape.write(stepBlock(1000, 2));
  await t.throwsAsync(tape.write(stepBlock(1000, 3)), { code: 'EIO' });
  await tape.write(stepBlock(1000, 3));
  await library.describe('A', { faults: { unreadable: [1] } });
  await tape.operate('REW');
  const target = Buffer.alloc(1000);
  t.is(await tape.read(target), 1000);
  await t.throwsAsync(tape.read(target), { code: 'EIO' });
  await library.describe('A', { writeProtected: true });
  await t.throwsAsync(tape.write(stepBlock(1000, 3)), { code: 'EIO' });
  await t.throwsAsync(tape.close(), { code: 'EIO' }, 'the filemark that ends the file cannot be written');
  await (await device(library, 'read')).close();
});

test('the place on the tape survives the program', async (t) => {
  const library = await loneDrive(t);
  await library.insert('A');
  const tape = await device(library);
  await tape.write(stepBlock(1000, 1));
  await tape.write(stepBlock(1000, 2));
  await tape.operate('WEOF');
  await tape.operate('BSF');
  await tape.operate('BSR');
  await tape.close();
  const again = await device(await openLibrary(library.folder), 'read');
  t.like(await again.status(), { file: 0, block: -1 });
  const target = Buffer.alloc(1000);
  t.is(await again.read(target), 1000);
  t.deepEqual(target, stepBlock(1000, 2));
  await again.close();
  await library.remove();
  await library.insert('A');
  const anew = await device(library, 'read');
  t.like(await anew.status(), { file: 0, block: 0, beginning: true });
  await anew.close();
});

test('one program at a time has a drive, also between processes, and its death lets go', async (t) => {
  const library = await loneDrive(t);
  await library.insert('A');
  const child = fork(join(import.meta.dirname, '..', 'fixtures', 'hold-drive.ts'), [library.folder]);
  await once(child, 'message');
  await t.throwsAsync(device(library, 'look'), { code: 'EBUSY' });
  child.kill('SIGKILL');
  await once(child, 'exit');
  const tape = await device(library);
  const target = Buffer.alloc(1000);
  await tape.operate('REW');
  t.is(await tape.read(target), 1000);
  await tape.close();
});
