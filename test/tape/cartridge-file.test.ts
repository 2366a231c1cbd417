import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { CartridgeFile } from '../../src/tape/virtual/index.ts';
import { temporary } from '../helpers/temporary.ts';

async function written(path: string): Promise<void> {
  const tape = await CartridgeFile.open(path);
  await tape.write(0, Buffer.alloc(1000, 'a'));
  await tape.write(1, Buffer.alloc(2000, 'b'));
  await tape.writeFilemarks(2, 1);
  await tape.write(3, Buffer.alloc(3000, 'c'));
  await tape.write(4, Buffer.alloc(4000, 'd'));
  await tape.close();
}

async function block(tape: CartridgeFile, number: number): Promise<string> {
  const target = Buffer.alloc(tape.lengthOf(number));
  await tape.read(number, target);
  return `${target.length}${String.fromCharCode(target[0]!)}${String.fromCharCode(target.at(-1)!)}`;
}

test('a cartridge keeps blocks and filemarks with their numbers', async (t) => {
  const path = join(temporary(t), 'A.cartridge');
  await written(path);
  const tape = await CartridgeFile.open(path);
  t.is(tape.records, 5);
  t.is(tape.torn, 0);
  t.deepEqual(
    [0, 1, 2, 3, 4].map((number) => tape.lengthOf(number)),
    [1000, 2000, 0, 3000, 4000],
  );
  t.deepEqual(
    [0, 1, 2, 3, 4, 5].map((number) => tape.bytesBefore(number)),
    [0, 1000, 3000, 3000, 6000, 10_000],
  );
  t.deepEqual(
    [0, 2, 3, 5].map((number) => tape.filemarksBefore(number)),
    [0, 0, 1, 1],
  );
  t.is(tape.filemark(0), 2);
  t.is(tape.filemark(1), null);
  t.is(await block(tape, 4), '4000dd');
  t.is(await block(tape, 0), '1000aa');
  await tape.close();
});

test('writing in the middle drops what is behind', async (t) => {
  const path = join(temporary(t), 'A.cartridge');
  await written(path);
  const tape = await CartridgeFile.open(path);
  await tape.write(1, Buffer.alloc(10, 'x'));
  t.is(tape.records, 2);
  t.is(tape.filemarksBefore(2), 0);
  await tape.close();
  const again = await CartridgeFile.open(path, true);
  t.is(again.records, 2);
  t.is(await block(again, 1), '10xx');
  await again.close();
});

test('wherever a power cut tears the end, whole blocks stay and the rest goes', async (t) => {
  const folder = temporary(t);
  const path = join(folder, 'A.cartridge');
  await written(path);
  const whole = readFileSync(path);
  const behindFilemark = whole.length - 4000 - 16 - 3000 - 16;
  const cases: readonly [number, number][] = [
    [whole.length - 1, 4],
    [whole.length - 4000, 4],
    [whole.length - 4010, 4],
    [whole.length - 4016, 4],
    [whole.length - 4017, 3],
    [behindFilemark, 3],
    [behindFilemark - 1, 2],
  ];
  for (const [length, records] of cases) {
    writeFileSync(path, whole.subarray(0, length));
    const looked = await CartridgeFile.open(path, true);
    t.is(looked.records, records, `cut at ${length}`);
    await looked.close();
    t.is(statSync(path).size, length, 'who only reads changes nothing');
    const tape = await CartridgeFile.open(path);
    t.is(tape.records, records);
    await tape.write(records, Buffer.alloc(5, 'n'));
    t.is(await block(tape, records), '5nn');
    await tape.close();
  }
});

test('a block behind the last filemark whose bytes never came to the disk is torn', async (t) => {
  const path = join(temporary(t), 'A.cartridge');
  await written(path);
  const { size } = statSync(path);
  truncateSync(path, size - 2000);
  truncateSync(path, size);
  const tape = await CartridgeFile.open(path);
  t.is(tape.records, 4);
  t.is(tape.torn, 4016);
  await tape.close();
});

test('a block that is not what was written cannot be read', async (t) => {
  const path = join(temporary(t), 'A.cartridge');
  await written(path);
  const tape = await CartridgeFile.open(path);
  const file = openSync(path, 'r+');
  writeSync(file, 'z', readFileSync(path).indexOf('bbbb') + 100);
  closeSync(file);
  await t.throwsAsync(block(tape, 1), { code: 'record-damaged' });
  t.is(await block(tape, 0), '1000aa');
  await tape.close();
});

test('the chip keeps attributes; a torn write of it leaves those before', async (t) => {
  const path = join(temporary(t), 'A.cartridge');
  const tape = await CartridgeFile.open(path);
  t.true(await tape.setAttribute(0x0801, Buffer.from('first')));
  t.true(await tape.setAttribute(0x0801, Buffer.from('second')));
  t.true(await tape.setAttribute(0x0802, Buffer.from('other')));
  t.false(await tape.setAttribute(0x0803, Buffer.alloc(20_000)));
  await tape.close();
  const file = openSync(path, 'r+');
  // The third write went to the second place.
  writeSync(file, 'torn', 4096 + 16 * 1024 + 20);
  closeSync(file);
  const again = await CartridgeFile.open(path);
  t.is(again.attributes.get(0x0801)?.toString(), 'second');
  t.is(again.attributes.get(0x0802), undefined);
  await again.close();
});

test('another file is no cartridge', async (t) => {
  const path = join(temporary(t), 'A.cartridge');
  writeFileSync(path, 'something else');
  await t.throwsAsync(CartridgeFile.open(path), { code: 'library-invalid' });
  t.is(readFileSync(path, 'utf8'), 'something else');
});
