import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { RemetalError } from '../../src/errors/index.ts';
import type { Cartridges, WantedPart } from '../../src/tape/index.ts';
import { knownFrom, passingInventory, type KnownCartridge } from '../../src/tape/inventory.ts';
import {
  blank,
  FakeLibrary,
  foreign,
  labelled,
  part,
  person,
  stage,
  type FakeCartridge,
} from './fake-library.ts';

const wanted = (number: number): WantedPart => ({ set: 'web1', setId: 'id-web1', part: number });
const numbered = (number: number): FakeCartridge => labelled(`DAILY-${number}`, [part({ part: number })]);

async function reads(
  t: ExecutionContext,
  cartridges: Cartridges,
  number: number,
  name: string,
): Promise<void> {
  const { label, contents } = await cartridges.forReading(wanted(number));
  t.is(label.name, name);
  t.true(contents.parts.some((one) => one.part === number));
  t.not(cartridges.drive.position, null);
}

async function failure(t: ExecutionContext, work: Promise<unknown>): Promise<RemetalError> {
  return await t.throwsAsync(work, { instanceOf: RemetalError });
}

function known({ contents, barcode }: FakeCartridge, changes: Partial<KnownCartridge> = {}): KnownCartridge {
  const facts = knownFrom(contents, { barcode, place: null }, new Date(0))!;
  return { ...facts, ...changes };
}

test('the cartridge in the drive is looked at before anything is moved', async (t) => {
  const { library, cartridges } = stage(new FakeLibrary({ slots: [numbered(2)], inDrive: numbered(1) }));
  await reads(t, cartridges, 1, 'DAILY-1');
  t.deepEqual(library.moves, []);
});

test('parts are found in any order, each cartridge read once, and put back where it came from', async (t) => {
  const slots = [blank('A'), numbered(3), foreign('B'), numbered(1), numbered(2)];
  const library = new FakeLibrary({ slots });
  let read = 0;
  const { cartridges, warnings } = stage(library, {
    readContents: async () => {
      read++;
      return library.contents();
    },
  });
  for (const number of [3, 1, 2, 1, 3]) await reads(t, cartridges, number, `DAILY-${number}`);
  t.is(read, 5);
  t.deepEqual(library.slots[1], null);
  t.deepEqual(library.slots.toSpliced(1, 1), slots.toSpliced(1, 1));
  t.deepEqual(warnings(), []);
});

test('a cartridge that comes back with another label is read anew', async (t) => {
  const slots = [numbered(1), numbered(2)];
  const library = new FakeLibrary({ slots });
  const { cartridges } = stage(library);
  await reads(t, cartridges, 1, 'DAILY-1');
  await reads(t, cartridges, 2, 'DAILY-2');
  slots[0]!.contents = labelled('ANEW', [part({ part: 7 })], { barcode: 'DAILY-1' }).contents;
  t.is((await failure(t, cartridges.forReading(wanted(1)))).code, 'cartridge-needed');
  await reads(t, cartridges, 7, 'ANEW');
});

test('what the inventory knows is fetched at once', async (t) => {
  const slots = [numbered(3), numbered(1), numbered(2)];
  const inventory = passingInventory(slots.map((one) => known(one)));
  const { library, cartridges } = stage(new FakeLibrary({ slots }), { inventory });
  await reads(t, cartridges, 2, 'DAILY-2');
  t.deepEqual(library.moves, ['load 3 0']);
});

test('without barcodes the slot it was seen in counts', async (t) => {
  const slots = [1, 2].map((number) => labelled(`R-${number}`, [part({ part: number })], { barcode: null }));
  const inventory = passingInventory();
  const library = new FakeLibrary({ slots });
  const first = stage(library, { inventory });
  t.is((await first.cartridges.survey()).length, 2);
  await first.cartridges.drive.release();
  library.moves.length = 0;
  const second = stage(library, { inventory });
  await reads(t, second.cartridges, 1, 'R-1');
  t.deepEqual(library.moves, ['unload 2 0', 'load 1 0']);
});

