import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createLibrary, openLibrary, type LibraryRequest } from '../../src/tape/virtual/index.ts';
import { stepBlock } from '../contract/tape-steps.ts';
import { temporary } from '../helpers/temporary.ts';

const size = 1024 * 1024;

async function made(t: ExecutionContext, changes: Partial<LibraryRequest> = {}): Promise<string> {
  const folder = join(temporary(t), 'library');
  await createLibrary(folder, {
    drives: 2,
    slots: 3,
    importExportSlots: 1,
    cartridges: { A: { size }, B: { size }, C: { size }, D: { size } },
    ...changes,
  });
  return folder;
}

test('cartridges go from slot to drive and back, and every program sees where they are', async (t) => {
  const folder = await made(t);
  const { changer } = await openLibrary(folder);
  await changer!.load(2, 1);
  await changer!.transfer(1, 4);
  t.deepEqual(await (await openLibrary(folder)).changer!.status(), {
    drives: [
      { number: 0, full: false, barcode: null, from: null },
      { number: 1, full: true, barcode: 'B', from: 2 },
    ],
    slots: [
      { number: 1, full: false, barcode: null, importExport: false },
      { number: 2, full: false, barcode: null, importExport: false },
      { number: 3, full: true, barcode: 'C', importExport: false },
      { number: 4, full: true, barcode: 'A', importExport: true },
    ],
  });
  await changer!.unload(1, 1);
  t.like((await changer!.status()).slots[0], { full: true, barcode: 'B' });
});

test('what is written on a cartridge is on it in the other drive', async (t) => {
  const { changer, drives } = await openLibrary(await made(t));
  await changer!.load(1, 0);
  const tape = await drives[0]!.open('write');
  await tape.write(stepBlock(1000, 7));
  await tape.operate('OFFL');
  await tape.close();
  await changer!.unload(1, 0);
  await changer!.load(1, 1);
  const other = await drives[1]!.open('read');
  const target = Buffer.alloc(2000);
  t.is(await other.read(target), 1000);
  t.deepEqual(target.subarray(0, 1000), stepBlock(1000, 7));
  await other.close();
});

test('the changer refuses what cannot be', async (t) => {
  const { changer } = await openLibrary(await made(t));
  const refused = { code: 'changer-failed' } as const;
  await changer!.load(1, 0);
  const before = await changer!.status();
  await t.throwsAsync(changer!.load(1, 1), { ...refused, message: /no cartridge in slot 1/ });
  await t.throwsAsync(changer!.load(2, 0), { ...refused, message: /drive 0 is full/ });
  await t.throwsAsync(changer!.unload(2, 0), { ...refused, message: /slot 2 is full/ });
  await t.throwsAsync(changer!.unload(1, 1), { ...refused, message: /no cartridge in drive 1/ });
  await t.throwsAsync(changer!.load(5, 1), { ...refused, message: /no slot 5/ });
  await t.throwsAsync(changer!.load(2, 2), { ...refused, message: /no drive 2/ });
  t.deepEqual(await changer!.status(), before);
});

test('a changer that needs it takes only what the drive let go of', async (t) => {
  const { changer, drives } = await openLibrary(await made(t, { needsEject: true }));
  await changer!.load(1, 0);
  await t.throwsAsync(changer!.unload(1, 0), { code: 'changer-failed', message: /has not let go/ });
  const tape = await drives[0]!.open('read');
  await t.throwsAsync(changer!.unload(1, 0), { message: /has not let go/ });
  await tape.operate('OFFL');
  await tape.close();
  await changer!.unload(1, 0);
  t.false((await changer!.status()).drives[0]!.full);
});

test('a person puts cartridges into a lone drive, and exchanges those of a library', async (t) => {
  const lone = await openLibrary(await made(t, { drives: 1, slots: 0, importExportSlots: 0 }));
  t.is(lone.changer, null);
  await lone.insert('C');
  await t.throwsAsync(lone.insert('A'), { message: /drive 0 is full/ });
  await t.throwsAsync(lone.insert('Z'), { message: /no cartridge Z/ });
  t.is(await lone.remove(), 'C');
  t.is(await lone.remove(), null);
  const library = await openLibrary(await made(t));
  await library.insert('D', { slot: 4 });
  await t.throwsAsync(library.insert('D', { drive: 1 }), { message: /in another place/ });
  t.is(await library.remove({ slot: 2 }), 'B');
});

test('a folder that is no library, or a wrong one, is named', async (t) => {
  const folder = await made(t);
  await t.throwsAsync(createLibrary(folder, { drives: 1, slots: 0, cartridges: {} }), {
    code: 'library-invalid',
  });
  await t.throwsAsync(openLibrary(temporary(t)), { code: 'library-invalid' });
  const path = join(folder, 'library.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace('"slots": 3', '"slots": -3'));
  await t.throwsAsync(openLibrary(folder), { code: 'library-invalid', message: /library\.json.*slots/s });
  writeFileSync(path, '{');
  await t.throwsAsync(openLibrary(folder), { code: 'library-invalid' });
});
