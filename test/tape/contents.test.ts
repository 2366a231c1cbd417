import test from 'ava';
import { tarEndLength } from '../../src/bytes/index.ts';
import { readContents } from '../../src/tape/contents.ts';
import type { TapeDrive } from '../../src/tape/drive.ts';
import { encodeLabel, type CartridgeLabel } from '../../src/tape/label.ts';
import type { Faults } from '../../src/tape/virtual/index.ts';
import { closing, label as partLabel, member } from '../contract/medium.ts';
import { image } from './images.ts';
import { KiB, tapeScene, writeFile } from './tape-scene.ts';

const label: CartridgeLabel = {
  format: 1,
  cartridge: '7c1f1e9c-64ab-4f3e-9b0f-2f5d5a1f9f10',
  name: 'DAILY-3',
  barcode: 'WEB003L8',
  recordLimit: 1024 * KiB,
  labelledAt: '2026-11-25T20:00:00.000Z',
  software: 'remetal 0.1.0',
};

const tarEnd = Buffer.alloc(tarEndLength);
const record = member('set/0000000000.data.raw', 20 * KiB);
const whole = (set: string): Buffer[] => [partLabel(set), record, closing(), tarEnd];
const goesOn = (set: string, part: number): Buffer[] => [
  partLabel(set, part, 7),
  record,
  closing('.more.json'),
  tarEnd,
];

const sorts: [string, Faults][] = [
  ['a drive that locates', {}],
  ['a drive that cannot locate', { noLocate: true, phantomBlock: true }],
];

/** What stands on the tape, one file after another; the last one without a mark where it is torn. */
async function contentsOf(
  drive: TapeDrive,
  files: readonly (readonly Buffer[])[],
  torn = false,
): Promise<Awaited<ReturnType<typeof readContents>>> {
  await drive.ready('write');
  for (const file of files) await writeFile(drive, file, !torn || file !== files.at(-1));
  // A drive that is let go of would end the file.
  return await readContents(drive);
}

