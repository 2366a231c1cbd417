import test, { type ExecutionContext } from 'ava';
import { createSet, openSet, verifySet } from '../../src/archive/index.ts';
import type { Medium } from '../../src/medium/index.ts';
import { openLibrary, type CartridgeDescription, type Faults } from '../../src/tape/virtual/index.ts';
import {
  groupBytes,
  keptBytes,
  quiet,
  readVolume,
  testHead,
  testLayout,
  testVolume,
  writeSet,
} from '../archive/sets.ts';
import { GroupIndex } from '../../src/archive/index.ts';
import { temporary } from '../helpers/temporary.ts';
import { MiB, shelf, type Shelf } from './tape-shelf.ts';

const volume = testVolume('disk1.whole', 3, 12);
const large: CartridgeDescription = { size: 64 * MiB };
/** Blocks on the tape before the first group: label, filemark, and the part's label, head, layout and map. */
const firstGroup = 6;

async function scene(
  t: ExecutionContext,
  first: Faults,
  second: CartridgeDescription = large,
): Promise<Shelf> {
  return await shelf(temporary(t), { cartridges: { T1L8: { ...large, faults: first }, T2L8: second } });
}

async function using<T>(made: Shelf, work: (medium: Medium) => Promise<T>): Promise<T> {
  const medium = made.medium();
  try {
    return await work(medium);
  } finally {
    await medium.close();
  }
}

test('a block that cannot be written ends the part, and the set goes on with the next cartridge', async (t) => {
  const made = await scene(t, { unwritable: [firstGroup + 3] });
  await using(made, (medium) => writeSet(medium, [volume]));
  t.true(made.told.includes('write-error'));
  await using(made, async (medium) => {
    t.like((await medium.list())[0], { complete: true, parts: 2 });
    const got = await readVolume(medium, volume.map.volume);
    t.true(got.bytes.equals(keptBytes(volume)));
    t.deepEqual((await verifySet(medium, 'set', quiet)).problems, []);
  });
});

test('a block that cannot be read costs its own group, and nothing else', async (t) => {
  const made = await scene(t, { unreadable: [firstGroup + 2] });
  await using(made, (medium) => writeSet(medium, [volume]));
  await using(made, async (medium) => {
    const got = await readVolume(medium, volume.map.volume, { onDamage: 'report' });
    t.deepEqual(got.damaged, [{ index: 2, code: 'record-damaged' }]);
    await t.throwsAsync(readVolume(medium, volume.map.volume), { code: 'record-damaged' });
  });
});

test('a block that cannot be read before the end of a set is missing from there, and nothing else', async (t) => {
  const made = await scene(t, { unreadable: [firstGroup + 5] });
  await using(made, (medium) => writeSet(medium, [volume]));
  await using(made, async (medium) => {
    const source = await medium.open('set');
    const end = await source.last();
    t.not(end, null);
    const first = firstGroup - 3;
    for (const ordinal of [first + 4, first + 6]) t.not(await source.record!(ordinal), null);
    t.is(medium.movements!().repositionings, 1);
    await t.throwsAsync(source.record!(first + 5), { code: 'record-damaged' });
    t.not(await source.record!(first + 6), null);
    await source.close();
  });
});

test('a block that is read at the second try costs nothing', async (t) => {
  const made = await scene(t, {});
  await using(made, (medium) => writeSet(medium, [volume]));
  const once = { before: 'read', number: 2 * firstGroup, happens: 'medium-error' } as const;
  await (await openLibrary(made.folder)).describe('T1L8', { faults: { events: [once] } });
  await using(made, async (medium) => {
    const got = await readVolume(medium, volume.map.volume, { onDamage: 'report' });
    t.deepEqual(got.damaged, []);
    t.true(got.bytes.equals(keptBytes(volume)));
  });
});

