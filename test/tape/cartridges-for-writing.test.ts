import test from 'ava';
import { RemetalError } from '../../src/errors/index.ts';
import type { LoadedCartridge } from '../../src/tape/index.ts';
import { knownFrom, passingInventory, type KnownCartridge } from '../../src/tape/inventory.ts';
import {
  blank,
  FakeLibrary,
  foreign,
  labelled,
  part,
  person,
  recordLimit,
  stage,
  type FakeCartridge,
  type Stage,
} from './fake-library.ts';

const set = { setId: 'id-new', part: 1, recordLimit: null };
const other = part({ set: 'old', setId: 'id-old', ends: 'set' });

/** What a backup does: another cartridge for each part, each full with it. */
async function writePart({ library, cartridges }: Stage, number: number): Promise<string> {
  const { label, contents } = await cartridges.forWriting({ ...set, part: number });
  const written = { ...part({ set: 'new', setId: 'id-new', part: number }), file: contents.appendAt };
  library.ours.cartridge!.contents = {
    ...contents,
    parts: [...contents.parts.filter(({ file }) => file < contents.appendAt), written],
    appendAt: contents.appendAt + 1,
    full: true,
  };
  cartridges.changed();
  return label.name;
}

const known = ({ contents, barcode }: FakeCartridge): KnownCartridge =>
  knownFrom(contents, { barcode, place: null }, new Date(0))!;

test('what cannot be written is passed over with the reason, and a blank one is labelled by its barcode', async (t) => {
  const slots = [
    foreign('A-FOREIGN'),
    { ...labelled('B-PROTECTED'), writeProtected: true },
    labelled('C-FULL', [part()]),
    { ...labelled('D-ONCE', [other]), writeOnce: true },
    foreign('CLN001L8'),
    labelled('E-SHORT', [], { recordLimit: 65_536 }),
    labelled('F-SAME', [part({ setId: 'id-new', ends: 'open' })]),
    blank('G-BLANK'),
  ];
  const made = stage(new FakeLibrary({ slots }));
  const { label } = await made.cartridges.forWriting({ ...set, recordLimit });
  t.is(label.name, 'G-BLANK');
  t.is(label.barcode, 'G-BLANK');
  t.deepEqual(made.warnings(), [
    'foreign-cartridge',
    'cartridge-protected',
    'cartridge-full',
    'cartridge-protected',
    'cartridge-wrong',
    'cartridge-wrong',
  ]);
  t.false(made.library.moves.includes('load 5 0'));
  t.is(made.told.find(({ code }) => code === 'foreign-cartridge')!.facts!['barcode'], 'A-FOREIGN');
});

test('a set goes over one cartridge after another, those of the set left alone', async (t) => {
  const inventory = passingInventory();
  const made = stage(
    new FakeLibrary({ slots: [blank('B'), labelled('C', [other]), blank('D'), null], inDrive: blank('A') }),
    { inventory },
  );
  for (const [i, name] of ['A', 'B', 'C', 'D'].entries()) t.is(await writePart(made, i + 1), name);
  t.deepEqual(made.warnings(), []);
  await made.cartridges.close();
  const kept = await inventory.cartridges();
  t.deepEqual(
    kept.map(({ name, full, parts }) => [name, full, parts.at(-1)!.part]),
    [
      ['A', true, 1],
      ['B', true, 2],
      ['C', true, 3],
      ['D', true, 4],
    ],
  );
  const error = await t.throwsAsync(made.cartridges.forWriting({ ...set, part: 5 }), {
    instanceOf: RemetalError,
  });
  t.is(error.code, 'cartridge-needed');
  t.regex(error.message, /^An empty cartridge is wanted/);
});

test('a cartridge known to have room comes before unknown ones, a full one is not loaded', async (t) => {
  const slots = [blank('A'), labelled('B', [part()]), labelled('C', [other])];
  const inventory = passingInventory([known(slots[1]!), known(slots[2]!)]);
  const made = stage(new FakeLibrary({ slots }), { inventory });
  t.is(await writePart(made, 1), 'C');
  t.is(await writePart(made, 2), 'A');
  t.deepEqual(made.library.moves, ['load 3 0', 'unload 3 0', 'load 1 0']);
});

test('what an inventory says of room is checked on the cartridge', async (t) => {
  const slots = [labelled('A', [part()]), labelled('B', [other])];
  const lie = { ...known(slots[0]!), full: false, parts: [] };
  const made = stage(new FakeLibrary({ slots }), { inventory: passingInventory([lie]) });
  t.is(await writePart(made, 1), 'B');
  t.deepEqual(made.warnings(), ['cartridge-full']);
});

test('the room of an interrupted set is used again', async (t) => {
  const torn = labelled('A', [other, part({ set: 'torn', setId: 'id-torn', ends: 'open' })]);
  const made = stage(new FakeLibrary({ inDrive: torn }));
  const { contents }: LoadedCartridge = await made.cartridges.forWriting(set);
  t.is(contents.appendAt, 2);
});

test('a person is told why the cartridge in the drive will not do, and brings another', async (t) => {
  const library = new FakeLibrary({ inDrive: { ...labelled('A'), writeProtected: true } });
  const helper = person(
    () => library.put(labelled('B', [part()])),
    () => library.put(foreign(null, 'an LTFS volume')),
    () => library.put(blank()),
  );
  const inventory = passingInventory([known(labelled('REMETAL-0041'))]);
  const made = stage(library, { operator: helper, inventory });
  const { label } = await made.cartridges.forWriting(set);
  t.is(label.name, 'REMETAL-0042');
  t.is(label.barcode, null);
  t.deepEqual(
    helper.asked.map(({ refused }) => refused?.code),
    ['cartridge-protected', 'cartridge-full', 'foreign-cartridge'],
  );
  t.true(helper.asked.every(({ purpose, wanted }) => purpose === 'write' && wanted === 'an empty cartridge'));
});

