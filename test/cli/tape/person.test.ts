import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { runProgram } from '../../../src/cli/program.ts';
import { createLibrary, openLibrary, type VirtualLibrary } from '../../../src/tape/virtual/index.ts';
import { temporary } from '../../helpers/temporary.ts';

const KiB = 1024;

/** Runs the command line before a person who puts in one cartridge after another, as they are asked. */
async function withPerson(
  library: VirtualLibrary,
  args: readonly string[],
  order: readonly string[],
): Promise<{ status: number; text: string; asked: number }> {
  const seen: string[] = [];
  const raw: boolean[] = [];
  const setRawMode = (on: boolean): void => void raw.push(on);
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode });
  const screen = new Writable({
    write(chunk: Buffer, _encoding, done) {
      seen.push(chunk.toString());
      done();
    },
  });
  const over = new AbortController();
  const stderr = Object.assign(screen, { isTTY: true, columns: 100, rows: 40 });
  const running = runProgram(args, {
    stdin,
    stdout: new PassThrough().resume(),
    stderr,
    environment: {},
    signal: AbortSignal.timeout(60_000),
  }).finally(() => over.abort());
  let asked = 0;
  while (!over.signal.aborted) {
    await sleep(20);
    // The keyboard is read for as long as the question stands.
    if (raw.length !== 2 * asked + 1) continue;
    const next = order[asked];
    asked++;
    if (next === undefined) {
      stdin.write('q');
      continue;
    }
    await library.remove();
    await library.insert(next);
    stdin.write('\r');
  }
  return { status: await running, text: seen.join(''), asked };
}

async function scene(
  t: ExecutionContext,
): Promise<{ library: VirtualLibrary; address: string; disk: string }> {
  const folder = temporary(t);
  const cartridge = { size: 900 * KiB, earlyWarning: 700 * KiB };
  await createLibrary(join(folder, 'library'), {
    drives: 1,
    slots: 0,
    cartridges: { A: cartridge, B: cartridge, P: { ...cartridge, writeProtected: true } },
  });
  const disk = join(folder, 'disk.raw');
  writeFileSync(disk, randomBytes(1024 * KiB));
  const library = await openLibrary(join(folder, 'library'));
  return { library, address: `tape+file:${join(folder, 'library')}`, disk };
}

test('a set goes onto the cartridges a person puts in, and comes back from them in the wrong order', async (t) => {
  const { library, address, disk } = await scene(t);
  await library.insert('P');
  const backup = ['backup', '--disk', disk, '--to', address, '--name', 'web1'];
  const made = await withPerson(library, backup, ['A', 'B']);
  t.is(made.status, 0, made.text);
  t.true(made.text.includes('is write-protected'));
  t.true(made.text.includes('An empty cartridge is wanted'));
  t.is(made.asked, 2);
  // B, with part 2, is in the drive still; it is offered once more before A is.
  const verified = await withPerson(library, ['verify', address], ['B', 'A', 'B']);
  t.is(verified.status, 0, verified.text);
  t.is(verified.asked, 3);
  t.regex(verified.text, /Part 1 of web1-\w+, on cartridge REMETAL-0001, is wanted/);
  t.regex(verified.text, /This is REMETAL-0002 with part 2 of web1/);
});

test('a person who gives up ends the backup, and the exit status says what was wanted', async (t) => {
  const { library, address, disk } = await scene(t);
  const gaveUp = await withPerson(library, ['backup', '--disk', disk, '--to', address], ['P']);
  t.is(gaveUp.status, 8);
  t.true(gaveUp.text.includes('code: cartridge-needed'));
});
