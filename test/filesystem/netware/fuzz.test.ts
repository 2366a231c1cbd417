import test from 'ava';
import { followChain } from '../../../src/filesystem/netware/chain.ts';
import { dateText, timeText } from '../../../src/filesystem/netware/date.ts';
import { FatTable } from '../../../src/filesystem/netware/fat.ts';
import { geometryOf } from '../../../src/filesystem/netware/geometry.ts';
import { nameText } from '../../../src/filesystem/netware/names.ts';
import { recordFault } from '../../../src/filesystem/netware/record-check.ts';
import {
  parseNamed,
  parseRestriction,
  parseRoot,
  parseSuballocation,
  parseTrustees,
} from '../../../src/filesystem/netware/records.ts';
import { VolumeMaker } from './maker.ts';

const million = 1_000_000;

/** Xorshift of 32 bits (Marsaglia): the same numbers every time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const { definition, bytes } = new VolumeMaker();
const geometry = geometryOf({ size: bytes.length }, definition);
if (typeof geometry === 'string') throw new Error(geometry);

/* What a record may begin with, so that every parser gets its share; anything else is a name. */
const types = [0xff_ff_ff_ff, 0xff_ff_ff_fe, 0xff_ff_ff_fd, 0xff_ff_ff_fc, 0xff_ff_ff_fb, 0, 1, 200];

const parsers = [parseNamed, parseTrustees, parseRoot, parseRestriction, parseSuballocation];

test('a million records of noise: parsed, judged, never thrown at', async (t) => {
  const next = numbers(7);
  const record = Buffer.alloc(128);
  let faults = 0;
  for (let i = 0; i < million; i++) {
    for (let at = 0; at < 128; at += 4) record.writeUInt32LE(next(), at);
    record.writeUInt32LE(types[i % types.length]!, 0);
    if (i % 3 === 0) record.writeUInt8(next() % 7, 10);
    if (recordFault(record, { geometry, records: 256, version: i % 2 === 0 ? 3 : 4 }) !== null) faults++;
    (parsers[i % types.length] ?? parseNamed)(record);
    if (i % 100 === 0) t.true((await nameText(record, record[10]!, null)).length <= 255);
  }
  t.true(faults > million / 2);
});

test('a million dates', (t) => {
  const next = numbers(11);
  for (let i = 0; i < million; i++) {
    const raw = next();
    const text = timeText(raw);
    if (text === null) continue;
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(text)) t.fail(text);
    if (!text.startsWith(dateText(raw >>> 16)!)) t.fail(text);
  }
  t.is(timeText(0), null);
  t.is(dateText((16 << 9) | (2 << 5) | 30), null, 'there is no 30th of February');
  t.is(dateText((16 << 9) | (2 << 5) | 29), '1996-02-29');
});

test('a million chains of noise end, with no block twice', (t) => {
  const next = numbers(13);
  const table = new FatTable(geometry);
  const block = Buffer.alloc(geometry.blockSize);
  let ended = 0;
  for (let round = 0; round < million / 100; round++) {
    for (let entry = 0; entry < geometry.blocks; entry++) {
      block.writeUInt32LE(next() % 300, entry * 8);
      const kind = next();
      block.writeUInt32LE(kind % 50 === 0 ? kind : kind % 260, entry * 8 + 4);
    }
    table.put(0, block);
    for (let i = 0; i < 100; i++) {
      const chain = followChain(table, next() % 260);
      const seen = [...chain.runs].reduce((sum, { count }) => sum + count, 0);
      if (seen !== chain.blocks || chain.blocks > geometry.blocks) t.fail(`${chain.blocks}`);
      if (chain.fault === null) ended++;
    }
  }
  t.true(ended > 0);
});