for (const [sort, faults] of sorts) {
  test(`${sort}: a blank cartridge, one with a label, one with sets`, async (t) => {
    const { drive } = await tapeScene(t, { faults });
    await drive.ready('write');
    t.like(await readContents(drive), { blank: true, label: null, foreign: null });
    t.deepEqual(await contentsOf(drive, [[encodeLabel(label)]]), {
      label,
      blank: false,
      foreign: null,
      labelFile: 0,
      parts: [],
      appendAt: 1,
      full: false,
    });
    const found = await contentsOf(drive, [
      [encodeLabel(label)],
      whole('one'),
      whole('two'),
      goesOn('three', 2),
    ]);
    t.like(found, { foreign: null, appendAt: 4, full: true });
    t.deepEqual(
      found.parts.map(({ file, set, part, firstOrdinal, machine, ends }) => [
        file,
        set,
        part,
        firstOrdinal,
        machine,
        ends,
      ]),
      [
        [1, 'one', 1, 0, 'web1', 'set'],
        [2, 'two', 1, 0, 'web1', 'set'],
        [3, 'three', 2, 7, 'web1', 'part'],
      ],
    );
    // The tape can be written on from there.
    t.true(await drive.toFile(found.appendAt));
    t.deepEqual(drive.position, { file: 4, block: 0 });
  });

  test(`${sort}: of a part the first and the last blocks are read, in four movements`, async (t) => {
    const { drive } = await tapeScene(t, { faults });
    const long = [partLabel('long'), ...Array.from({ length: 100 }, () => record), closing(), tarEnd];
    await contentsOf(drive, [[encodeLabel(label)], long]);
    const before = drive.movements.repositionings;
    await readContents(drive);
    const one = drive.movements.repositionings - before;
    await contentsOf(drive, [[encodeLabel(label)], long, whole('a'), whole('b')]);
    const again = drive.movements.repositionings;
    await readContents(drive);
    const three = drive.movements.repositionings - again;
    t.true(three - one <= 2 * 4, `${three} and ${one} movements`);
  });

  test(`${sort}: a torn part is open, and its room is used again`, async (t) => {
    const { drive } = await tapeScene(t, { faults });
    const unfinished = [partLabel('torn'), record, record];
    const torn = await contentsOf(drive, [[encodeLabel(label)], whole('one'), unfinished], true);
    t.like(torn, { appendAt: 2, full: false, foreign: null });
    t.deepEqual(
      torn.parts.map(({ ends }) => ends),
      ['set', 'open'],
    );
    t.true(await drive.toFile(2));
    t.true(Buffer.isBuffer(await drive.read()));
    // With a mark, and with one record only.
    for (const blocks of [unfinished, [partLabel('torn')]]) {
      const marked = await contentsOf(drive, [[encodeLabel(label)], whole('one'), blocks]);
      t.like(marked, { appendAt: 2 });
      t.deepEqual(
        marked.parts.map(({ ends }) => ends),
        ['set', 'open'],
      );
    }
    // Where another part follows it is passed.
    const passed = await contentsOf(drive, [[encodeLabel(label)], unfinished, whole('two')]);
    t.like(passed, { appendAt: 3 });
    t.deepEqual(
      passed.parts.map(({ ends }) => ends),
      ['open', 'set'],
    );
  });

  test(`${sort}: what is not ours is named, kept, and sets behind it are found`, async (t) => {
    const { drive } = await tapeScene(t, { faults });
    const foreign = [Buffer.from('something else'.padEnd(600))];
    const found = await contentsOf(drive, [
      [encodeLabel(label)],
      whole('one'),
      foreign,
      whole('two'),
      foreign,
    ]);
    t.like(found, { foreign: 'data of a program that is not known', appendAt: 5 });
    t.deepEqual(
      found.parts.map(({ file, set }) => [file, set]),
      [
        [1, 'one'],
        [3, 'two'],
      ],
    );
    t.like(await contentsOf(drive, [foreign, whole('one')]), {
      label: null,
      parts: [],
      foreign: 'data of a program that is not known',
    });
  });

  test(`${sort}: an appliance stands before the label`, async (t) => {
    const { drive } = await tapeScene(t, { faults });
    const ours = image({ name: 'REMETAL' });
    const blocks = [ours.subarray(0, 40_000), ours.subarray(40_000, 80_000), ours.subarray(80_000)];
    t.like(await contentsOf(drive, [blocks, [encodeLabel(label)], whole('one')]), {
      label,
      labelFile: 1,
      appendAt: 3,
    });
    t.like(await contentsOf(drive, [blocks]), {
      label: null,
      foreign: 'a bootable image of ours without a label',
    });
  });

  test(`${sort}: empty files are passed`, async (t) => {
    const { drive } = await tapeScene(t, { faults });
    t.like(await contentsOf(drive, [[]]), { blank: true });
    t.like(await contentsOf(drive, [[], []]), { blank: true });
    t.like(await contentsOf(drive, [[], whole('one')]), {
      blank: false,
      foreign: 'an empty file before others',
    });
    const found = await contentsOf(drive, [[encodeLabel(label)], whole('one'), [], whole('two'), []]);
    t.like(found, { appendAt: 4, foreign: null });
    t.deepEqual(
      found.parts.map(({ file }) => file),
      [1, 3],
    );
  });
}

test('a part whose end cannot be read may be whole: its room is not used again', async (t) => {
  // Blocks and marks: label 0-1, one 2-6, two from 7.
  const { drive } = await tapeScene(t, { faults: { unreadable: [9] } });
  const found = await contentsOf(drive, [[encodeLabel(label)], whole('one'), whole('two')]);
  t.like(found, { appendAt: 3, foreign: null });
  t.deepEqual(
    found.parts.map(({ ends }) => ends),
    ['set', 'open'],
  );
});

test('a part whose beginning cannot be read is kept, and those behind it are found', async (t) => {
  const { drive } = await tapeScene(t, { faults: { unreadable: [2] } });
  const found = await contentsOf(drive, [[encodeLabel(label)], whole('one'), whole('two')]);
  t.like(found, { appendAt: 3, foreign: 'data whose beginning cannot be read' });
  t.deepEqual(
    found.parts.map(({ set }) => set),
    ['two'],
  );
});

test('a cartridge that is swapped while its end is looked for is noticed', async (t) => {
  const { drive, library } = await tapeScene(t);
  await contentsOf(drive, [[encodeLabel(label)], whole('one')]);
  await library.describe('A', { faults: { events: [{ before: 'read', number: 3, happens: 'remove' }] } });
  await t.throwsAsync(readContents(drive));
  t.is(drive.position, null);
});
