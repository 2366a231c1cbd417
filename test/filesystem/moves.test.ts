import test from 'ava';
import fc from 'fast-check';
import { normalize } from '../../src/bytes/index.ts';
import { rearrange, slideUp, type Move } from '../../src/filesystem/moves.ts';

/** Does moves to an array, one number a unit, and says how much memory it took. */
function carriedOut(
  units: number[],
  moves: Iterable<Move>,
): { units: number[]; count: number; held: number } {
  const out = [...units];
  let taken: { from: number; units: number[]; left: number } | null = null;
  let count = 0;
  let held = 0;
  for (const move of moves) {
    count++;
    if (move.kind === 'take') {
      if (taken !== null && taken.left > 0) throw new Error('taken before the last was put');
      taken = { from: move.from, units: out.slice(move.from, move.from + move.length), left: move.length };
      held = Math.max(held, move.length);
      continue;
    }
    let read = out.slice(move.from, move.from + move.length);
    if (move.kind === 'put') {
      const at = move.from - taken!.from;
      read = taken!.units.slice(at, at + move.length);
      taken!.left -= move.length;
    }
    if (read.length !== move.length) throw new Error('read outside');
    out.splice(move.to, move.length, ...read);
  }
  return { units: out, count, held };
}

/** A random order of `places` places: which unit goes where, none twice. */
const anyOrder = fc
  .integer({ min: 1, max: 120 })
  .chain((places) =>
    fc.tuple(
      fc.shuffledSubarray([...Array(places).keys()]),
      fc.shuffledSubarray([...Array(places).keys()]),
      fc.constant(places),
      // Runs that stay together, as files do.
      fc.integer({ min: 0, max: 9 }),
    ),
  )
  .map(([units, to, places, shift]) => {
    const from = new Int32Array(places).fill(-1);
    if (shift > 0) {
      for (let unit = 0; unit + shift < places; unit++) if (units.includes(unit)) from[unit + shift] = unit;
    } else {
      for (const [i, unit] of units.slice(0, to.length).entries()) from[to[i]!] = unit;
    }
    return from;
  });

test('any order is reached, with memory for one piece', (t) => {
  fc.assert(
    fc.property(anyOrder, fc.integer({ min: 1, max: 40 }), (from, most) => {
      const units = [...Array(from.length).keys()];
      const { units: after, held } = carriedOut(units, rearrange(from, most));
      for (const [place, unit] of from.entries()) {
        if (unit >= 0 && after[place] !== unit) throw new Error(`place ${place} holds ${after[place]}`);
      }
      if (held > most) throw new Error(`${held} units in memory`);
    }),
    { numRuns: 3000 },
  );
  t.pass();
});

test('neighbours that stay neighbours move together', (t) => {
  const from = Int32Array.from({ length: 1000 }, (_, place) => (place < 100 ? -1 : place - 100));
  const { count } = carriedOut([...Array(1000).keys()], rearrange(from, 64));
  t.true(count <= 9 * 2, `${count} moves`);
  t.deepEqual(
    [
      ...rearrange(
        Int32Array.from({ length: 50 }, (_, place) => place),
        8,
      ),
    ],
    [],
  );
});

test('runs slide up by any distance', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 30 })), { maxLength: 10 }),
      fc.integer({ min: 0, max: 50 }),
      fc.integer({ min: 1, max: 40 }),
      (runs, by, most) => {
        const sorted = normalize(runs.map(([start, length]) => ({ start, length })));
        const units = [...Array(300).keys()];
        const { units: after } = carriedOut(units, slideUp(sorted.toReversed(), by, most));
        for (const { start, length } of sorted) {
          for (let unit = start; unit < start + length; unit++) {
            if (after[unit + by] !== unit) throw new Error(`unit ${unit} was lost`);
          }
        }
      },
    ),
    { numRuns: 500 },
  );
  t.pass();
});
