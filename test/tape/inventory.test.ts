import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import type { Notice } from '../../src/progress/index.ts';
import { stateFolder } from '../../src/system/index.ts';
import { fileInventory } from '../../src/tape/index.ts';
import {
  emptyInventory,
  freeName,
  knownFrom,
  knownInSlot,
  knownToHold,
  withCartridge,
  withoutCartridge,
  type KnownCartridge,
} from '../../src/tape/inventory.ts';
import { parseInventory } from '../../src/tape/inventory-file.ts';
import { temporary } from '../helpers/temporary.ts';
import { blank, labelled, part } from './fake-library.ts';

function known(name: string, changes: Partial<KnownCartridge> = {}): KnownCartridge {
  const { contents, barcode } = labelled(name, [part()]);
  return { ...knownFrom(contents, { barcode, place: null }, new Date(0))!, ...changes };
}

const place = (slot: number): KnownCartridge['place'] => ({ changer: 'c', slot });

test('what is seen last counts', (t) => {
  const first = known('A', { place: place(1) });
  let document = withCartridge(emptyInventory, first);
  document = withCartridge(document, { ...first, full: false, parts: [] });
  t.deepEqual(
    document.cartridges.map(({ full, parts }) => [full, parts.length]),
    [[false, 0]],
  );
  // One that was labelled anew has another UUID and the same barcode.
  const anew = known('A', { barcode: 'A' });
  document = withCartridge(document, anew);
  t.deepEqual(
    document.cartridges.map(({ cartridge }) => cartridge),
    [anew.cartridge],
  );
  // Another one in its slot has driven it out.
  document = withCartridge({ ...document, cartridges: [first] }, known('B', { place: place(1) }));
  t.deepEqual(
    document.cartridges.map((one) => [one.name, one.place?.slot]),
    [
      ['A', undefined],
      ['B', 1],
    ],
  );
});

test('a cartridge that is none of ours any more is forgotten, by barcode or slot', (t) => {
  const document = {
    ...emptyInventory,
    cartridges: [known('A'), known('B', { barcode: null, place: place(2) })],
  };
  const names = (barcode: string | null, slot: number): string[] =>
    withoutCartridge(document, { barcode, place: place(slot), foreign: false }).cartridges.map(
      ({ name }) => name,
    );
  t.deepEqual(names('A', 2), ['B']);
  t.deepEqual(names(null, 2), ['A']);
  t.deepEqual(names('C', 2), ['A', 'B']);
});

test('cartridges of other programs are known by barcode until they are seen to be another thing', (t) => {
  const where = { place: null, foreign: true };
  let document = withoutCartridge(emptyInventory, { ...where, barcode: 'F' });
  document = withoutCartridge(document, { ...where, barcode: 'E' });
  document = withoutCartridge(document, { ...where, barcode: 'F' });
  document = withoutCartridge(document, { ...where, barcode: null });
  t.deepEqual(document.foreign, ['E', 'F']);
  document = withCartridge(document, known('E'));
  t.deepEqual(document.foreign, ['F']);
  t.deepEqual(withoutCartridge(document, { ...where, barcode: 'F', foreign: false }).foreign, []);
});

test('cartridges are found by barcode, by slot and by part', (t) => {
  const all = [known('A', { place: place(1) }), known('B', { barcode: null, place: place(2) })];
  t.is(knownInSlot(all, 'c', { slot: 7, barcode: 'A' })?.name, 'A');
  t.is(knownInSlot(all, 'c', { slot: 1, barcode: 'X' }), null);
  t.is(knownInSlot(all, 'c', { slot: 2, barcode: null })?.name, 'B');
  t.is(knownInSlot(all, 'other', { slot: 2, barcode: null }), null);
  t.is(knownToHold(all, { set: 'web1', setId: 'id-web1', part: 1 }).length, 2);
  t.is(knownToHold(all, { set: 'web1', setId: 'id-web2', part: 1 }).length, 0);
  t.is(knownInSlot([known('A', { givenOut: true })], 'c', { slot: 1, barcode: 'A' }), null);
  t.is(knownFrom(blank().contents, { barcode: null, place: null }, new Date(0)), null);
});

test('a free name is higher than all that are taken', (t) => {
  t.is(freeName([]), 'REMETAL-0001');
  t.is(
    freeName([known('REMETAL-0009'), known('REMETAL-12000'), known('REMETAL-1'), known('X')]),
    'REMETAL-12001',
  );
});

