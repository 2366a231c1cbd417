import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { createLibrary } from '../../../src/tape/virtual/index.ts';
import { temporary } from '../../helpers/temporary.ts';
import { remetal } from '../run.ts';

const KiB = 1024;

test('the inventory fills as sets are written, and is rebuilt from the cartridges', async (t) => {
  const folder = temporary(t);
  const library = join(folder, 'library');
  const address = `tape+file:${library}`;
  const cartridge = { size: 900 * KiB, earlyWarning: 700 * KiB };
  const names = ['A1L8', 'B2L8', 'C3L8', 'D4L8'];
  await createLibrary(library, {
    drives: 1,
    slots: names.length,
    cartridges: Object.fromEntries(names.map((name) => [name, cartridge])),
  });
  const none = await remetal(['tape', 'inventory', address]);
  t.is(none.status, 0);
  t.is(none.stdout, '');
  t.regex(none.stderr, /^no cartridge is known in .*tape-inventory\.json$/m);
  const disk = join(folder, 'disk.raw');
  writeFileSync(disk, randomBytes(1024 * KiB));
  const made = await remetal(['backup', '--disk', disk, '--to', address, '--name', 'web1']);
  t.is(made.status, 0, made.stderr);
  const shown = await remetal(['tape', 'inventory', address]);
  const lines = shown.stdout.trimEnd().split('\n');
  t.regex(lines[0]!, /^cartridge +barcode +slot +set +part +state +seen$/);
  t.regex(lines[1]!, /^A1L8 +A1L8 +1 +web1-\w+ +1 +goes on +\d{4}-\d\d-\d\d$/);
  t.regex(lines.at(-1)!, /^[BCD]\dL8 +[BCD]\dL8 +\d +web1-\w+ +\d +complete /);
  const file = join(library, 'tape-inventory.json');
  const before = readFileSync(file, 'utf8');
  rmSync(file);
  const rebuilt = await remetal(['tape', 'inventory', address, '--rebuild']);
  t.is(rebuilt.status, 0);
  t.regex(rebuilt.stderr, /^4 cartridges read$/m);
  t.is(rebuilt.stdout, shown.stdout);
  const seenAt = /"lastSeenAt": "[^"]*"/g;
  t.is(readFileSync(file, 'utf8').replaceAll(seenAt, ''), before.replaceAll(seenAt, ''));
  const json = await remetal(['tape', 'inventory', address, '--json']);
  t.like(json.last(), { verb: 'tape inventory', inventory: file, read: null });
});

test('the inventory of the machine is in the folder of its state', async (t) => {
  const folder = temporary(t);
  writeFileSync(join(folder, 'tape-inventory.json'), '{"format":1,');
  const ran = await remetal(['tape', 'inventory'], { environment: { REMETAL_STATE: folder } });
  t.is(ran.status, 0);
  t.regex(ran.stderr, /^warning: The inventory .* is damaged/m);
});
