import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { tarEndLength } from '../../src/bytes/index.ts';
import { readContents, type CartridgeContents } from '../../src/tape/contents.ts';
import { TapeDrive } from '../../src/tape/drive.ts';
import { encodeLabel, type CartridgeLabel } from '../../src/tape/label.ts';
import { CartridgeFile, type Faults } from '../../src/tape/virtual/index.ts';
import { closing, label as partLabel, member } from '../contract/medium.ts';
import { image } from './images.ts';
import { KiB, tapeScene, writeFile, type TapeScene } from './tape-scene.ts';

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

/** Writes files, one after another, from the beginning of the tape on, and reads what stands there. */
async function contentsOf(
  { drive }: TapeScene,
  files: readonly (readonly Buffer[])[],
): Promise<CartridgeContents> {
  await drive.ready('write');
  for (const file of files) await writeFile(drive, file);
  return await readContents(drive);
}

/** The same where the power failed under the last file: no filemark ends it. */
async function tornContents(
  { drive, folder }: TapeScene,
  files: readonly (readonly Buffer[])[],
): Promise<CartridgeContents> {
  await drive.ready('write');
  for (const file of files.slice(0, -1)) await writeFile(drive, file);
  // The driver would end the file when it is let go of.
  await drive.release();
  const tape = await CartridgeFile.open(join(folder, 'A.cartridge'));
  for (const block of files.at(-1)!) await tape.write(tape.records, block);
  await tape.close();
  await drive.ready('read');
  return await readContents(drive);
}

