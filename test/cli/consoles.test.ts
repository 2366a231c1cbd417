import { PassThrough, Writable } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import type { Console } from '../../src/agent/index.ts';
import { createConsole, type ConsoleTerminal } from '../../src/cli/consoles.ts';

interface Typed extends ConsoleTerminal {
  /** Everything the person sees there. */
  readonly text: () => string;
  type(text: string): void;
  readonly inputs: PassThrough[];
}

function terminal(name: string, kind: 'screen' | 'serial'): Typed {
  const seen: string[] = [];
  const inputs: PassThrough[] = [];
  return {
    name,
    kind,
    inputs,
    output: new Writable({
      write(chunk: Buffer, _encoding, done) {
        seen.push(chunk.toString());
        done();
      },
    }),
    text: () => seen.join(''),
    type: (text) => void inputs.at(-1)?.write(text),
    openInput() {
      const stream = new PassThrough();
      inputs.push(stream);
      return stream;
    },
    shell: async () => {},
  };
}

function desk(): { screen: Typed; serial: Typed; console: Console; stop: AbortController } {
  const screen = terminal('tty1', 'screen');
  const serial = terminal('ttyS0', 'serial');
  const stop = new AbortController();
  let now = 0;
  const console = createConsole({
    terminals: [screen, serial],
    clock: () => (now += 1000),
    every: 5000,
    signal: stop.signal,
  });
  return { screen, serial, console, stop };
}

async function shows(t: ExecutionContext, { text }: Typed, words: string): Promise<void> {
  for (let i = 0; i < 100 && !text().includes(words); i++) await new Promise((done) => setTimeout(done, 20));
  t.true(text().includes(words), words);
}

const choices = [
  { value: 'a', label: 'First' },
  { value: 'b', label: 'Second' },
];

test('whoever answers first has answered, the other console is told', async (t) => {
  const { screen, serial, console } = desk();
  const answer = console.choose({ id: 'action', message: 'What now?' }, choices);
  await shows(t, screen, 'What now?');
  await shows(t, serial, 'What now?');
  serial.type('2');
  serial.type('\r');
  t.is(await answer, 'b');
  t.regex(serial.text(), /REMETAL: question id=action\n/);
  t.regex(serial.text(), /REMETAL: answered id=action console=ttyS0\n/);
  t.true(screen.text().includes('(answered on ttyS0)'));
  t.false(screen.text().includes('REMETAL:'));
  t.true([...screen.inputs, ...serial.inputs].every((input) => input.destroyed));
});

test('only the very word counts', async (t) => {
  for (const [typed, wanted] of [
    ['restore\r', true],
    ['yes\r', false],
    ['\r', false],
  ] as const) {
    const { screen, console } = desk();
    const answer = console.typed({ id: 'confirm', message: 'Type restore:' }, 'restore');
    await shows(t, screen, 'Type restore:');
    screen.type(typed);
    t.is(await answer, wanted, typed);
  }
});

test('Ctrl-C at a prompt asks again', async (t) => {
  const { screen, console } = desk();
  const answer = console.choose({ id: 'action', message: 'What now?' }, choices);
  await shows(t, screen, 'What now?');
  screen.type('\u0003');
  for (let i = 0; i < 100 && screen.inputs.length < 2; i++) await new Promise((done) => setTimeout(done, 20));
  screen.type('\r');
  t.is(await answer, 'a');
});

test('a stop ends a prompt', async (t) => {
  const { screen, console, stop } = desk();
  const answer = console.choose({ id: 'action', message: 'What now?' }, choices);
  await shows(t, screen, 'What now?');
  stop.abort();
  await t.throwsAsync(answer);
});

test('with nobody at the keyboard the lines stand on every console', async (t) => {
  const { screen, serial, console } = desk();
  console.unattended(true);
  console.event('found-set', { name: 'web 1', place: '/a/b', complete: true, none: null });
  const stages = console.stages('restore');
  stages.reporter.progress({ phase: 'restore', volume: 'root', doneBytes: 0, totalBytes: 1000 });
  stages.reporter.progress({ phase: 'restore', volume: 'root', doneBytes: 1000, totalBytes: 1000 });
  await stages.end('done');
  for (const { text } of [screen, serial]) {
    t.true(text().includes('REMETAL: found-set name="web 1" place=/a/b complete=yes\n'));
    t.true(text().includes('REMETAL: progress percent=0 phase=restore done=0 total=1000 volume=root\n'));
    t.true(text().includes('REMETAL: progress percent=100 phase=restore done=1000 total=1000'));
  }
});

test('a key keeps a machine from going on', async (t) => {
  const { serial, console } = desk();
  const pressed = console.pause('Press a key.', 10);
  await shows(t, serial, 'Press a key.');
  serial.type('x');
  t.true(await pressed);
  t.false(await desk().console.pause('Press a key.', 0.05));
});

test('a question that stands is answered by a key on any console, and closed on all', async (t) => {
  const { screen, serial, console } = desk();
  const standing = console.stand({ id: 'cartridge', message: 'Part 2 is wanted.' });
  for (const one of [screen, serial]) t.true(one.text().includes('Part 2 is wanted.\n'));
  standing.ring();
  t.true(screen.text().includes('\u0007') && serial.text().includes('\u0007'));
  screen.type('x');
  serial.inputs.at(-1)!.end();
  screen.type('\r');
  t.is(await standing.answer, 'go-on');
  t.regex(serial.text(), /REMETAL: question id=cartridge\n/);
  t.regex(serial.text(), /REMETAL: answered id=cartridge console=tty1\n/);
  standing.close();
  t.true([...screen.inputs, ...serial.inputs].every((input) => input.destroyed));
  const again = console.stand({ id: 'cartridge', message: 'Part 3 is wanted.' });
  serial.type('q');
  t.is(await again.answer, 'give-up');
  again.close();
});

test('beside a drawing the question stands in it, on a serial line as text', async (t) => {
  const { screen, serial, console } = desk();
  Object.assign(screen.output, { columns: 100 });
  const stages = console.stages('restore');
  stages.reporter.progress({ phase: 'restore', doneBytes: 10, totalBytes: 40 });
  const standing = console.stand({ id: 'cartridge', message: 'Part 2 is wanted.' });
  await shows(t, screen, 'Part 2 is wanted.');
  t.true(serial.text().includes('Part 2 is wanted.\n'));
  const drawn = screen.text().length;
  standing.close();
  stages.reporter.progress({ phase: 'restore', doneBytes: 30, totalBytes: 40 });
  await shows(t, screen, '75 %');
  t.false(screen.text().slice(screen.text().lastIndexOf('75 %')).includes('Part 2'));
  t.true(screen.text().length > drawn);
  await stages.end('done');
});
