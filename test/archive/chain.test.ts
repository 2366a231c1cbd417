import { hash } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import fc from 'fast-check';
import { loadSince, openSet, verifySet, type VolumeMap } from '../../src/archive/index.ts';
import { normalize } from '../../src/bytes/index.ts';
import { fileMedium, memoryMedium, type Medium } from '../../src/medium/index.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { ordinalMedium } from './by-ordinal.ts';
import { keptBytes, quiet, readVolume, testHead, testVolume, writeSet, type TestVolume } from './sets.ts';

const id = 'disk1.whole';

/** A set since another; the chain's `n`th set is called `set<n>`. */
async function writeSince(
  medium: Medium,
  before: string,
  name: string,
  volumes: readonly TestVolume[],
  more = {},
) {
  const reader = await openSet(medium, before);
  const since = await loadSince(reader);
  await reader.close();
  const seed = Number(name.replace(/\D+/, ''));
  return await writeSet(medium, volumes, { name, since, head: testHead(seed), ...more });
}

/** The volume with other bytes in a range of it. */
function changed({ map, bytes }: TestVolume, start: number, length: number, seed: number): TestVolume {
  const out = Buffer.from(bytes);
  for (let at = start; at < start + length; at++) out[at] = (out[at]! + seed) & 0xff;
  return { map, bytes: out };
}

const file = (folder: string, n: number): string => join(folder, `set${n}.tar`);

/** A chain of seven sets, and what each holds. */
async function chainOfSeven(medium: Medium): Promise<TestVolume[]> {
  let volume = testVolume(id, 3, 20);
  const states = [volume];
  await writeSet(medium, [volume], { name: 'set1', head: testHead(1) });
  for (let n = 2; n <= 7; n++) {
    volume = changed(volume, 100_000 * n, 20_000, n);
    states.push(volume);
    await writeSince(medium, `set${n - 1}`, `set${n}`, [volume]);
  }
  return states;
}

