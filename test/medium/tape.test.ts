import test, { type ExecutionContext } from 'ava';
import { GroupIndex, openSet, verifySet } from '../../src/archive/index.ts';
import type { Medium } from '../../src/medium/index.ts';
import type { RecordSource } from '../../src/medium/medium.ts';
import { groupBytes, keptBytes, quiet, readVolume, testHead, testVolume, writeSet } from '../archive/sets.ts';
import { contract } from '../contract/medium.ts';
import { temporary, temporaryFolder } from '../helpers/temporary.ts';
import { noise } from '../restore/sets.ts';
import { KiB, MiB, shelf, type Shelf } from './tape-shelf.ts';

const volumes = [testVolume('disk1.whole', 3, 12), testVolume('disk1.other', 4, 9)];

/** Cartridges that hold about 200 KiB of a set each. */
const small = { size: 500 * KiB, earlyWarning: 200 * KiB };

contract('tape', async (partSize) => {
  const { folder, remove } = temporaryFolder();
  const size = partSize === null ? 64 * MiB : 600 * KiB;
  const earlyWarning = partSize ?? 60 * MiB;
  const names = Array.from({ length: 12 }, (_, i) => `TAPE${String(i + 1).padStart(2, '0')}L8`);
  const made = await shelf(folder, {
    cartridges: Object.fromEntries(names.map((name) => [name, { size, earlyWarning }])),
  });
  const medium = made.medium();
  return {
    medium,
    remove: async () => {
      await medium.close();
      await remove();
    },
  };
});

async function roundTrip(t: ExecutionContext, medium: Medium, again: () => Medium): Promise<void> {
  await writeSet(medium, volumes);
  await medium.close();
  const reading = again();
  for (const volume of volumes) {
    const got = await readVolume(reading, volume.map.volume);
    t.true(got.bytes.equals(keptBytes(volume)));
    t.deepEqual(got.problems, []);
    t.deepEqual(got.damaged, []);
  }
  t.deepEqual((await verifySet(reading, 'set', quiet)).problems, []);
  await reading.close();
}

test('a set that spans cartridges comes back from the changer, in one pass', async (t) => {
  const made = await shelf(temporary(t), {
    cartridges: { T1L8: small, T2L8: small, T3L8: small, T4L8: small },
  });
  await roundTrip(t, made.medium(), () => made.medium());
  const medium = made.medium();
  const [set] = await medium.list();
  t.true(set!.parts > 1);
  const reader = await openSet(medium, 'set');
  for (const { map } of volumes) {
    for await (const group of reader.groups(map.volume, { onDamage: 'stop' })) group.release?.();
  }
  await reader.close();
  t.is(medium.movements!().repositionings, 0);
  await medium.close();
});

/** What is read of the second volume, when the first has so many groups. */
async function repositioningsBehind(t: ExecutionContext, groups: number): Promise<number> {
  const made = await shelf(temporary(t), { cartridges: { T1L8: { size: 64 * MiB } } });
  const [first, second] = [testVolume('disk1.whole', 3, groups), volumes[1]!];
  const writing = made.medium();
  await writeSet(writing, [{ ...first, bytes: noise(first.map.size, 5) }, second]);
  await writing.close();
  const medium = made.medium();
  const reader = await openSet(medium, 'set');
  const index = new GroupIndex(second.map);
  for await (const group of reader.groups('disk1.other', { to: 1, onDamage: 'stop' })) {
    t.true(group.plain!.equals(groupBytes(second, index, 0)));
  }
  const { repositionings } = medium.movements!();
  await reader.close();
  await medium.close();
  return repositionings;
}

test('a mount of one volume goes to another place once', async (t) => {
  t.is(await repositioningsBehind(t, 60), 1);
});

test('what lies a little ahead is read over: the tape is sent nowhere', async (t) => {
  t.is(await repositioningsBehind(t, 20), 0);
});

/** The records of a set, one after the other. */
async function recordsOf(source: RecordSource): Promise<Buffer[]> {
  const out: Buffer[] = [];
  for (let ordinal = 0; ; ordinal++) {
    const record = await source.record!(ordinal);
    if (record === null) return out;
    out.push(record);
  }
}

