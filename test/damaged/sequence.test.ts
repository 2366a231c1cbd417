import test from 'ava';
import { openSet, verifySet } from '../../src/archive/index.ts';
import { isCoded } from '../../src/errors/index.ts';
import { memoryMedium } from '../../src/medium/index.ts';
import { keptBytes, quiet, readVolume, testHead, testVolume, writeSet } from '../archive/sets.ts';
import { membersOf } from './members.ts';

const volume = testVolume('disk1.whole', 7, 8);
const kept = keptBytes(volume);
const medium = memoryMedium();
await writeSet(medium, [volume]);
const part = medium.bytes('set')[0]!;
const members = membersOf(part);
const firstGroup = members.findIndex(({ kind }) => kind.startsWith('control'));
/** The third group. */
const victim = firstGroup + 2;

const other = memoryMedium();
await writeSet(other, [testVolume('disk1.whole', 9, 8)], { head: testHead(2) });
const foreign = other.bytes('set')[0]!;

function record(number: number, bytes = part): Buffer {
  const { start, end } = membersOf(bytes)[number]!;
  return bytes.subarray(start, end);
}

/** The set with its records put together anew. */
function rebuilt(records: readonly Buffer[]): ReturnType<typeof memoryMedium> {
  const broken = memoryMedium();
  broken.put('set', [Buffer.concat([...records, Buffer.alloc(1024)])]);
  return broken;
}

const all = members.map((_, number) => record(number));

async function codes(broken: ReturnType<typeof memoryMedium>): Promise<string[]> {
  const { problems } = await verifySet(broken, 'set', quiet);
  return [...new Set(problems.map(({ code }) => code))].toSorted();
}

test('rebuilding changes nothing by itself', async (t) => {
  t.deepEqual(await codes(rebuilt(all)), []);
});

test('a missing record is named, and costs only its own group', async (t) => {
  const broken = rebuilt(all.toSpliced(victim, 1));
  t.deepEqual(await codes(broken), ['record-missing']);
  await t.throwsAsync(readVolume(broken, 'disk1.whole'), { code: 'record-missing' });
  const got = await readVolume(broken, 'disk1.whole', { onDamage: 'report' });
  t.deepEqual(got.damaged, [{ index: 2, code: 'record-missing' }]);
});

test('several missing records are named as one run', async (t) => {
  const { problems } = await verifySet(rebuilt(all.toSpliced(victim, 3)), 'set', quiet);
  t.is(problems.length, 1);
  t.deepEqual(problems[0]?.facts, { first: 5, last: 7 });
});

test('a doubled record is named, and does not hinder a restore', async (t) => {
  const broken = rebuilt(all.toSpliced(victim, 0, record(victim)));
  t.deepEqual(await codes(broken), ['record-doubled']);
  t.true((await readVolume(broken, 'disk1.whole')).bytes.equals(kept));
});

test('swapped records are named, and do not hinder a restore', async (t) => {
  const broken = rebuilt(all.with(victim, record(victim + 2)).with(victim + 2, record(victim)));
  t.deepEqual(await codes(broken), ['record-misplaced']);
  t.true((await readVolume(broken, 'disk1.whole')).bytes.equals(kept));
});

test('a record of another set is named', async (t) => {
  const broken = rebuilt(all.with(victim, record(victim, foreign)));
  t.deepEqual(await codes(broken), ['record-misplaced', 'record-missing']);
  const got = await readVolume(broken, 'disk1.whole', { onDamage: 'report' });
  t.deepEqual(
    got.damaged.map(({ index }) => index),
    [2],
  );
});

test('the beginning of one set and the end of another are refused', async (t) => {
  const spliced = rebuilt([
    ...all.slice(0, victim),
    ...membersOf(foreign)
      .map((_, n) => record(n, foreign))
      .slice(victim),
  ]);
  await t.throwsAsync(openSet(spliced, 'set'), { code: 'record-misplaced' });
});

