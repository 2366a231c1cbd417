import test from 'ava';
import fc from 'fast-check';
import { comparePlaces, nextRun, patience, type Waiting } from '../../src/mount/elevator.ts';

const bytes = 512 * 1024;

function waiting(ordinal: number, more: Partial<Waiting> & { readonly link?: number } = {}): Waiting {
  const { link = 0, ...rest } = more;
  return {
    volume: 'disk1.whole',
    group: ordinal,
    place: { link, ordinal },
    bytes,
    isAhead: false,
    passed: 0,
    ...rest,
  };
}

function served(all: Waiting[], from: number): number[] {
  const left = [...all];
  const order: number[] = [];
  for (let position = { link: 0, ordinal: from }; left.length > 0;) {
    const run = nextRun(left, position);
    for (const one of run) left.splice(left.indexOf(one), 1);
    order.push(...run.map(({ place }) => place.link * 1000 + place.ordinal));
    const { link, ordinal } = run.at(-1)!.place;
    position = { link, ordinal: ordinal + 1 };
  }
  return order;
}

test('groups are read upwards from where the medium stands, then from the lowest again', (t) => {
  t.deepEqual(
    served(
      [90, 3, 40, 41, 7].map((each) => waiting(each)),
      30,
    ),
    [40, 41, 90, 3, 7],
  );
  t.deepEqual(served([waiting(5, { link: 2 }), waiting(9, { link: 1 }), waiting(4)], 0), [4, 1009, 2005]);
});

test('neighbours of one volume make one run, of a length that others can wait for', (t) => {
  const all = [5, 6, 7, 9, 10].map((each) => waiting(each));
  t.deepEqual(
    nextRun(all, { link: 0, ordinal: 0 }).map(({ group }) => group),
    [5, 6, 7],
  );
  const long = Array.from({ length: 200 }, (_, each) => waiting(each));
  t.is(nextRun(long, { link: 0, ordinal: 0 }).length, 32);
  const other = waiting(6, { volume: 'disk1.part2' });
  t.is(nextRun([waiting(5), other], { link: 0, ordinal: 0 }).length, 1);
  // The groups are neighbours, the records are not.
  const apart = waiting(6, { link: 1 });
  t.is(nextRun([waiting(5), apart], { link: 0, ordinal: 0 }).length, 1);
});

test('every group comes in its turn, each once, in at most two sweeps', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(500), { minLength: 1 }), fc.nat(500), (ordinals, from) => {
      const order = served(
        ordinals.map((each) => waiting(each)),
        from,
      );
      t.deepEqual(
        order.toSorted((a, b) => a - b),
        ordinals.toSorted((a, b) => a - b),
      );
      const turns = order.filter((each, i) => i > 0 && each < order[i - 1]!).length;
      t.true(turns <= 1);
    }),
  );
});

test('nobody starves behind a reader that always wants the next group', (t) => {
  const behind = waiting(2);
  let position = { link: 0, ordinal: 1000 };
  let runs = 0;
  for (let next = 1000; ; next++) {
    const run = nextRun([behind, waiting(next)], position);
    if (run.includes(behind)) break;
    behind.passed += bytes;
    position = { link: 0, ordinal: next + 1 };
    runs++;
    t.true(runs < 10_000);
  }
  t.is(runs, patience / bytes);
});

test('reading ahead comes when nobody waits, and moves the medium nowhere', (t) => {
  const ahead = waiting(11, { isAhead: true });
  const position = { link: 0, ordinal: 11 };
  t.deepEqual(nextRun([ahead, waiting(400)], position)[0]!.group, 400);
  t.deepEqual(nextRun([ahead], position), [ahead]);
  const asked = waiting(10);
  t.deepEqual(nextRun([ahead, asked], position), [asked, ahead]);
  t.deepEqual(nextRun([ahead, asked, waiting(400)], { link: 0, ordinal: 10 }), [asked]);
  t.deepEqual(nextRun([ahead], { link: 0, ordinal: 12 }), []);
  t.deepEqual(nextRun([ahead], { link: 1, ordinal: 11 }), []);
  t.deepEqual(nextRun([], position), []);
  t.true(comparePlaces({ link: 0, ordinal: 9 }, { link: 1, ordinal: 1 }) < 0);
});