/** Opens a set that was written before, told which cartridge holds what or not. */
async function opened(t: ExecutionContext, made: Shelf, set: string): Promise<[Medium, RecordSource]> {
  const medium = made.medium();
  const source = await medium.open(set);
  t.teardown(async () => {
    await source.close();
    await medium.close();
  });
  return [medium, source];
}

for (const [where, cartridges] of [
  ['one cartridge', { T1L8: { size: 64 * MiB } }],
  ['several cartridges', { T1L8: small, T2L8: small, T3L8: small, T4L8: small, T5L8: small, T6L8: small }],
] as const) {
  test(`the end of a set and what stands before it cost one jump, on ${where}`, async (t) => {
    const made = await shelf(temporary(t), { cartridges });
    const writing = made.medium();
    await writeSet(writing, [
      testVolume('disk1.whole', 3, 12),
      testVolume('disk1.other', 4, where === 'one cartridge' ? 130 : 20),
    ]);
    await writing.close();
    const [before, all] = await opened(t, made, 'set');
    const records = await recordsOf(all);
    await before.close();
    const [medium, source] = await opened(t, made, 'set');
    await source.seek({ part: 0, offset: 0 });
    await source.next();
    for (const ordinal of [0, 1, 2]) t.true((await source.record!(ordinal))!.equals(records[ordinal]!));
    t.is(medium.movements!().repositionings, 0);
    t.true((await source.last())!.equals(records.at(-1)!));
    const { loads } = medium.movements!();
    t.is(medium.movements!().repositionings, 1);
    const inWindow = where === 'one cartridge' ? 60 : 3;
    for (const back of [2, 3, inWindow, 1]) {
      t.true((await source.record!(records.length - back))!.equals(records.at(-back)!), `${back}`);
    }
    t.deepEqual(medium.movements!(), { loads, repositionings: 1 });
    t.true((await source.record!(9))!.equals(records[9]!));
    t.true((await source.record!(10))!.equals(records[10]!));
    // On several the first part is another cartridge's: the tape was put in, and read from its beginning.
    t.true(medium.movements!().repositionings <= 2);
    if (where === 'one cartridge') t.is(medium.movements!().repositionings, 2);
    else t.true(medium.movements!().loads > loads);
    t.true((await source.record!(records.length - 1))!.equals(records.at(-1)!));
  });
}

test('behind the last record of a set comes nothing, though another set follows on the tape', async (t) => {
  const made = await shelf(temporary(t), { cartridges: { T1L8: { size: 64 * MiB } } });
  for (const [seed, name] of [
    [1, 'first'],
    [2, 'second'],
  ] as const) {
    const writing = made.medium();
    await writeSet(writing, [testVolume('disk1.whole', seed, 12)], { name, head: testHead(seed) });
    await writing.close();
  }
  const [, source] = await opened(t, made, 'first');
  const records = await recordsOf(source);
  for (const beyond of [0, 1, 5]) t.is(await source.record!(records.length + beyond), null);
  t.true((await source.last())!.equals(records.at(-1)!));
  t.true((await source.record!(2))!.equals(records[2]!));
});

test('a group of a later part is found on its cartridge, though only the first was looked at', async (t) => {
  const cartridges = { T1L8: small, T2L8: small, T3L8: small, T4L8: small };
  const made = await shelf(temporary(t), { cartridges });
  const writing = made.medium();
  await writeSet(writing, volumes);
  await writing.close();
  for (const volume of volumes) {
    const medium = made.medium();
    const reader = await openSet(medium, 'set');
    const index = new GroupIndex(volume.map);
    const from = index.groupCount - 1;
    for await (const group of reader.groups(volume.map.volume, { from, onDamage: 'stop' })) {
      const wanted = groupBytes(volume, index, group.index);
      t.true(group.plain === null ? wanted.every((byte) => byte === 0) : group.plain.equals(wanted));
    }
    await reader.close();
    await medium.close();
  }
});