for (const kind of [
  'label',
  'head',
  'layout',
  'map.zst',
  'checksums',
  'exceptions',
  'totals',
  'index',
  'contents',
] as const) {
  test(`a set without its first ${kind} record is found out, and still restored`, async (t) => {
    const broken = rebuilt(
      all.toSpliced(
        members.findIndex((member) => member.kind === kind),
        1,
      ),
    );
    const found = await codes(broken);
    // A label stands outside the numbering; without it every place the set names is off.
    t.deepEqual(found, kind === 'label' ? ['record-damaged'] : ['record-missing'], kind);
    const got = await readVolume(broken, 'disk1.whole');
    t.true(got.bytes.equals(kept));
  });
}

test('a truncated set is refused wherever it ends, and what is left can be salvaged', async (t) => {
  for (let length = 0; length < part.length - 1024; length += 9000 + (length % 1537)) {
    const broken = memoryMedium();
    broken.put('set', [part.subarray(0, length)]);
    const expected = length < 512 ? ['not-a-set', 'set-truncated'] : ['set-truncated'];
    const refused = await t.throwsAsync(openSet(broken, 'set'));
    t.true(isCoded(refused, 'not-a-set', 'set-truncated') && expected.includes(refused.code), String(length));
    t.false((await broken.list())[0]?.complete);
    if (length < members[firstGroup + 1]!.end) continue;
    t.true((await codes(broken)).includes('set-truncated'));
    const got = await readVolume(broken, 'disk1.whole', { salvage: true, onDamage: 'report' });
    const whole = members
      .slice(firstGroup)
      .filter(({ kind, end }) => /^(control|data)/.test(kind) && end <= length).length;
    t.deepEqual(
      got.damaged.map(({ index }) => index),
      Array.from({ length: 9 - whole }, (_, i) => whole + i),
      String(length),
    );
  }
});

test('a set whose last zero blocks are gone or doubled is whole', async (t) => {
  for (const tail of [0, 512, 1024, 10240]) {
    const cut = memoryMedium();
    cut.put('set', [Buffer.concat([part.subarray(0, -1024), Buffer.alloc(tail)])]);
    t.deepEqual(await codes(cut), []);
    t.true((await readVolume(cut, 'disk1.whole')).bytes.equals(kept));
  }
});

test('a part that is missing is asked for by its number', async (t) => {
  const spanning = memoryMedium({ partSize: 256 * 1024 });
  await writeSet(spanning, [volume], { level: 0 });
  const parts = spanning.bytes('set');
  t.true(parts.length >= 3);
  const short = memoryMedium();
  short.put('set', parts.slice(0, -1));
  await t.throwsAsync(openSet(short, 'set'), {
    code: 'part-missing',
    message: new RegExp(`Part ${parts.length}`),
  });
  t.deepEqual(await codes(short), ['part-missing']);
  t.false((await short.list())[0]?.complete);
  const got = await readVolume(short, 'disk1.whole', { salvage: true, onDamage: 'report' });
  t.true(got.damaged.length > 0 && got.damaged.length < 9);
});

test('parts in the wrong order are found out', async (t) => {
  const spanning = memoryMedium({ partSize: 200 * 1024 });
  await writeSet(spanning, [volume], { level: 0 });
  const parts = spanning.bytes('set');
  t.true(parts.length >= 4);
  const broken = memoryMedium();
  broken.put('set', parts.with(1, parts[2]!).with(2, parts[1]!));
  t.true((await codes(broken)).includes('record-misplaced'));
  t.true((await readVolume(broken, 'disk1.whole')).bytes.equals(kept));
});

test('what is no set is refused as such', async (t) => {
  const tar = Buffer.alloc(10240);
  const things = [Buffer.alloc(0), Buffer.alloc(4096), Buffer.from('hello '.repeat(4000)), tar];
  for (const thing of things) {
    const place = memoryMedium();
    place.put('set', [thing]);
    await t.throwsAsync(openSet(place, 'set'), { code: 'not-a-set' });
    await t.throwsAsync(verifySet(place, 'set', quiet), { code: 'not-a-set' });
  }
  await t.throwsAsync(openSet(memoryMedium(), 'set'), { code: 'no-such-set' });
});