test('a person is asked for the next cartridge without a reproach for the full one', async (t) => {
  const library = new FakeLibrary({ inDrive: blank() });
  const helper = person(() => library.put(blank()));
  const made = stage(library, { operator: helper });
  t.is(await writePart(made, 1), 'REMETAL-0001');
  t.is(await writePart(made, 2), 'REMETAL-0002');
  t.deepEqual(
    helper.asked.map(({ refused }) => refused),
    [null],
  );
  t.deepEqual(made.warnings(), []);
});

test('a person who moves the tab of a cartridge in the changer is believed', async (t) => {
  const protectedOne: FakeCartridge = { ...labelled('A'), writeProtected: true };
  const library = new FakeLibrary({ slots: [protectedOne] });
  const helper = person(() => {
    protectedOne.writeProtected = false;
  });
  const made = stage(library, { operator: helper });
  t.is(await writePart(made, 1), 'A');
  t.is(helper.asked[0]!.refused?.code, 'cartridge-protected');
});

test('a person who gives up ends it', async (t) => {
  const library = new FakeLibrary({});
  const error = await t.throwsAsync(stage(library, { operator: person() }).cartridges.forWriting(set), {
    instanceOf: RemetalError,
  });
  t.is(error.code, 'cartridge-needed');
});

test('a changer that fails once is tried again when nothing else is left', async (t) => {
  const library = new FakeLibrary({ slots: [blank('A')] });
  library.failures.set('load', 1);
  const made = stage(library);
  t.is(await writePart(made, 1), 'A');
  t.deepEqual(made.warnings(), ['changer-failed']);
});

test('a cartridge that cannot be read is passed over', async (t) => {
  const library = new FakeLibrary({ slots: [labelled('A'), labelled('B')] });
  const made = stage(library, {
    readContents: async () => {
      if (library.ours.cartridge?.barcode !== 'A') return library.contents();
      throw new RemetalError('drive-failed', 'The tape drive failed.');
    },
  });
  t.is(await writePart(made, 1), 'B');
  t.deepEqual(made.warnings(), ['drive-failed']);
});

test('a label that is not there after it was written is no cartridge to write on', async (t) => {
  const library = new FakeLibrary({ slots: [blank('A'), labelled('B')] });
  const made = stage(library, { labelBlank: async () => {} });
  t.is(await writePart(made, 1), 'B');
  t.deepEqual(made.warnings(), ['drive-failed']);
});

test('what the drive says of itself is told where cartridges change', async (t) => {
  const library = new FakeLibrary({ slots: [blank('A')] });
  library.alerts.push(20);
  const made = stage(library);
  await writePart(made, 1);
  const told = made.told.find(({ code }) => code === 'tape-alert');
  t.like(told, { level: 'warning', message: 'fake drive: The drive must be cleaned now.' });
  t.is(made.told.filter(({ code }) => code === 'tape-alert').length, 1);
});

test('every move is told with slot, barcode and drive', async (t) => {
  const made = stage(new FakeLibrary({ slots: [blank('A'), blank('B')] }));
  await writePart(made, 1);
  await writePart(made, 2);
  const moves = made.told.filter(({ code }) => /^cartridge-(loaded|stored)$/.test(code));
  t.deepEqual(
    moves.map(({ code, facts }) => [code, facts!['barcode'], facts!['slot'], facts!['drive']]),
    [
      ['cartridge-loaded', 'A', 1, 'fake drive'],
      ['cartridge-stored', 'A', 1, 'fake drive'],
      ['cartridge-loaded', 'B', 2, 'fake drive'],
    ],
  );
});

test('a cartridge that another program has written is tried last from then on', async (t) => {
  const inventory = passingInventory();
  const slots = [foreign('A'), blank('B'), blank('C')];
  t.is(await writePart(stage(new FakeLibrary({ slots }), { inventory }), 1), 'B');
  t.deepEqual(await inventory.foreign(), ['A']);
  const later = stage(new FakeLibrary({ slots: [slots[0]!, slots[2]!] }), { inventory });
  t.is(await writePart(later, 1), 'C');
  t.deepEqual(later.library.moves, ['load 2 0']);
  // It was erased since, and is found out when nothing else is left.
  const erased = stage(new FakeLibrary({ slots: [blank('A')] }), { inventory });
  t.is(await writePart(erased, 1), 'A');
  t.deepEqual(await inventory.foreign(), []);
});

test('what was written before the power failed is read again', async (t) => {
  const inventory = passingInventory();
  const library = new FakeLibrary({ slots: [blank('A')] });
  await writePart(stage(library, { inventory }), 1);
  t.true((await inventory.cartridges())[0]!.givenOut);
  library.open = 0;
  library.ours.ejected = true;
  await library.changer.unload(1, 0);
  const parts = await stage(library, { inventory }).cartridges.parts();
  t.deepEqual(
    parts.map(({ set: name, part: number }) => [name, number]),
    [['new', 1]],
  );
  t.falsy((await inventory.cartridges())[0]!.givenOut);
  // From now on its word is taken.
  const again = stage(library, { inventory });
  t.is((await again.cartridges.parts()).length, 1);
});
