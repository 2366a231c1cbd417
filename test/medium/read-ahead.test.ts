import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { ReadAhead } from '../../src/medium/read-ahead.ts';
import { TapeDrive } from '../../src/tape/index.ts';

const blockSize = 1024;

/** A drive that gives so many blocks and then a filemark, and counts what was read. */
function driveOf(blocks: number): { drive: TapeDrive; read: () => number } {
  let read = 0;
  const drive = new TapeDrive('drive', () => Promise.reject(new Error('Nothing is opened here.')));
  drive.read = () => Promise.resolve(read++ < blocks ? Buffer.alloc(blockSize, read) : 'filemark');
  return { drive, read: () => read };
}

async function idle(): Promise<void> {
  for (let i = 0; i < 50; i++) await setImmediate();
}

test('a few blocks are read, and little more; many, and the buffer is filled', async (t) => {
  const { drive, read } = driveOf(10_000);
  const ahead = new ReadAhead(drive, 0, 200 * blockSize);
  for (let i = 0; i < 5; i++) await ahead.take();
  await idle();
  t.true(read() > 5 && read() <= 5 + 2 * 5, `${read()}`);
  for (let i = 5; i < 400; i++) t.is((await ahead.take()).block, i);
  await idle();
  t.true(read() >= 400 + 100 && read() <= 400 + 200, `${read()}`);
  await ahead.stop();
});

test('at the end of a file nothing more is read, however often it is asked', async (t) => {
  const { drive, read } = driveOf(4);
  const ahead = new ReadAhead(drive, 0, 200 * blockSize);
  for (let i = 0; i < 4; i++) t.true(Buffer.isBuffer((await ahead.take()).result));
  for (let i = 0; i < 3; i++) t.is((await ahead.take()).result, 'filemark');
  t.true(ahead.isAtEnd);
  t.is(read(), 5);
  await ahead.stop();
});