for (const happens of ['swap', 'bus-reset', 'remove'] as const) {
  const event = happens === 'swap' ? { happens, barcode: 'SPARE' } : { happens };
  test(`${happens} while writing is noticed, and what was on the other cartridge stays`, async (t) => {
    const made = await shelf(temporary(t), {
      slots: 0,
      cartridges: {
        T1L8: { ...large, faults: { events: [{ before: 'write', number: firstGroup + 4, ...event }] } },
        SPARE: large,
      },
    });
    const library = await openLibrary(made.folder);
    await library.insert('SPARE');
    await using(made, (medium) => writeSet(medium, [testVolume('disk1.other', 5, 3)], { name: 'precious' }));
    await library.remove();
    await library.insert('T1L8');
    const error = await t.throwsAsync(using(made, (medium) => writeSet(medium, [volume])));
    t.regex(error.message, /no longer stands where it was left|is in the tape drive/);
    if (happens !== 'bus-reset') {
      await library.remove();
      await library.insert('SPARE');
      await using(made, async (medium) => {
        t.deepEqual(
          (await medium.list()).map(({ name, complete }) => ({ name, complete })),
          [{ name: 'precious', complete: true }],
        );
        t.deepEqual((await verifySet(medium, 'precious', quiet)).problems, []);
      });
    }
  });

  test(`${happens} while reading is noticed, and nothing wrong is handed out`, async (t) => {
    const made = await shelf(temporary(t), {
      slots: 0,
      cartridges: {
        T1L8: { ...large, faults: { events: [{ before: 'read', number: firstGroup + 8, ...event }] } },
        SPARE: large,
      },
    });
    const library = await openLibrary(made.folder);
    await library.insert('T1L8');
    await using(made, (medium) => writeSet(medium, [volume]));
    await library.remove();
    await library.insert('T1L8');
    await using(made, async (medium) => {
      const reader = await openSet(medium, 'set');
      const index = new GroupIndex(volume.map);
      await t.throwsAsync(async () => {
        for await (const group of reader.groups(volume.map.volume, { onDamage: 'report' })) {
          const wanted = groupBytes(volume, index, group.index);
          t.true(group.plain === null ? wanted.every((byte) => byte === 0) : group.plain.equals(wanted));
          if (group.damage !== null) throw group.damage;
        }
      });
      await reader.close();
    });
  });
}

test('a closing record that finds no room is done without', async (t) => {
  const made = await shelf(temporary(t), {
    cartridges: {
      T1L8: { size: 200_000, earlyWarning: 199_900 },
      T2L8: { size: 300_000, earlyWarning: 290_000 },
      T3L8: large,
    },
  });
  await using(made, (medium) => writeSet(medium, [volume], { level: 0 }));
  await using(made, async (medium) => {
    t.like((await medium.list())[0], { complete: true, parts: 3 });
    const got = await readVolume(medium, volume.map.volume);
    t.true(got.bytes.equals(keptBytes(volume)));
    t.deepEqual((await verifySet(medium, 'set', quiet)).problems, []);
  });
});

test('sets follow one another, and one that was torn makes room for the next', async (t) => {
  const made = await shelf(temporary(t), { cartridges: { T1L8: large } });
  await using(made, (medium) => writeSet(medium, [volume], { name: 'first', head: testHead(1) }));
  await using(made, async (medium) => {
    const writer = await createSet(medium, {
      head: testHead(2),
      layout: testLayout('disk1.whole'),
      maps: [volume.map],
      level: 1,
      name: 'torn',
    });
    await writer.beginVolume(volume.map);
    const index = new GroupIndex(volume.map);
    for (let i = 0; i < 5; i++) await writer.group(groupBytes(volume, index, i));
    await writer.abort();
  });
  await using(made, async (medium) => {
    t.deepEqual(
      (await medium.list()).map(({ name, complete }) => ({ name, complete })),
      [
        { name: 'first', complete: true },
        { name: 'torn', complete: false },
      ],
    );
    await t.throwsAsync(openSet(medium, 'torn'), { code: 'set-incomplete' });
  });
  await using(made, (medium) => writeSet(medium, [volume], { name: 'second', head: testHead(3) }));
  await using(made, async (medium) => {
    t.deepEqual(
      (await medium.list()).map(({ name, complete }) => ({ name, complete })),
      [
        { name: 'first', complete: true },
        { name: 'second', complete: true },
      ],
    );
    for (const name of ['first', 'second']) {
      t.true((await readVolume(medium, volume.map.volume, { name })).bytes.equals(keptBytes(volume)));
    }
  });
});
