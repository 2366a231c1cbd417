import { copyFileSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { isElf, libraryClosure, readElfNeeds } from '../../src/appliance/elf.ts';
import { isCoded } from '../../src/errors/index.ts';
import { run } from '../../src/system/index.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

/** What binutils says a file needs. */
async function neededByReadelf(file: string): Promise<string[]> {
  const { stdout } = await run('readelf', ['-d', file]);
  return [...stdout.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1]!);
}

requires('readelf')(
  'the needs of programs and libraries are those readelf prints',
  async (t: ExecutionContext) => {
    const folder = '/usr/bin';
    const programs = readdirSync(folder)
      .slice(0, 20)
      .map((name) => join(folder, name));
    let compared = 0;
    for (const file of [process.execPath, ...programs]) {
      if (!statSync(file).isFile()) continue;
      const bytes = readFileSync(file);
      if (!isElf(bytes)) continue;
      t.deepEqual([...readElfNeeds(bytes, file).needed], await neededByReadelf(file), file);
      compared++;
    }
    t.true(compared > 5);
  },
);

test('a closure goes through libraries and names what is missing', async (t) => {
  const folder = temporary(t);
  const node = join(folder, 'node');
  copyFileSync(process.execPath, node);
  const needed = readElfNeeds(readFileSync(node), node).needed;
  t.true(needed.includes('libc.so.6'));
  const closure = await libraryClosure({
    files: [node],
    find: (name) => (name === 'libm.so.6' ? process.execPath : null),
    read: async (path) => readFileSync(path),
  });
  t.deepEqual([...closure.libraries.keys()], ['libm.so.6']);
  t.deepEqual(closure.missing.get('libc.so.6'), [node, process.execPath]);
});

test('hostile headers end in a coded error', (t) => {
  const whole = readFileSync(process.execPath).subarray(0, 4096);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { maxLength: 30 }),
      fc.nat(4096),
      (edits, length) => {
        const bytes = Buffer.from(whole.subarray(0, length));
        for (const [at, value] of edits) if (at < length) bytes[at] = value;
        try {
          readElfNeeds(bytes, 'hostile');
          return true;
        } catch (error) {
          return isCoded(error, 'build-failed');
        }
      },
    ),
    { numRuns: 200 },
  );
  t.pass();
});