test('every set of a chain gives back its own state, and holds little more than what changed', async (t) => {
  const medium = memoryMedium();
  const states = await chainOfSeven(medium);
  for (const [i, state] of states.entries()) {
    const { bytes, problems } = await readVolume(medium, id, { name: `set${i + 1}` });
    t.true(bytes.equals(keptBytes(state)), `set${i + 1}`);
    t.deepEqual(problems, []);
    t.deepEqual((await verifySet(medium, `set${i + 1}`, quiet)).problems, []);
  }
  const reader = await openSet(medium, 'set7');
  t.deepEqual(
    reader.head.chain.map(({ name }) => name),
    ['set1', 'set2', 'set3', 'set4', 'set5', 'set6'],
  );
  const totals = reader.totals!.volumes[0]!;
  const control = reader.maps.get(id)!.control.reduce((sum, { length }) => sum + length, 0);
  t.true(totals.kept <= control + 20_000 + 2 * 16_384, `${totals.kept} bytes`);
  const whole = states[0]!.map.data.reduce((sum, { length }) => sum + length, control);
  t.is(totals.kept + totals.earlier!, whole);
  const index = reader.index(id);
  const links = new Set(Array.from({ length: index.groupCount }, (_, group) => index.place(group).link));
  t.deepEqual(
    [...links].toSorted((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6],
  );
  await reader.close();
});

test('what is told of the groups of a chain is what they hold', async (t) => {
  const medium = memoryMedium();
  await chainOfSeven(medium);
  const reader = await openSet(medium, 'set7');
  const index = reader.index(id);
  const sums: string[] = [];
  for await (const { index: group, digest } of reader.checksums(id)) {
    t.is(group, sums.length);
    sums.push(digest.toString('hex'));
  }
  t.is(sums.length, index.groupCount);
  for await (const { index: group, plain, extents } of reader.groups(id, { onDamage: 'stop' })) {
    const bytes = plain ?? Buffer.alloc(index.groupLength(group));
    t.is(bytes.length, index.groupLength(group));
    t.is(hash('sha256', bytes).slice(0, 32), sums[group]!);
    for (const { start } of extents) t.is(index.groupAtOffset(start), group);
  }
  await reader.close();
});

test('links that are lost, foreign or out of order are refused by name', async (t) => {
  const refused = async (
    spoil: (folder: string) => Promise<void>,
  ): Promise<{ code: unknown; facts: unknown }> => {
    const folder = temporary(t);
    const medium = fileMedium(folder);
    await chainOfSeven(medium);
    await spoil(folder);
    const error = await t.throwsAsync(openSet(medium, 'set7'));
    t.true((await verifySet(medium, 'set7', quiet)).problems.length > 0);
    const left = await openSet(medium, 'set7', { chain: 'leave' });
    t.is(left.head.chain.length, 6);
    await left.close();
    return {
      code: error !== undefined && 'code' in error ? error.code : null,
      facts: error !== undefined && 'facts' in error ? error.facts : null,
    };
  };
  const missing = await refused((folder) => rm(file(folder, 3)));
  t.is(missing.code, 'chain-link-missing');
  t.like(missing.facts, { needs: 'set3', number: 3, links: 6 });
  t.is((await refused((folder) => rename(file(folder, 4), file(folder, 2)))).code, 'chain-out-of-order');
  const foreign = await refused(async (folder) => {
    await rm(file(folder, 2));
    await writeSet(fileMedium(folder), [testVolume(id, 9)], { name: 'set2', head: testHead(99) });
  });
  t.is(foreign.code, 'chain-link-foreign');
  const rewritten = await refused(async (folder) => {
    await rm(file(folder, 1));
    await writeSet(fileMedium(folder), [testVolume(id, 9)], { name: 'set1', head: testHead(1) });
  });
  t.is(rewritten.code, 'chain-link-foreign');
});

test('the sets of a chain may lie on several media', async (t) => {
  const folder = temporary(t);
  const [first, second] = [fileMedium(join(folder, 'a')), fileMedium(join(folder, 'b'))];
  const volume = testVolume(id, 3, 20);
  await writeSet(first, [volume], { name: 'set1', head: testHead(1) });
  const reader = await openSet(first, 'set1');
  const since = await loadSince(reader);
  await reader.close();
  const later = changed(volume, 500_000, 4096, 7);
  await writeSet(second, [later], { name: 'set2', since, head: testHead(2) });
  await t.throwsAsync(openSet(second, 'set2'), { code: 'chain-link-missing' });
  const set = await openSet(second, 'set2', { chain: [second, first] });
  let bytes = 0;
  for await (const { index } of set.groups(id, { onDamage: 'stop' }))
    bytes += set.index(id).groupLength(index);
  t.is(bytes, set.index(id).plainBytes);
  await set.close();
  t.deepEqual((await verifySet(second, 'set2', { ...quiet, chain: [second, first] })).problems, []);
});

test('what could not be read is never taken for unchanged, and is told only where it is held', async (t) => {
  const medium = memoryMedium();
  const volume = testVolume(id, 3, 20);
  const lost = { start: 200_704, length: 4096 };
  const zeroed = {
    map: volume.map,
    bytes: Buffer.from(volume.bytes).fill(0, lost.start, lost.start + lost.length),
  };
  await writeSet(medium, [zeroed], { name: 'set1', head: testHead(1), unreadable: { [id]: [lost] } });
  await writeSince(medium, 'set1', 'set2', [zeroed]);
  await writeSince(medium, 'set2', 'set3', [zeroed], { unreadable: { [id]: [lost] } });
  const told = async (name: string): Promise<number> => {
    const reader = await openSet(medium, name);
    let bytes = 0;
    for await (const { unreadable } of reader.groups(id, { onDamage: 'stop' })) {
      for (const { length } of unreadable) bytes += length;
    }
    await reader.close();
    return bytes;
  };
  t.deepEqual([await told('set1'), await told('set2'), await told('set3')], [4096, 0, 4096]);
});

test('a damaged record of an earlier set costs its own bytes, and the set is named', async (t) => {
  const medium = memoryMedium();
  await chainOfSeven(medium);
  const [bytes] = medium.bytes('set1');
  bytes![Math.floor(bytes!.length / 2)]! ^= 0xff;
  const { damaged } = await readVolume(medium, id, { name: 'set7', onDamage: 'report' });
  t.is(damaged.length, 1);
  const { problems } = await verifySet(medium, 'set7', quiet);
  t.is(problems.length, 1);
  t.is(problems[0]!.facts['chainSet'], 'set1');
});

test('volumes that are new or have another size are stored whole', async (t) => {
  const medium = memoryMedium();
  const one = testVolume('a', 3, 6);
  const two = testVolume('b', 4, 6);
  await writeSet(medium, [one, testVolume('b', 4, 7)], { name: 'set1', head: testHead(1) });
  const totals = await writeSince(medium, 'set1', 'set2', [one, two, testVolume('c', 5, 3)]);
  t.deepEqual(
    totals.volumes.map(({ earlier }) => earlier! > 0),
    [true, false, false],
  );
  t.true((await readVolume(medium, 'b', { name: 'set2' })).bytes.equals(keptBytes(two)));
  t.deepEqual((await verifySet(medium, 'set2', quiet)).problems, []);
});

test('a set without sums, or one left unfinished, is no base', async (t) => {
  const medium = memoryMedium();
  await writeSet(medium, [testVolume(id)], { name: 'set1' });
  const reader = await openSet(medium, 'set1');
  const without = { ...reader, async *sums() {} };
  await t.throwsAsync(loadSince(without), { code: 'chain-base-unfit' });
  await reader.close();
});

const blocks = 96;
const block = 4096;
/** Which blocks are control, data, zero or free, and what each holds. */
const histories = fc.array(
  fc.record({
    kinds: fc.array(fc.constantFrom('data', 'data', 'data', 'control', 'zero', 'free'), {
      minLength: blocks,
      maxLength: blocks,
    }),
    fills: fc.array(fc.constantFrom(0, 1, 2), { minLength: blocks, maxLength: blocks }),
  }),
  { minLength: 2, maxLength: 4 },
);

function volumeOf({ kinds, fills }: { kinds: readonly string[]; fills: readonly number[] }): TestVolume {
  const at = (kind: string) =>
    normalize(kinds.flatMap((each, i) => (each === kind ? [{ start: i * block, length: block }] : [])));
  const map: VolumeMap = {
    volume: id,
    size: blocks * block,
    blockSize: block,
    groupSize: 5 * block,
    control: at('control'),
    data: at('data'),
    zero: at('zero'),
  };
  return {
    map,
    bytes: Buffer.concat(fills.map((fill, i) => Buffer.alloc(block, fill === 0 ? 0 : `${fill} ${i}`))),
  };
}

test('whatever becomes of the blocks of a volume, a chain gives back the last state', async (t) => {
  await fc.assert(
    fc.asyncProperty(histories, async (all) => {
      const medium = memoryMedium();
      const volumes = all.map((state) => volumeOf(state));
      await writeSet(medium, [volumes[0]!], { name: 'set1', head: testHead(1) });
      for (const [i, volume] of volumes.slice(1).entries()) {
        await writeSince(medium, `set${i + 1}`, `set${i + 2}`, [volume]);
      }
      const name = `set${volumes.length}`;
      const { bytes, problems } = await readVolume(medium, id, { name });
      const sound = (await verifySet(medium, name, quiet)).problems;
      return bytes.equals(keptBytes(volumes.at(-1)!)) && problems.length === 0 && sound.length === 0;
    }),
    { numRuns: 60 },
  );
  t.pass();
});

const python = fileURLToPath(new URL('../../tools/remetal-reader.py', import.meta.url));

requires('python3', 'zstd')('the independent reader rebuilds a chain', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const chain = await chainOfSeven(fileMedium(folder));
  const out = join(folder, 'volume');
  const verified = await execa('python3', [python, 'verify', file(folder, 7)], { reject: false });
  t.is(verified.exitCode, 0, verified.stderr);
  const rebuilt = await execa('python3', [python, 'rebuild', file(folder, 7), id, out], { reject: false });
  t.is(rebuilt.exitCode, 0, rebuilt.stderr);
  t.true((await readFile(out)).equals(keptBytes(chain.at(-1)!)));
  await rm(join(folder, 'set2.tar'));
  const torn = await execa('python3', [python, 'rebuild', file(folder, 7), id, out], { reject: false });
  t.is(torn.exitCode, 1);
  t.regex(torn.stderr, /earlier set set2 is not there/);
});

test('from the front, the maps of an incremental set are looked up at its end, once', async (t) => {
  const { medium, asked } = ordinalMedium();
  const volume = testVolume(id, 3, 20);
  await writeSet(medium, [volume], { name: 'set1', head: testHead(1) });
  const later = changed(volume, 500_000, 4096, 7);
  await writeSince(medium, 'set1', 'set2', [later]);
  asked.length = 0;
  const reader = await openSet(medium, 'set2');
  // Head, layout, the first control record, the closing record, contents and map; then what closes the earlier set.
  t.deepEqual(asked, [0, 1, 2, 'last', 13, 11, 'last']);
  const { controlGroups } = reader.index(id);
  for await (const { release } of reader.groups(id, { to: controlGroups, onDamage: 'stop' })) release?.();
  t.is(asked.length, 7 + controlGroups);
  const out = Buffer.alloc(volume.map.size);
  for await (const { extents, plain } of reader.groups(id, { onDamage: 'stop' })) {
    let at = 0;
    for (const { start, length } of extents) {
      plain?.copy(out, start, at, at + length);
      at += length;
    }
  }
  t.true(out.equals(keptBytes(later)));
  await reader.close();
});