test('an inventory that lies costs time, and learns', async (t) => {
  const slots = [numbered(1), numbered(2), blank('C')];
  const lies = [
    known(slots[0]!, { parts: known(slots[1]!).parts }),
    known(slots[1]!, { parts: [] }),
    known(labelled('GONE', [part({ part: 2 })])),
    known(labelled('OTHER', [part({ part: 7 })], { barcode: 'C' })),
  ];
  const inventory = passingInventory(lies);
  const { library, cartridges } = stage(new FakeLibrary({ slots }), { inventory });
  await reads(t, cartridges, 2, 'DAILY-2');
  t.deepEqual(library.moves, ['load 1 0', 'unload 1 0', 'load 3 0', 'unload 3 0', 'load 2 0']);
  const learnt = await inventory.cartridges();
  t.is(learnt.find(({ name }) => name === 'DAILY-1')!.parts[0]!.part, 1);
  t.is(learnt.find(({ name }) => name === 'DAILY-2')!.parts[0]!.part, 2);
  // A cartridge that turns out to be blank is none of ours any more.
  await cartridges.survey();
  t.false((await inventory.cartridges()).some(({ name }) => name === 'OTHER'));
});

test('a missing part is named, with its cartridge where that is known', async (t) => {
  const inventory = passingInventory([
    known(labelled('DAILY-9', [part({ part: 9 })], { barcode: 'WEB009L8' })),
  ]);
  const { library, cartridges } = stage(new FakeLibrary({ slots: [numbered(1), numbered(2)] }), {
    inventory,
  });
  const error = await failure(t, cartridges.forReading(wanted(9)));
  t.is(error.code, 'cartridge-needed');
  t.regex(error.message, /^Part 9 of web1, on cartridge DAILY-9 \(barcode WEB009L8\), is wanted/);
  t.like(error.facts, { label: 'DAILY-9', barcode: 'WEB009L8', wanted: 'part 9 of web1' });
  t.deepEqual(
    library.slots.map((one) => one?.barcode),
    ['DAILY-1', 'DAILY-2'],
  );
  const unknown = await failure(t, cartridges.forReading(wanted(4)));
  t.regex(unknown.message, /^Part 4 of web1 is wanted/);
});

test('a person who puts in the wrong one three times is told what each is', async (t) => {
  const library = new FakeLibrary({ inDrive: numbered(1) });
  const helper = person(
    () => library.put(numbered(3)),
    () => library.put(blank()),
    () => library.put(foreign(null, 'a Bacula or Bareos volume')),
    () => library.put(numbered(2)),
  );
  const { cartridges } = stage(library, { operator: helper });
  await reads(t, cartridges, 2, 'DAILY-2');
  t.deepEqual(
    helper.asked.map(({ refused, attempt }) => [refused?.code ?? null, refused?.message ?? null, attempt]),
    [
      [null, null, 0],
      ['cartridge-wrong', 'This is DAILY-3 with part 3 of web1; part 2 is wanted.', 1],
      ['cartridge-wrong', 'This is a blank cartridge; part 2 of web1 is wanted.', 2],
      ['cartridge-wrong', 'This is a cartridge with a Bacula or Bareos volume; part 2 of web1 is wanted.', 3],
    ],
  );
});

test('a cartridge a person put in is ejected when it is the wrong one', async (t) => {
  const library = new FakeLibrary({ inDrive: numbered(1) });
  const states: boolean[] = [];
  const helper = person(
    () => void states.push(library.ours.ejected),
    () => void states.push(library.ours.ejected),
  );
  const { cartridges } = stage(library, { operator: helper });
  const error = await failure(t, cartridges.forReading(wanted(2)));
  t.is(error.code, 'cartridge-needed');
  // Enter without a change: the drive takes the old one in again, and it is refused.
  t.deepEqual(states, [true, true]);
  t.is(helper.asked[1]!.refused?.code, 'cartridge-wrong');
  t.is(library.open, 0);
});

test('a person who says so with an empty drive is told that it is empty', async (t) => {
  const library = new FakeLibrary({});
  const helper = person(() => {});
  const { cartridges } = stage(library, { operator: helper });
  await failure(t, cartridges.forReading(wanted(2)));
  t.deepEqual(
    helper.asked.map(({ refused }) => refused?.code),
    [undefined, 'drive-empty'],
  );
});

test('what a person puts into the changer is found, in an import slot too', async (t) => {
  for (const slot of [2, 4]) {
    const library = new FakeLibrary({ slots: [numbered(1), null, null], importExportSlots: [numbered(5)] });
    if (slot === 4) library.slots[3] = null;
    let noticed: readonly boolean[] = [];
    const operator = {
      async change(_request: unknown, loaded: () => Promise<boolean>): Promise<void> {
        const before = await loaded();
        library.slots[slot - 1] = numbered(2);
        noticed = [before, await loaded()];
      },
    };
    const { cartridges } = stage(library, { operator });
    await reads(t, cartridges, 2, 'DAILY-2');
    t.deepEqual(noticed, [false, true]);
    // What came in through an import slot gets a place in the storage.
    await reads(t, cartridges, 1, 'DAILY-1');
    t.is(library.slots.findIndex((one) => one?.barcode === 'DAILY-2') < 3, true);
  }
});

