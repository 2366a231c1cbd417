import test from 'ava';
import { loadSince, openSet, verifySet } from '../../src/archive/index.ts';
import { isCoded } from '../../src/errors/index.ts';
import { memoryMedium } from '../../src/medium/index.ts';
import { keptBytes, quiet, readVolume, testHead, testVolume, writeSet } from '../archive/sets.ts';
import { flipped, membersOf } from './members.ts';

const id = 'disk1.whole';
const first = testVolume(id, 7, 8);
const volume = { map: first.map, bytes: Buffer.from(first.bytes).fill('changed', 200_000, 230_000) };
const kept = keptBytes(volume);
const medium = memoryMedium();
await writeSet(medium, [first], { name: 'set1', head: testHead(1) });
const reader = await openSet(medium, 'set1');
const since = await loadSince(reader);
await reader.close();
await writeSet(medium, [volume], { name: 'set', since, head: testHead(2) });
const part = medium.bytes('set')[0]!;
const members = membersOf(part);
const groups = members.filter(({ kind }) => kind.startsWith('control') || kind.startsWith('data'));

const at = (kind: string): number => members.findLastIndex((member) => member.kind.startsWith(kind));

test('the incremental set under test has its maps behind its data', (t) => {
  t.true(at('data') > 0 && at('map') > at('totals') && at('sums') > at('data'));
});

for (const region of ['extended', 'header', 'payload'] as const) {
  test(`a flipped byte in the ${region} of any record of an incremental set is found, and nothing false is restored`, async (t) => {
    for (const [number, member] of members.entries()) {
      const { start, end } = member.regions[region];
      const middle = start + ((end - start) >> 1);
      if (middle >= end) continue;
      const what = `${member.kind} ${number} at ${middle}`;
      const broken = memoryMedium();
      broken.put('set1', medium.bytes('set1'));
      broken.put('set', [flipped(part, middle)]);
      t.true((await verifySet(broken, 'set', quiet)).problems.length > 0, what);
      const hit = groups.indexOf(member);
      try {
        const got = await readVolume(broken, id, { onDamage: 'report' });
        t.deepEqual(
          got.damaged.map(({ index }) => index),
          hit === -1 ? [] : [hit],
          what,
        );
        if (hit === -1) t.true(got.bytes.equals(kept), what);
      } catch (error) {
        const closing = member.kind === 'end' && isCoded(error, 'record-damaged', 'set-truncated');
        t.true(closing, `${what}: ${String(error)}`);
        const got = await readVolume(broken, id, { onDamage: 'report', salvage: true });
        t.true(got.bytes.equals(kept), what);
      }
    }
  });
}
