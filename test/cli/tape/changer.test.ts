import test, { type ExecutionContext } from 'ava';
import { createLibrary, openLibrary } from '../../../src/tape/virtual/index.ts';
import { temporary } from '../../helpers/temporary.ts';
import { remetal } from '../run.ts';

interface Place {
  readonly folder: string;
  readonly changer: readonly string[];
}

async function library(t: ExecutionContext, drives = 1): Promise<Place> {
  const folder = temporary(t);
  const size = 1024 * 1024;
  await createLibrary(folder, {
    drives,
    slots: 3,
    importExportSlots: 1,
    needsEject: true,
    cartridges: { A1L8: { size }, B2L8: { size } },
  });
  return { folder, changer: ['--changer', `tape+file:${folder}`] };
}

test('a changer shows what it holds, moves it about, and takes it back', async (t) => {
  const { folder, changer } = await library(t);
  const before = await remetal(['tape', 'changer', ...changer]);
  t.is(before.status, 0);
  t.is(
    before.stdout,
    [
      'place            barcode  from',
      'drive 0          -',
      'slot 1           A1L8',
      'slot 2           B2L8',
      'slot 3           -',
      'import/export 4  -',
      '',
    ].join('\n'),
  );
  t.is((await remetal(['tape', 'changer', 'load', '2', ...changer])).status, 0);
  const status = await remetal(['tape', 'changer', 'status', '--json', ...changer]);
  t.like(status.last(), { verb: 'tape changer', drives: [{ full: true, barcode: 'B2L8', from: 2 }] });
  const full = await remetal(['tape', 'changer', 'load', '1', '--json', ...changer]);
  t.like(full.last(), { code: 'changer-failed' });
  // The drive holds what is in it, and lets go.
  await (await (await openLibrary(folder)).drives[0]!.open('read')).close();
  t.is(
    (await remetal(['tape', 'changer', 'unload', ...changer])).stdout,
    'the cartridge of drive 0 is in slot 2\n',
  );
  t.is((await remetal(['tape', 'changer', 'load', '2', ...changer])).status, 0);
  t.like((await remetal(['tape', 'changer', 'unload', '3', '--json', ...changer])).last(), { slot: 3 });
  t.is((await remetal(['tape', 'changer', 'move', '1', '4', ...changer])).status, 0);
  const after = await remetal(['tape', 'changer', '--json', ...changer]);
  t.like(after.last(), {
    slots: [{ full: false }, { full: false }, { barcode: 'B2L8' }, { barcode: 'A1L8', importExport: true }],
  });
});

test('what cannot be moved is said with its code', async (t) => {
  const { changer } = await library(t, 2);
  const codes: unknown[] = [];
  for (const args of [
    ['unload', '--drive', '0'],
    ['load', '1'],
    ['load', '1', '--drive', '7'],
    ['load', '3', '--drive', '1'],
    ['load', '0'],
    ['move', '1', '2'],
    ['shake'],
  ]) {
    const ran = await remetal(['tape', 'changer', ...args, ...changer, '--json']);
    codes.push(ran.last()['code']);
  }
  t.deepEqual(codes, [
    'drive-empty',
    'usage',
    'changer-failed',
    'changer-failed',
    'usage',
    'changer-failed',
    'usage',
  ]);
});

test('a library without a changer, and a folder without a library', async (t) => {
  const folder = temporary(t);
  const lost = await remetal(['tape', 'changer', '--changer', `tape+file:${folder}`, '--json']);
  t.like(lost.last(), { code: 'library-invalid' });
  await createLibrary(folder, { drives: 1, slots: 0, cartridges: {} });
  const none = await remetal(['tape', 'changer', '--changer', `tape+file:${folder}`, '--json']);
  t.like(none.last(), { code: 'changer-not-found' });
});
