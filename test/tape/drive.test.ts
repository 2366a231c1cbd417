import test, { type ExecutionContext } from 'ava';
import type { ReadResult } from '../../src/tape/block-reader.ts';
import { TapeDrive } from '../../src/tape/drive.ts';
import {
  createLibrary,
  openLibrary,
  type Faults,
  type VirtualLibrary,
} from '../../src/tape/virtual/index.ts';
import { temporary } from '../helpers/temporary.ts';

const KiB = 1024;

interface Scene {
  readonly library: VirtualLibrary;
  readonly drive: TapeDrive;
}

/** A lone drive with a cartridge A in it, and a B beside it. */
async function scene(t: ExecutionContext, faults: Faults = {}, size = 4 * 1024 * KiB): Promise<Scene> {
  const folder = temporary(t);
  await createLibrary(folder, {
    drives: [{ faults }],
    slots: 0,
    cartridges: { A: { size, earlyWarning: size - 256 * KiB }, B: { size } },
  });
  const library = await openLibrary(folder);
  await library.insert('A');
  const drive = new TapeDrive('virtual', library.drives[0]!.open, {
    waiting: { wait: () => Promise.resolve() },
  });
  t.teardown(() => drive.release());
  return { library, drive };
}

const block = (number: number, length = 10_000): Buffer => Buffer.alloc(length, `block ${number};`);

/** True when what was read is this block. */
function isBlock(read: ReadResult, expected: Buffer): boolean {
  return Buffer.isBuffer(read) && read.equals(expected);
}

async function writeFile(drive: TapeDrive, blocks: readonly Buffer[]): Promise<void> {
  for (const one of blocks) if ((await drive.write(one)) !== 'written') throw new Error('no room');
  await drive.filemark();
}

const sorts: [string, Faults][] = [
  ['a drive that locates', {}],
  ['a drive that cannot locate and gives a phantom block', { noLocate: true, phantomBlock: true }],
];
for (const [sort, faults] of sorts) {
  test(`${sort} gives back files and blocks, and knows where it stands`, async (t) => {
    const { drive } = await scene(t, faults);
    await drive.ready('write');
    t.is(await drive.read(), 'end');
    await drive.rewind();
    const files = [[block(1)], [block(2), block(3, 200 * KiB), block(4)], [block(5), block(6)]];
    for (const file of files) await writeFile(drive, file);
    t.deepEqual(drive.position, { file: 3, block: 0 });
    await drive.ready('read');
    for (const file of files) {
      for (const one of file) t.true(isBlock(await drive.read(), one));
      t.is(await drive.read(), 'filemark');
    }
    t.is(await drive.read(), 'end');
    t.true(await drive.toFile(1));
    await drive.toBlock(1, 2);
    t.true(isBlock(await drive.read(), block(4)));
    await drive.toBlock(1, 1);
    t.true(isBlock(await drive.read(), block(3, 200 * KiB)));
    await drive.toBlock(2, 1);
    t.true(isBlock(await drive.read(), block(6)));
    t.true(await drive.toFile(0));
    t.true(isBlock(await drive.read(), block(1)));
    t.true(await drive.toFile(1));
    await drive.skip();
    t.deepEqual(drive.position, { file: 1, block: 1 });
  });

  test(`${sort} overwrites from a file on, and what was behind is gone`, async (t) => {
    const { drive } = await scene(t, faults);
    await drive.ready('write');
    for (const number of [1, 2, 3]) await writeFile(drive, [block(number)]);
    await drive.toFile(1);
    await writeFile(drive, [block(9), block(10)]);
    await drive.ready('read');
    await drive.toFile(1);
    t.true(isBlock(await drive.read(), block(9)));
    t.true(isBlock(await drive.read(), block(10)));
    t.is(await drive.read(), 'filemark');
    t.is(await drive.read(), 'end');
  });

  test(`${sort}: the end of the medium is a value, and what closes the file still finds room`, async (t) => {
    const { drive } = await scene(t, faults, 1024 * KiB);
    await drive.ready('write');
    let written = 0;
    while ((await drive.write(block(written, 50 * KiB))) === 'written') written++;
    t.true(written > 10 && written < 20);
    t.is(await drive.write(block(99)), 'written');
    await drive.filemark();
    await drive.ready('read');
    for (let i = 0; i < written; i++) t.true(isBlock(await drive.read(), block(i, 50 * KiB)));
    t.true(isBlock(await drive.read(), block(99)));
    t.is(await drive.read(), 'filemark');
  });
}

