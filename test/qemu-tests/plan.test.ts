import test from 'ava';
import { expectedSeconds, inOrder, next, slowness, type Standing } from '../../qemu-tests/lanes/plan.ts';
import { scenarioNames } from '../../qemu-tests/lanes/scenarios.ts';

const all = inOrder(scenarioNames());

function standing(some: Partial<Standing>): Standing {
  return { waiting: all, running: [], finished: [], seen: [], lanes: 1, left: null, ...some };
}

/* Its place in the table. */
function usual(name: string): number {
  const nothing = standing({ waiting: [] });
  return (expectedSeconds(name, nothing) / expectedSeconds('bios-cd', nothing)) * 280;
}

/** Runs a plan on a machine this much slower than usual; returns what was run and when the last one ended. */
function simulated(slow: number, lanes: number, within: number | null, names = all): [string[], number] {
  let now = 0;
  let waiting = names;
  let running: { name: string; began: number; ends: number }[] = [];
  const finished: { name: string; seconds: number }[] = [];
  for (;;) {
    while (running.length < lanes) {
      const chosen = next({
        waiting,
        running: running.map(({ name, began }) => ({ name, seconds: now - began })),
        finished,
        seen: [{ name: 'host-backup', seconds: usual('host-backup') * slow }],
        lanes,
        left: within === null ? null : within - now,
      });
      if (chosen === null) break;
      waiting = waiting.filter((name) => name !== chosen);
      running.push({ name: chosen, began: now, ends: now + usual(chosen) * slow });
    }
    const [first] = running.toSorted((a, b) => a.ends - b.ends);
    if (first === undefined) return [finished.map(({ name }) => name), now];
    now = first.ends;
    running = running.filter((one) => one !== first);
    finished.push({ name: first.name, seconds: first.ends - first.began });
  }
}

test('every scenario has its place, and one that nobody has placed comes last', (t) => {
  t.is(inOrder(['zebra', 'drill', 'host-backup', 'aardvark']).join(), 'host-backup,drill,aardvark,zebra');
});

test('without an end all are run, alone in the order of what they tell, in lanes the longest first', (t) => {
  t.is(next(standing({})), all[0]!);
  t.is(next(standing({ lanes: 2 })), 'drill');
  for (const lanes of [1, 2, 3]) t.deepEqual(simulated(3, lanes, null)[0].toSorted(), all.toSorted());
  t.is(next(standing({ waiting: [] })), null);
});

test('slowness is that of what has passed here, now or before', (t) => {
  t.is(slowness(standing({})), 1);
  t.is(slowness(standing({ finished: [{ name: 'bios-cd', seconds: 840 }] })), 3);
  t.is(slowness(standing({ seen: [{ name: 'bios-cd', seconds: 840 }] })), 3);
  t.true(slowness(standing({ seen: [{ name: 'bios-cd', seconds: 840 }], lanes: 2 })) > 3);
});

test('one that runs longer than usual says so before it has finished', (t) => {
  t.is(slowness(standing({ running: [{ name: 'bios-cd', seconds: 1120 }] })), 4);
  t.is(slowness(standing({ running: [{ name: 'bios-cd', seconds: 10 }] })), 1);
});

test('none is started that would not end in time, and a shorter one may', (t) => {
  const waiting = ['drill', 'tape-oracle'];
  t.is(next(standing({ waiting, left: 10_000 })), 'drill');
  t.is(next(standing({ waiting, left: 200 })), 'tape-oracle');
  t.is(next(standing({ waiting, left: 200, finished: [{ name: 'bios-cd', seconds: 2800 }] })), null);
  t.is(next(standing({ waiting, left: -5 })), null);
});

test('where there is no time for all, the most telling go first', (t) => {
  const waiting = ['bios-cd', 'power-cut', 'drill'];
  t.is(next(standing({ waiting, lanes: 2, left: 3000 })), 'drill');
  t.is(next(standing({ waiting, lanes: 2, left: 700 })), 'bios-cd');
});

test('a budget is kept on a machine of any speed once that is known', (t) => {
  for (const slow of [0.5, 1, 2, 3, 6]) {
    for (const lanes of [1, 2]) {
      for (const within of [600, 1800, 3300]) {
        const [, end] = simulated(slow, lanes, within);
        t.true(end <= within, `${slow} times slower, ${lanes} lanes: ${end} of ${within} s`);
      }
    }
  }
  t.is(simulated(0.5, 2, 3300)[0].length, all.length);
});
