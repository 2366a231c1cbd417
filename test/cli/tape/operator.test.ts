import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { createContext, type Context } from '../../../src/cli/context.ts';
import { tapeOperator } from '../../../src/cli/tape/operator.ts';
import { RemetalError } from '../../../src/errors/index.ts';
import type { CartridgeRequest } from '../../../src/tape/index.ts';

const request: CartridgeRequest = {
  drive: '/dev/nst0',
  purpose: 'write',
  wanted: 'an empty cartridge',
  label: null,
  barcode: null,
  refused: null,
  attempt: 0,
};

interface Desk {
  readonly context: Context;
  readonly stdin: PassThrough & { raw: boolean[] };
  readonly text: () => string;
  readonly stop: AbortController;
}

function desk({ terminal = true, columns }: { terminal?: boolean; columns?: number } = {}): Desk {
  const seen: string[] = [];
  const raw: boolean[] = [];
  const stop = new AbortController();
  const setRawMode = (on: boolean): void => void raw.push(on);
  const stdin = Object.assign(new PassThrough(), { isTTY: terminal, setRawMode, raw });
  const screen = new Writable({
    write(chunk: Buffer, _encoding, done) {
      seen.push(chunk.toString());
      done();
    },
  });
  const stderr = Object.assign(screen, { isTTY: terminal, ...(columns === undefined ? {} : { columns }) });
  const world = { stdin, stdout: new PassThrough(), stderr, environment: {}, signal: stop.signal };
  return { context: createContext(world, {}), stdin, text: () => seen.join(''), stop };
}

async function shows(t: ExecutionContext, { text }: Desk, words: string): Promise<void> {
  for (let i = 0; i < 200 && !text().includes(words); i++) await sleep(10);
  t.true(text().includes(words), words);
}

const never = async (): Promise<boolean> => false;

async function codeOf(t: ExecutionContext, work: Promise<void>): Promise<string> {
  return (await t.throwsAsync(work, { instanceOf: RemetalError })).code;
}

test('a person is rung for and told, and Enter goes on', async (t) => {
  const place = desk();
  const refused = new RemetalError('foreign-cartridge', 'The cartridge holds a tar archive.');
  const change = tapeOperator(place.context).change({ ...request, refused }, never);
  await shows(t, place, 'An empty cartridge is wanted in /dev/nst0.');
  t.true(place.text().includes('\u0007'));
  t.true(place.text().indexOf('a tar archive') < place.text().indexOf('An empty cartridge'));
  place.stdin.write('x\r');
  await change;
  t.deepEqual(place.stdin.raw, [true, false]);
  t.is(place.stdin.listenerCount('data'), 0);
});

test('a cartridge that is put in is noticed without a key', async (t) => {
  let looks = 0;
  await tapeOperator(desk().context, { lookEvery: 1 }).change(request, async () => ++looks === 3);
  t.is(looks, 3);
});

test('a person gives up, breaks off, or is broken off', async (t) => {
  for (const [typed, code] of [
    ['q', 'cartridge-needed'],
    ['\u0003', 'interrupted'],
  ] as const) {
    const place = desk();
    const change = tapeOperator(place.context).change(request, never);
    place.stdin.write(typed);
    t.is(await codeOf(t, change), code);
  }
  const hungUp = desk();
  hungUp.stdin.end();
  t.is(await codeOf(t, tapeOperator(hungUp.context).change(request, never)), 'cartridge-needed');
  const broken = desk();
  const change = tapeOperator(broken.context).change(request, never);
  broken.stop.abort(new RemetalError('interrupted', 'SIGTERM'));
  t.is(await codeOf(t, change), 'interrupted');
});

test('names from a cartridge do not steer the terminal', async (t) => {
  const place = desk();
  const change = tapeOperator(place.context).change({ ...request, label: 'A\u001b[2J' }, never);
  await shows(t, place, 'A\\u001b[2J');
  place.stdin.write('\n');
  await change;
  t.false(place.text().includes('\u001b[2J'));
});

test('beside a drawing the question stands in it and is taken away again', async (t) => {
  const place = desk({ columns: 100 });
  await place.context.during('backup', async (reporter) => {
    reporter.progress({ phase: 'backup', doneBytes: 10, totalBytes: 40 });
    const change = tapeOperator(place.context).change(request, never);
    await shows(t, place, 'An empty cartridge is wanted');
    // Drawn anew with the bar, not printed between two drawings.
    const drawn = place.text().lastIndexOf('25 %');
    t.true(drawn < place.text().lastIndexOf('An empty cartridge is wanted'));
    place.stdin.write('\r');
    await change;
    reporter.progress({ phase: 'backup', doneBytes: 20, totalBytes: 40 });
    await shows(t, place, '50 %');
    t.false(place.text().slice(place.text().lastIndexOf('50 %')).includes('An empty cartridge'));
  });
});

test('a question that comes before the first report stands in the drawing, too', async (t) => {
  const place = desk({ columns: 100 });
  await place.context.during('restore', async () => {
    const change = tapeOperator(place.context).change(request, never);
    await shows(t, place, 'An empty cartridge is wanted');
    place.stdin.write('\r');
    await change;
  });
});

test('without a terminal the cartridge is waited for as long as was allowed', async (t) => {
  const place = desk({ terminal: false });
  t.is(await codeOf(t, tapeOperator(place.context).change(request, never)), 'cartridge-needed');
  t.is(place.text(), '');
  const patient = { waitSeconds: 0.05, lookEvery: 1 };
  t.is(await codeOf(t, tapeOperator(place.context, patient).change(request, never)), 'cartridge-needed');
  t.regex(place.text(), /^warning: An empty cartridge is wanted in \/dev\/nst0\.\n$/);
  let looks = 0;
  await tapeOperator(place.context, { waitSeconds: 600, lookEvery: 1 }).change(
    request,
    async () => ++looks === 3,
  );
  t.is(looks, 3);
});