test('import and export slots are left alone unless asked for', async (t) => {
  const { library, cartridges } = stage(new FakeLibrary({ slots: [null], importExportSlots: [numbered(2)] }));
  t.is((await failure(t, cartridges.forReading(wanted(2)))).code, 'cartridge-needed');
  t.deepEqual(library.moves, []);
  t.deepEqual(await cartridges.survey(), []);
});

test('a changer that fails once is told of, and asked once more', async (t) => {
  const library = new FakeLibrary({ slots: [numbered(1), numbered(2)] });
  library.failures.set('load 2', 1);
  const { cartridges, warnings } = stage(library);
  await reads(t, cartridges, 2, 'DAILY-2');
  t.deepEqual(warnings(), ['changer-failed']);
});

test('a changer that fails for good fails what needs it, and no cartridge is blamed', async (t) => {
  const library = new FakeLibrary({ slots: [numbered(2)] });
  library.failures.set('load', 9);
  const helper = person();
  t.is((await failure(t, stage(library).cartridges.forReading(wanted(2)))).code, 'changer-failed');
  t.is(
    (await failure(t, stage(library, { operator: helper }).cartridges.forReading(wanted(2)))).code,
    'changer-failed',
  );
  t.is(helper.asked[0]!.refused?.code, 'changer-failed');
});

test('a slot that refuses its cartridge is gone without', async (t) => {
  const library = new FakeLibrary({ slots: [numbered(1), numbered(2), null] });
  const { cartridges } = stage(library);
  await reads(t, cartridges, 1, 'DAILY-1');
  library.failures.set('unload 1', 1);
  await reads(t, cartridges, 2, 'DAILY-2');
  t.is(library.slots[2]?.barcode, 'DAILY-1');
});

test('a drive that refuses to eject is no matter unless it holds its cartridge', async (t) => {
  const library = new FakeLibrary({ slots: [numbered(2), null], inDrive: numbered(1) });
  library.ejecting = 'refused';
  const { cartridges } = stage(library);
  await reads(t, cartridges, 2, 'DAILY-2');
  library.ejecting = 'held';
  library.moves.length = 0;
  t.is((await failure(t, cartridges.forReading(wanted(1)))).code, 'drive-failed');
  // It may be done with it after a while.
  t.true(library.moves.length > 20);
  const lone = new FakeLibrary({ inDrive: numbered(1) });
  lone.ejecting = 'held';
  const helper = person(() => lone.put(numbered(2)));
  const made = stage(lone, { operator: helper });
  await reads(t, made.cartridges, 2, 'DAILY-2');
  t.deepEqual(made.warnings(), ['drive-failed']);
});

test('an empty changer without a person says what is wanted', async (t) => {
  const { cartridges } = stage(new FakeLibrary({ slots: [null, null] }));
  t.is((await failure(t, cartridges.forReading(wanted(1)))).code, 'cartridge-needed');
});

for (const ours of [0, 1, 2]) {
  test(`which of three drives is ours is found by trying: number ${ours}`, async (t) => {
    const library = new FakeLibrary({ slots: [numbered(1), numbered(2)], drives: 3, ours });
    const { cartridges } = stage(library);
    await reads(t, cartridges, 2, 'DAILY-2');
    await reads(t, cartridges, 1, 'DAILY-1');
    const tries = library.moves.filter((move) => move.startsWith('load'));
    // Both are looked at, and one comes back; every other drive before ours costs a load, once.
    t.is(tries.length, 3 + ours);
    t.true(tries.slice(ours).every((move) => move.endsWith(` ${ours}`)));
  });
}

test('of two full drives ours is known by the barcode of its cartridge', async (t) => {
  const library = new FakeLibrary({
    slots: [numbered(2), null, null],
    drives: 2,
    ours: 1,
    inDrive: numbered(1),
  });
  library.drives[0]!.cartridge = numbered(9);
  const { cartridges } = stage(library);
  await reads(t, cartridges, 2, 'DAILY-2');
  t.is(library.drives[0]!.cartridge?.barcode, 'DAILY-9');
});