for (const [sort, faults] of sorts) {
  test(`${sort}: a blank cartridge, one with a label, one with sets`, async (t) => {
    const scene = await tapeScene(t, { faults });
    const { drive } = scene;
    await drive.ready('write');
    t.like(await readContents(drive), { blank: true, label: null, foreign: null });
    t.deepEqual(await contentsOf(scene, [[encodeLabel(label)]]), {
      label,
      blank: false,
      foreign: null,
      labelFile: 0,
      parts: [],
      appendAt: 1,
      full: false,
    });
    const found = await contentsOf(scene, [
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
    const scene = await tapeScene(t, { faults });
    const { drive } = scene;
    const long = [partLabel('long'), ...Array.from({ length: 100 }, () => record), closing(), tarEnd];
    await contentsOf(scene, [[encodeLabel(label)], long]);
    const before = drive.movements.repositionings;
    await readContents(drive);
    const one = drive.movements.repositionings - before;
    await contentsOf(scene, [[encodeLabel(label)], long, whole('a'), whole('b')]);
    const again = drive.movements.repositionings;
    await readContents(drive);
    const three = drive.movements.repositionings - again;
    t.true(three - one <= 2 * 4, `${three} and ${one} movements`);
  });

  test(`${sort}: a torn part is open, and its room is used again`, async (t) => {
    const scene = await tapeScene(t, { faults });
    const { drive } = scene;
    const unfinished = [partLabel('torn'), record, record];
    const torn = await tornContents(scene, [[encodeLabel(label)], whole('one'), unfinished]);
    t.like(torn, { appendAt: 2, full: false, foreign: null });
    t.deepEqual(
      torn.parts.map(({ ends }) => ends),
      ['set', 'open'],
    );
    t.true(await drive.toFile(2));
    t.true(Buffer.isBuffer(await drive.read()));
    // With a mark, and with one record only.
    for (const blocks of [unfinished, [partLabel('torn')]]) {
      const marked = await contentsOf(scene, [[encodeLabel(label)], whole('one'), blocks]);
      t.like(marked, { appendAt: 2 });
      t.deepEqual(
        marked.parts.map(({ ends }) => ends),
        ['set', 'open'],
      );
    }
    // Where another part follows it is passed.
    const passed = await contentsOf(scene, [[encodeLabel(label)], unfinished, whole('two')]);
    t.like(passed, { appendAt: 3 });
    t.deepEqual(
      passed.parts.map(({ ends }) => ends),
      ['open', 'set'],
    );
  });

  test(`${sort}: what is not ours is named, kept, and sets behind it are found`, async (t) => {
    const scene = await tapeScene(t, { faults });
    const foreign = [Buffer.from('something else'.padEnd(600))];
    const found = await contentsOf(scene, [
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
    t.like(await contentsOf(scene, [foreign, whole('one')]), {
      label: null,
      parts: [],
      foreign: 'data of a program that is not known',
    });
  });

  test(`${sort}: an appliance stands before the label`, async (t) => {
    const scene = await tapeScene(t, { faults });
    const ours = image({ name: 'REMETAL' });
    const blocks = [ours.subarray(0, 40_000), ours.subarray(40_000, 80_000), ours.subarray(80_000)];
    t.like(await contentsOf(scene, [blocks, [encodeLabel(label)], whole('one')]), {
      label,
      labelFile: 1,
      appendAt: 3,
    });
    t.like(await contentsOf(scene, [blocks]), {
      label: null,
      foreign: 'a bootable image of ours without a label',
    });
  });

  test(`${sort}: empty files are passed`, async (t) => {
    const scene = await tapeScene(t, { faults });
    t.like(await contentsOf(scene, [[]]), { blank: true });
    t.like(await contentsOf(scene, [[], []]), { blank: true });
    t.like(await contentsOf(scene, [[], whole('one')]), {
      blank: false,
      foreign: 'an empty file before others',
    });
    const found = await contentsOf(scene, [[encodeLabel(label)], whole('one'), [], whole('two'), []]);
    t.like(found, { appendAt: 4, foreign: null });
    t.deepEqual(
      found.parts.map(({ file }) => file),
      [1, 3],
    );
  });
}

/** Files by what is to become of them: kept whatever happens, passed, or written over when nothing follows. */
const palette = {
  whole: whole('one'),
  goesOn: goesOn('two', 3),
  open: [partLabel('torn'), record],
  foreign: [Buffer.from('something else'.padEnd(700))],
  label: [encodeLabel({ ...label, name: 'OTHER' })],
  image: [image({ name: 'REMETAL' })],
  zeros: [Buffer.alloc(1024)],
  empty: [],
};
type Kind = keyof typeof palette;
const kindNames: readonly Kind[] = ['whole', 'goesOn', 'open', 'foreign', 'label', 'image', 'zeros', 'empty'];

for (const [sort, faults] of sorts) {
  test(`${sort}: whatever stands on a tape, nothing but an interrupted part is written over`, async (t) => {
    const scene = await tapeScene(t, { faults });
    const kinds = fc.array(fc.constantFrom(...kindNames), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(kinds, fc.boolean(), async (files, torn) => {
        const last = files.at(-1);
        const tapes = [
          [encodeLabel(label)],
          // One and the same part does not begin twice.
          ...files.map((kind, i) => (kind === 'open' ? [partLabel(`torn${i}`), record] : palette[kind])),
        ];
        // A file without a mark is none when it has no block.
        const cut = torn && last !== undefined && last !== 'empty';
        const found = cut ? await tornContents(scene, tapes) : await contentsOf(scene, tapes);
        t.is(found.label?.name, 'DAILY-3');
        t.deepEqual(
          found.parts.map(({ file }) => file),
          files.flatMap((kind, i) => (['whole', 'goesOn', 'open'].includes(kind) ? [i + 1] : [])),
        );
        t.is(
          found.foreign !== null,
          files.some((kind) => ['foreign', 'label', 'image', 'zeros'].includes(kind)),
        );
        const kept = files.findLastIndex((kind) => kind !== 'empty') + 1;
        const open = files[kept - 1] === 'open' || (cut && ['whole', 'goesOn'].includes(files[kept - 1]!));
        t.is(found.appendAt, open ? kept : kept + 1);
        t.true(await scene.drive.toFile(Math.min(found.appendAt, files.length + (cut ? 0 : 1))));
      }),
      { numRuns: 60 },
    );
  });
}

test('a part whose end cannot be read may be whole: its room is not used again', async (t) => {
  // Blocks and marks: label 0-1, one 2-6, two from 7.
  const scene = await tapeScene(t, { faults: { unreadable: [9] } });
  const found = await contentsOf(scene, [[encodeLabel(label)], whole('one'), whole('two')]);
  t.like(found, { appendAt: 3, foreign: null });
  t.deepEqual(
    found.parts.map(({ ends }) => ends),
    ['set', 'open'],
  );
});

test('a part whose beginning cannot be read is kept, and those behind it are found', async (t) => {
  const scene = await tapeScene(t, { faults: { unreadable: [2] } });
  const found = await contentsOf(scene, [[encodeLabel(label)], whole('one'), whole('two')]);
  t.like(found, { appendAt: 3, foreign: 'data whose beginning cannot be read' });
  t.deepEqual(
    found.parts.map(({ set }) => set),
    ['two'],
  );
});

test('a cartridge that is swapped while its end is looked for is noticed', async (t) => {
  const scene = await tapeScene(t);
  const { drive, library } = scene;
  await contentsOf(scene, [[encodeLabel(label)], whole('one')]);
  await library.describe('A', { faults: { events: [{ before: 'read', number: 3, happens: 'remove' }] } });
  await t.throwsAsync(readContents(drive));
  t.is(drive.position, null);
});

/** The same drive, on which spacing over filemarks fails from the `good`-th time on, as where no end of the data is. */
function endless({ open }: TapeScene, good: number): TapeDrive {
  let spaced = 0;
  return new TapeDrive('virtual', async (access) => {
    const device = await open(access);
    const operate = device.operate.bind(device);
    device.operate = async (operation, count) => {
      if (operation === 'FSF' && spaced++ >= good) {
        throw Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'ioctl' });
      }
      await operate(operation, count);
    };
    return device;
  });
}

test('where the drive finds no end of the data, the sets before it are there, and nothing goes behind them', async (t) => {
  const scene = await tapeScene(t);
  await contentsOf(scene, [[encodeLabel(label)], whole('one'), whole('two')]);
  await scene.drive.release();
  // To the first part, and over it.
  const drive = endless(scene, 2);
  t.teardown(() => drive.release());
  await drive.ready('read');
  const found = await readContents(drive);
  t.like(found, { label: { name: 'DAILY-3' }, foreign: 'data whose end cannot be found', appendAt: 3 });
  t.deepEqual(
    found.parts.map(({ set, ends }) => [set, ends]),
    [
      ['one', 'set'],
      ['two', 'open'],
    ],
  );
  t.not(drive.position, null);
});
