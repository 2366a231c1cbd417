import test from 'ava';
import { createRateMeter, type Progress } from '../../src/progress/index.ts';

const at = (doneBytes: number, phase: Progress['phase'] = 'restore'): Progress => ({
  phase,
  doneBytes,
  totalBytes: 1000,
});

test('nothing is said before it can be told', (t) => {
  t.deepEqual(createRateMeter().measure(at(0), 0), { percent: 0, bytesPerSecond: null, secondsLeft: null });
});

test('rate and time left follow the last seconds', (t) => {
  const meter = createRateMeter(10);
  meter.measure(at(0), 0);
  t.deepEqual(meter.measure(at(100), 1000), { percent: 10, bytesPerSecond: 100, secondsLeft: 9 });
  for (let second = 2; second <= 20; second++) meter.measure(at(100 + second), second * 1000);
  t.is(meter.measure(at(121), 21_000).bytesPerSecond, 1);
});

test('a new phase, or one that begins again, has a rate of its own', (t) => {
  const meter = createRateMeter();
  meter.measure(at(0), 0);
  meter.measure(at(900), 1000);
  t.is(meter.measure(at(0, 'read-back'), 2000).bytesPerSecond, null);
  meter.measure(at(10, 'read-back'), 3000);
  t.is(meter.measure(at(0, 'read-back'), 4000).bytesPerSecond, null);
});

test('100 means done, also of nothing, and a standstill has no time left', (t) => {
  const meter = createRateMeter();
  t.is(meter.measure(at(999), 0).percent, 99);
  t.is(meter.measure(at(999), 1000).secondsLeft, null);
  t.is(meter.measure(at(1000), 2000).percent, 100);
  t.is(createRateMeter().measure({ phase: 'finish', doneBytes: 0, totalBytes: 0 }, 0).percent, 100);
});
