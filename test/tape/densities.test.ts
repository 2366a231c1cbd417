import test from 'ava';
import { densityOf } from '../../src/tape/densities.ts';

test('densities have the names people know', (t) => {
  t.like(densityOf(0x5e), { name: 'LTO-8', capacity: 12e12 });
  t.like(densityOf(0x60), { name: 'LTO-9', capacity: 18e12 });
  t.is(densityOf(0), null);
  t.is(densityOf(0x80), null);
});
