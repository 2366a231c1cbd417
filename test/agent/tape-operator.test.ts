import test from 'ava';
import { tapeOperator } from '../../src/agent/tape-operator.ts';
import { RemetalError } from '../../src/errors/index.ts';
import type { CartridgeRequest } from '../../src/tape/index.ts';
import { fakeConsole, fakeMachine, type FakeConsole, type Script } from './fakes.ts';

const request: CartridgeRequest = {
  drive: '/dev/nst0',
  purpose: 'read',
  wanted: 'part 2 of web1-20260314T150926Z',
  label: 'DAILY-3',
  barcode: 'WEB003L8',
  refused: null,
  attempt: 0,
};

function desk(
  script: Script = {},
  unattendedSeconds?: number,
): {
  console: FakeConsole;
  operator: ReturnType<typeof tapeOperator>;
} {
  const console = fakeConsole(script);
  const world = {
    console,
    machine: fakeMachine({}),
    version: '0',
    signal: new AbortController().signal,
    lookEvery: 5000,
  };
  return {
    console,
    operator: tapeOperator(world, unattendedSeconds === undefined ? {} : { unattendedSeconds }),
  };
}

test('a cartridge that is put in is noticed without a key', async (t) => {
  const { console, operator } = desk();
  let looks = 0;
  await operator.change(request, async () => ++looks === 4);
  t.is(looks, 4);
  t.deepEqual(console.names(), ['question', 'cartridge-needed', 'closed']);
  t.deepEqual(console.events[1]!.facts, {
    wanted: 'part 2 of web1-20260314T150926Z',
    drive: '/dev/nst0',
    label: 'DAILY-3',
    barcode: 'WEB003L8',
  });
  t.true(
    console.said[0]!.startsWith('Part 2 of web1-20260314T150926Z, on cartridge DAILY-3 (barcode WEB003L8)'),
  );
});

test('Enter says that it is there, q that there is none', async (t) => {
  const there = desk({ cartridge: '' });
  await there.operator.change(request, async () => false);
  t.deepEqual(there.console.names(), ['question', 'cartridge-needed', 'closed']);
  const none = desk({ cartridge: 'q' });
  const error = await t.throwsAsync(
    none.operator.change(request, async () => false),
    {
      instanceOf: RemetalError,
    },
  );
  t.is(error.code, 'cartridge-needed');
  t.is(error.facts['label'], 'DAILY-3');
  t.is(none.console.names().at(-1), 'closed');
});

test('with nobody there the consoles are told each minute until the wait is over', async (t) => {
  const { console, operator } = desk({}, 150);
  const error = await t.throwsAsync(
    operator.change(request, async () => false),
    { instanceOf: RemetalError },
  );
  t.is(error.code, 'cartridge-needed');
  t.regex(error.message, /nobody brought it within 2:30/);
  t.deepEqual(console.names(), [
    'question',
    'cartridge-needed',
    'cartridge-needed',
    'cartridge-needed',
    'closed',
  ]);
});

test('why the last one was refused stands first', async (t) => {
  const { console, operator } = desk();
  const refused = new RemetalError('cartridge-wrong', 'This is DAILY-1 without any set; part 2 is wanted.');
  await operator.change({ ...request, refused, attempt: 1 }, async () => true);
  t.true(console.said[0]!.startsWith('This is DAILY-1'));
});