test('a drive that cannot be told from another one is not guessed at', async (t) => {
  const nameless = labelled('R-1', [part()], { barcode: null });
  const library = new FakeLibrary({
    slots: [numbered(2), null, null],
    drives: 2,
    ours: 1,
    inDrive: nameless,
  });
  library.drives[0]!.cartridge = numbered(9);
  const error = await failure(t, stage(library).cartridges.forReading(wanted(2)));
  t.is(error.code, 'changer-failed');
  t.deepEqual(library.moves, []);
});

test('cleaning cartridges are never loaded', async (t) => {
  const { library, cartridges } = stage(new FakeLibrary({ slots: [foreign('CLN001L8'), numbered(1)] }));
  await failure(t, cartridges.forReading(wanted(2)));
  t.false(library.moves.includes('load 1 0'));
});

test('work that is broken off moves nothing any more', async (t) => {
  const stop = new AbortController();
  const library = new FakeLibrary({ slots: [numbered(1), numbered(2), numbered(3)] });
  const { cartridges } = stage(library, { signal: stop.signal });
  await reads(t, cartridges, 1, 'DAILY-1');
  const moves = library.moves.length;
  stop.abort(new RemetalError('interrupted', 'Ctrl-C'));
  t.is((await failure(t, cartridges.forReading(wanted(2)))).code, 'interrupted');
  t.is(library.moves.length, moves);
});

const anyCartridge = fc.oneof(
  fc.constant(null),
  fc.constant('blank' as const),
  fc.constant('foreign' as const),
  fc.record({
    set: fc.constantFrom('web1', 'db1'),
    parts: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
  }),
);
const libraries = fc.record({
  slots: fc.array(anyCartridge, { maxLength: 7 }),
  inDrive: anyCartridge,
  drives: fc.integer({ min: 1, max: 3 }),
  ours: fc.nat(2),
  barcodes: fc.boolean(),
  /** Slots whose cartridge the inventory knows, and whether it tells the truth. */
  told: fc.array(fc.constantFrom('truth', 'lie', 'nothing'), { minLength: 7, maxLength: 7 }),
  asked: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }),
});

test('a part is found if it is anywhere, and named if it is not', async (t) => {
  const run = async (given: typeof libraries extends fc.Arbitrary<infer T> ? T : never): Promise<void> => {
    const make = (one: (typeof given.slots)[number], i: number): FakeCartridge | null => {
      const barcode = given.barcodes ? `C${i}L8` : null;
      if (one === null) return null;
      if (one === 'blank') return blank(barcode);
      if (one === 'foreign') return foreign(barcode);
      const parts = one.parts.map((number) => part({ set: one.set, setId: `id-${one.set}`, part: number }));
      return labelled(`N${i}`, parts, { barcode });
    };
    // A cartridge in the drive at the start has a slot to go to.
    const slots = [...given.slots.map(make), null];
    const inDrive = make(given.inDrive, 99);
    const library = new FakeLibrary({
      slots,
      inDrive,
      drives: given.drives,
      ours: given.ours % given.drives,
    });
    const all = [...slots, inDrive].filter((one) => one !== null);
    const facts = all.flatMap((one, i): KnownCartridge[] => {
      if (one.contents.label === null || given.told[i % 7] === 'nothing') return [];
      const place = { changer: 'fake', slot: i + 1 };
      if (given.told[i % 7] === 'truth') return [known(one, { place })];
      return [known(one, { place, parts: known(labelled('L', [part({ part: 1 + (i % 4) })])).parts })];
    });
    const { cartridges } = stage(library, { inventory: passingInventory(facts) });
    for (const number of given.asked) {
      const there = all.some(({ contents }) =>
        contents.parts.some((one) => one.set === 'web1' && one.part === number),
      );
      const found = await cartridges.forReading(wanted(number)).catch((error: unknown) => error);
      if (there) {
        t.false(found instanceof Error, found instanceof Error ? found.message : '');
        t.true((await cartridges.current()).parts.some((one) => one.set === 'web1' && one.part === number));
      } else {
        t.like(found, { code: 'cartridge-needed', facts: { wanted: `part ${number} of web1` } });
      }
      const now = [...library.slots, ...library.drives.map(({ cartridge }) => cartridge)];
      t.is(now.filter((one) => one !== null).length, all.length);
    }
    await cartridges.close();
    t.is(library.open, 0);
  };
  await fc.assert(fc.asyncProperty(libraries, run), { numRuns: 300 });
});
