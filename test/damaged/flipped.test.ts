import test from 'ava';
import { openSet, verifySet } from '../../src/archive/index.ts';
import { isCoded } from '../../src/errors/index.ts';
import { memoryMedium } from '../../src/medium/index.ts';
import { keptBytes, quiet, readVolume, testVolume, writeSet } from '../archive/sets.ts';
import { flipped, membersOf } from './members.ts';

const volume = testVolume('disk1.whole', 7, 8);
const kept = keptBytes(volume);
const medium = memoryMedium();
await writeSet(medium, [volume]);
const part = medium.bytes('set')[0]!;
const members = membersOf(part);

/** Groups of the test volume are the records from ordinal 3 on. */
const groups = members.filter(({ kind }) => kind.startsWith('control') || kind.startsWith('data'));

test('the set under test has every kind of record', (t) => {
  const kinds = new Set(members.map(({ kind }) => kind));
  const all = [
    'label',
    'head',
    'layout',
    'map.zst',
    'control.zst',
    'data.zst',
    'data',
    'checksums',
    'exceptions',
  ];
  for (const kind of [...all, 'totals', 'index', 'contents', 'end']) t.true(kinds.has(kind), kind);
});

for (const region of ['extended', 'header', 'name', 'payload'] as const) {
  test(`a flipped byte anywhere in the ${region} of any record is found, and nothing false is restored`, async (t) => {
    for (const [number, member] of members.entries()) {
      const { start, end } = member.regions[region];
      for (const at of new Set([start, start + ((end - start) >> 1), end - 1])) {
        if (at >= end) continue;
        const what = `${member.kind} ${number} at ${at}`;
        const broken = memoryMedium();
        broken.put('set', [flipped(part, at)]);
        const report = await verifySet(broken, 'set', quiet);
        const codes = report.problems.map(({ code }) => code);
        const allowed = member.kind === 'end' ? ['record-damaged', 'set-truncated'] : ['record-damaged'];
        t.true(
          codes.length >= 1 && codes.every((code) => allowed.includes(code)),
          `${what}: ${codes.join()}`,
        );
        const hit = groups.indexOf(member);
        try {
          const got = await readVolume(broken, 'disk1.whole', { onDamage: 'report' });
          t.deepEqual(got.damaged, hit === -1 ? [] : [{ index: hit, code: 'record-damaged' }], what);
          if (hit === -1) t.true(got.bytes.equals(kept), what);
        } catch (error) {
          t.true(
            member.kind === 'end' && isCoded(error, 'record-damaged', 'set-truncated'),
            `${what}: ${String(error)}`,
          );
          const got = await readVolume(broken, 'disk1.whole', { onDamage: 'report', salvage: true });
          t.true(got.bytes.equals(kept), what);
        }
        if (hit !== -1)
          await t.throwsAsync(readVolume(broken, 'disk1.whole'), { code: 'record-damaged' }, what);
      }
    }
  });
}

test('one damaged group costs its own bytes and no others', async (t) => {
  const broken = memoryMedium();
  broken.put('set', [flipped(part, groups[3]!.regions.payload.start + 100)]);
  const reader = await openSet(broken, 'set');
  const bytes = Buffer.from(kept);
  for await (const group of reader.groups('disk1.whole', { onDamage: 'report' })) {
    t.is(group.damage?.code, group.index === 3 ? 'record-damaged' : undefined);
    if (group.index !== 3) continue;
    t.is(group.plain, null);
    t.is(group.damage?.facts['volume'] ?? group.damage?.facts['group'], 3);
    for (const { start, length } of group.extents) bytes.fill(0, start, start + length);
  }
  await reader.close();
  t.true((await readVolume(broken, 'disk1.whole', { onDamage: 'report' })).bytes.equals(bytes));
});
