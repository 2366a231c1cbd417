import { writeFileSync, readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { temporary } from '../helpers/temporary.ts';
import {
  fileJournal,
  journalSize,
  openJournal,
  slotSize,
  withDamage,
  type JournalState,
  type JournalStore,
} from '../../src/restore/journal.ts';

const plan = `sha256:${'ab'.repeat(32)}`;
const set = '6f1f8d0e-1d6b-4b5d-9a55-0d8a3c1c9b11';
const asked = { plan, set, startAnew: false };

function state(fields: Partial<JournalState> = {}): JournalState {
  return { plan, set, step: 0, group: 0, changing: null, verified: [], damage: [], ...fields };
}

function memoryStore(bytes = Buffer.alloc(journalSize)): JournalStore & { bytes: Buffer } {
  return {
    name: 'memory',
    bytes,
    read: () => Promise.resolve(Buffer.from(bytes)),
    write(slot, source) {
      source.copy(bytes, slot * slotSize);
      return Promise.resolve();
    },
    remove(final) {
      (final ?? Buffer.alloc(journalSize)).copy(bytes);
      return Promise.resolve();
    },
  };
}

test('a journal gives back the last committed point', async (t) => {
  const store = memoryStore();
  const first = await openJournal(store, asked);
  t.is(first.found, null);
  for (let group = 1; group <= 5; group++) {
    t.true(await first.commit(state({ step: 3, group })));
    t.deepEqual((await openJournal(store, asked)).found, state({ step: 3, group }));
  }
  await first.remove(null);
  t.is((await openJournal(store, asked)).found, null);
  t.true(store.bytes.every((byte) => byte === 0));
});

test('a journal goes on alternating after it was opened again', async (t) => {
  const store = memoryStore();
  for (let group = 1; group <= 6; group++) {
    const journal = await openJournal(store, asked);
    t.is(journal.found?.group ?? 0, group - 1);
    await journal.commit(state({ group }));
  }
});

test('a slot torn at any byte leaves the point before it', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: slotSize - 1 }),
      fc.integer({ min: 1, max: 6 }),
      async (cut, n) => {
        const store = memoryStore();
        const journal = await openJournal(store, asked);
        for (let group = 1; group <= n; group++) await journal.commit(state({ group }));
        const before = Buffer.from(store.bytes);
        await journal.commit(state({ group: n + 1 }));
        const slot = before.subarray(0, slotSize).equals(store.bytes.subarray(0, slotSize)) ? 1 : 0;
        const torn = Buffer.from(before);
        store.bytes.copy(torn, slot * slotSize, slot * slotSize, slot * slotSize + cut);
        const found = (await openJournal(memoryStore(torn), asked)).found;
        const whole = torn.equals(store.bytes);
        t.is(found?.group, whole ? n + 1 : n);
      },
    ),
    { numRuns: 200 },
  );
});

test('arbitrary bytes are no journal', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 64, maxLength: 256 }), async (noise) => {
      const bytes = Buffer.alloc(journalSize);
      Buffer.from('REMETALJ').copy(bytes);
      bytes.set(noise, 8);
      t.is((await openJournal(memoryStore(bytes), asked)).found, null);
    }),
  );
});

test('a journal of another plan or set is refused unless told to start anew', async (t) => {
  const store = memoryStore();
  await (await openJournal(store, asked)).commit(state({ step: 7 }));
  for (const other of [
    { ...asked, plan: `sha256:${'cd'.repeat(32)}` },
    { ...asked, set: '00000000-0000-4000-8000-000000000000' },
  ]) {
    await t.throwsAsync(openJournal(store, other), { code: 'journal-foreign' });
    const anew = await openJournal(memoryStore(Buffer.from(store.bytes)), { ...other, startAnew: true });
    t.is(anew.found, null);
  }
  const anew = await openJournal(store, { ...asked, plan: 'sha256:ff', startAnew: true });
  await anew.commit(state({ plan: 'sha256:ff', step: 1 }));
  t.is((await openJournal(store, { ...asked, plan: 'sha256:ff' })).found?.step, 1);
});

test('a state too long for a slot is not committed and the point before stays', async (t) => {
  const store = memoryStore();
  const journal = await openJournal(store, asked);
  await journal.commit(state({ group: 9 }));
  let damage: JournalState['damage'] = [];
  for (let group = 0; group < 400; group += 2)
    damage = withDamage(damage, 'disk1.part1', group, 'record-damaged');
  t.false(await journal.commit(state({ group: 400, damage })));
  t.is((await openJournal(store, asked)).found?.group, 9);
});

test('damage joins into runs', (t) => {
  let damage: JournalState['damage'] = [];
  for (const group of [3, 4, 5, 9]) damage = withDamage(damage, 'v', group, 'record-damaged');
  t.deepEqual(damage, [
    ['v', 3, 3, 'record-damaged'],
    ['v', 9, 1, 'record-damaged'],
  ]);
});

test('a journal file is made, written on, and taken away', async (t) => {
  const path = join(temporary(t), 'web1.journal');
  const journal = await openJournal(fileJournal(path), asked);
  t.is(journal.found, null);
  for (let group = 1; group <= 3; group++) await journal.commit(state({ group }));
  t.is(readFileSync(path).length, journalSize);
  t.is((await openJournal(fileJournal(path), asked)).found?.group, 3);
  await journal.remove(null);
  t.false(existsSync(path));
});

test('a journal file that is short or cannot be written is told apart', async (t) => {
  const folder = temporary(t);
  const path = join(folder, 'short');
  writeFileSync(path, 'REMETALJ');
  t.is((await openJournal(fileJournal(path), asked)).found, null);
  const nowhere = await openJournal(fileJournal(join(folder, 'no', 'such', 'folder')), asked);
  await t.throwsAsync(nowhere.commit(state()), { code: 'medium-failed' });
});
