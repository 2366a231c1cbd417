import { join } from 'node:path';
import test from 'ava';
import { temporary } from '../../helpers/temporary.ts';
import { remetal } from '../run.ts';

test('a library is made, its cartridges are put in and taken out', async (t) => {
  const folder = join(temporary(t), 'lib');
  const made = await remetal([
    'tape',
    'library',
    'make',
    folder,
    '--no-changer',
    '--cartridges',
    '2',
    '--size',
    '8M',
  ]);
  t.is(made.status, 0);
  t.regex(made.stdout, /RMT001L9 {2}8\.00 MiB/);
  t.is((await remetal(['tape', 'library', 'make', folder])).status, 2);
  t.is((await remetal(['tape', 'label', `tape+file:${folder}`, '--name', 'X'])).status, 8);
  t.is((await remetal(['tape', 'library', 'insert', folder, 'RMT001L9'])).status, 0);
  t.is((await remetal(['tape', 'label', `tape+file:${folder}`, '--name', 'FIRST'])).status, 0);
  const status = await remetal(['tape', 'status', `tape+file:${folder}`]);
  t.regex(status.stdout, /FIRST/);
  t.regex((await remetal(['tape', 'library', 'remove', folder])).stdout, /RMT001L9 is out/);
  t.not((await remetal(['tape', 'library', 'insert', folder, 'NOTHING'])).status, 0);
});

test('a cartridge of another size has to be named with it', async (t) => {
  const folder = join(temporary(t), 'lib');
  t.is((await remetal(['tape', 'library', 'make', folder, '--cartridge', 'A'])).status, 2);
});