test('the folder of the state', (t) => {
  t.is(stateFolder({ REMETAL_STATE: '/x', XDG_STATE_HOME: '/y' }, 0), '/x');
  t.is(stateFolder({ XDG_STATE_HOME: '/y' }, 0), '/var/lib/remetal');
  t.is(stateFolder({ XDG_STATE_HOME: '/y' }, 1000), '/y/remetal');
  t.is(stateFolder({ XDG_STATE_HOME: 'y', HOME: '/home/u' }, 1000), '/home/u/.local/state/remetal');
});

test('a file that is missing is begun, one that is damaged is told of and laid aside', async (t) => {
  const path = join(temporary(t), 'state', 'tape-inventory.json');
  const told: Notice[] = [];
  const inventory = fileInventory(path, (notice) => void told.push(notice));
  t.deepEqual(await inventory.cartridges(), []);
  await inventory.seen(known('A'));
  t.deepEqual(told, []);
  t.is((await fileInventory(path, () => {}).cartridges()).length, 1);
  for (const text of ['{"format":1,"cartr', '{"format":2,"cartridges":[]}', '']) {
    writeFileSync(path, text);
    told.length = 0;
    const again = fileInventory(path, (notice) => void told.push(notice));
    t.deepEqual(await again.cartridges(), []);
    await again.seen(known('B'));
    await again.seen(known('C'));
    t.deepEqual(
      told.map(({ level, code }) => [level, code]),
      [['warning', 'inventory-damaged']],
    );
    t.is(readFileSync(`${path}.damaged`, 'utf8'), text);
    t.deepEqual(
      (await again.cartridges()).map(({ name }) => name),
      ['B', 'C'],
    );
  }
  t.deepEqual(readdirSync(join(path, '..')).toSorted(), [
    'tape-inventory.json',
    'tape-inventory.json.damaged',
  ]);
});

test('where nothing can be kept the run goes on with what it saw', async (t) => {
  const folder = temporary(t);
  writeFileSync(join(folder, 'file'), '');
  const told: Notice[] = [];
  const inventory = fileInventory(join(folder, 'file', 'x.json'), (notice) => void told.push(notice));
  await inventory.seen(known('A'));
  await inventory.seen(known('B'));
  t.deepEqual(
    (await inventory.cartridges()).map(({ name }) => name),
    ['A', 'B'],
  );
  t.deepEqual(
    told.map(({ code }) => code),
    ['inventory-not-kept', 'inventory-unreadable'],
  );
});

test('a file that cannot be read is not written over', async (t) => {
  const path = join(temporary(t), 'x.json');
  // A folder reads as EISDIR, for root too.
  mkdirSync(path);
  const told: Notice[] = [];
  await fileInventory(path, (notice) => void told.push(notice)).seen(known('A'));
  t.deepEqual(
    told.map(({ code }) => code),
    ['inventory-not-kept'],
  );
  t.deepEqual(readdirSync(path), []);
});

test('what could not be kept at first gets into the file later', async (t) => {
  const path = join(temporary(t), 'x.json');
  mkdirSync(`${path}.${process.pid}.new`);
  const inventory = fileInventory(path, () => {});
  await inventory.seen(known('A'));
  rmdirSync(`${path}.${process.pid}.new`);
  await inventory.seen(known('B'));
  t.deepEqual(
    (await fileInventory(path, () => {}).cartridges()).map(({ name }) => name),
    ['A', 'B'],
  );
});

test('programs at the same time lose nothing of each other', async (t) => {
  const path = join(temporary(t), 'x.json');
  const source = new URL('../../src/tape/inventory-file.ts', import.meta.url).href;
  const script = `
    import { fileInventory } from ${JSON.stringify(source)};
    const [path, name] = process.argv.slice(-2);
    const inventory = fileInventory(path, (notice) => { throw new Error(notice.message); });
    for (let i = 0; i < 10; i++) {
      await inventory.seen({ cartridge: name + i, name: name + i, barcode: null, recordLimit: 1, parts: [],
        full: false, lastSeenAt: '', place: null });
    }`;
  const runs = ['a', 'b', 'c'].map((name) =>
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, '--', path, name]),
  );
  await Promise.all(runs);
  t.is((await fileInventory(path, () => {}).cartridges()).length, 30);
});

test('no text breaks the reader', (t) => {
  const whole = JSON.stringify({ format: 1, cartridges: [known('A')] });
  t.is(parseInventory(whole)?.cartridges.length, 1);
  fc.assert(
    fc.property(fc.nat(whole.length), fc.string(), (at, text) => {
      const parsed = parseInventory(whole.slice(0, at) + text + whole.slice(at + text.length));
      return parsed === null || Array.isArray(parsed.cartridges);
    }),
  );
});
