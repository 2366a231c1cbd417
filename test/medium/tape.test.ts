import test, { type ExecutionContext } from 'ava';
import { GroupIndex, openSet, verifySet } from '../../src/archive/index.ts';
import type { Medium } from '../../src/medium/index.ts';
import { groupBytes, keptBytes, quiet, readVolume, testVolume, writeSet } from '../archive/sets.ts';
import { contract } from '../contract/medium.ts';
import { temporary, temporaryFolder } from '../helpers/temporary.ts';
import { KiB, MiB, shelf } from './tape-shelf.ts';

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

test('a mount of one volume goes to another place once', async (t) => {
  const made = await shelf(temporary(t), { cartridges: { T1L8: { size: 64 * MiB } } });
  const writing = made.medium();
  await writeSet(writing, [testVolume('disk1.whole', 3, 40), volumes[1]!]);
  await writing.close();
  const medium = made.medium();
  const reader = await openSet(medium, 'set');
  for await (const group of reader.groups('disk1.other', { to: 1, onDamage: 'stop' })) group.release?.();
  t.is(medium.movements!().repositionings, 1);
  await reader.close();
  await medium.close();
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