test('blocks longer than were ever met are read whole', async (t) => {
  const { drive } = await scene(t);
  await drive.ready('write');
  const long = block(1, 1500 * KiB);
  await writeFile(drive, [block(0), long, block(2)]);
  await drive.ready('read');
  t.true(isBlock(await drive.read(), block(0)));
  t.true(isBlock(await drive.read(), long));
  t.true(isBlock(await drive.read(), block(2)));
});

test('a block that cannot be read is named and passed over', async (t) => {
  const { drive } = await scene(t, { unreadable: [1] });
  await drive.ready('write');
  await writeFile(drive, [block(0), block(1), block(2)]);
  await drive.ready('read');
  await drive.read();
  const error = await t.throwsAsync(drive.read(), { code: 'block-unreadable' });
  t.like(error, { facts: { file: 0, block: 1 } });
  await drive.skip();
  t.true(isBlock(await drive.read(), block(2)));
});

test('a write that fails says whether everything before it is on the tape', async (t) => {
  const { drive } = await scene(t, { unwritable: [2] });
  await drive.ready('write');
  await drive.write(block(0));
  await drive.write(block(1));
  const error = await t.throwsAsync(drive.write(block(2)), { code: 'drive-failed' });
  t.like(error, { facts: { confirmed: true } });
  t.is(await drive.write(block(3)), 'written');
});

test('a block that a drive took although it warned of the end counts as written', async (t) => {
  const { library } = await scene(t);
  const { open } = library.drives[0]!;
  let warned = false;
  const drive = new TapeDrive('virtual', async (access) => {
    const device = await open(access);
    const write = device.write.bind(device);
    device.write = async (bytes) => {
      await write(bytes);
      if (warned) return;
      warned = true;
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    };
    return device;
  });
  await drive.ready('write');
  t.is(await drive.write(block(0)), 'written');
  t.is(await drive.write(block(1)), 'written');
  await drive.filemark();
  await drive.ready('read');
  t.true(isBlock(await drive.read(), block(0)));
  t.true(isBlock(await drive.read(), block(1)));
  await drive.release();
});

test('a cartridge swapped under way is noticed before anything is written onto it', async (t) => {
  const { drive, library } = await scene(t, {
    events: [{ before: 'write', number: 3, happens: 'swap', barcode: 'B' }],
  });
  await drive.ready('write');
  for (let i = 0; i < 3; i++) await drive.write(block(i));
  const error = await t.throwsAsync(drive.write(block(3)), { code: 'drive-failed' });
  t.like(error, { facts: { confirmed: false } });
  await t.throwsAsync(drive.write(block(4)), { code: 'position-lost' });
  await drive.release();
  const fresh = new TapeDrive('virtual', library.drives[0]!.open);
  await fresh.ready('read');
  t.is(await fresh.read(), 'end');
  await fresh.release();
});

test('a cartridge swapped under way is noticed before anything of it is handed out', async (t) => {
  const { drive } = await scene(t, {
    events: [{ before: 'read', number: 2, happens: 'swap', barcode: 'B' }],
  });
  await drive.ready('write');
  await writeFile(drive, [block(0), block(1), block(2), block(3)]);
  await drive.ready('read');
  await drive.read();
  await drive.read();
  await t.throwsAsync(drive.read(), { code: 'position-lost' });
  await t.throwsAsync(drive.read(), { code: 'position-lost' });
});

test('what is not there, protected or busy has its own word', async (t) => {
  const { drive, library } = await scene(t);
  await drive.ready('write');
  const second = new TapeDrive('virtual', library.drives[0]!.open);
  await t.throwsAsync(second.ready('read'), { code: 'drive-busy' });
  await drive.eject();
  t.false(await drive.isLoaded());
  await library.remove();
  await t.throwsAsync(drive.ready('read'), { code: 'drive-empty' });
  await library.describe('B', { writeProtected: true });
  await library.insert('B');
  await t.throwsAsync(drive.ready('write'), { code: 'cartridge-protected' });
  await drive.ready('read');
});

test('a cartridge that is being calibrated is waited for, and that is told', async (t) => {
  const { library } = await scene(t, { pollsUntilReady: 100 });
  const told: string[] = [];
  const drive = new TapeDrive('virtual', library.drives[0]!.open, {
    waiting: { wait: () => Promise.resolve() },
    tell: ({ code }) => void told.push(code),
  });
  await drive.ready('read');
  t.true(told.length >= 1 && told.every((code) => code === 'drive-becoming-ready'));
  await drive.release();
  const impatient = new TapeDrive(
    'virtual',
    (await scene(t, { pollsUntilReady: 100 })).library.drives[0]!.open,
    {
      waiting: { seconds: 10, wait: () => Promise.resolve() },
    },
  );
  await t.throwsAsync(impatient.ready('read'), { code: 'drive-not-ready' });
});
