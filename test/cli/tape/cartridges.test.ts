import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { TapeDrive } from '../../../src/tape/index.ts';
import {
  createLibrary,
  openLibrary,
  type CartridgeDescription,
  type VirtualLibrary,
} from '../../../src/tape/virtual/index.ts';
import { closing, label as partLabel } from '../../contract/medium.ts';
import { temporary } from '../../helpers/temporary.ts';
import { image } from '../../tape/images.ts';
import { remetal } from '../run.ts';

const MiB = 1024 * 1024;

interface Place {
  readonly library: VirtualLibrary;
  readonly address: string;
}

async function place(
  t: ExecutionContext,
  { slots = 0, ...cartridge }: Partial<CartridgeDescription> & { slots?: number } = {},
): Promise<Place> {
  const folder = temporary(t);
  await createLibrary(folder, {
    drives: 1,
    slots,
    cartridges: { WEB001L8: { size: 16 * MiB, ...cartridge } },
  });
  const library = await openLibrary(folder);
  if (slots > 0) await library.changer!.load(1, 0);
  else await library.insert('WEB001L8');
  return { library, address: `tape+file:${folder}` };
}

/** Writes a part of a set behind the label. */
async function writePart({ library }: Place, set: string, suffix = '.end.json'): Promise<void> {
  const drive = new TapeDrive('virtual', library.drives[0]!.open);
  await drive.ready('write');
  await drive.toFile(1);
  for (const block of [partLabel(set), closing(suffix), Buffer.alloc(1024)]) await drive.write(block);
  await drive.filemark();
  await drive.release();
}

test('a cartridge is labelled, looked at, and erased by the word only', async (t) => {
  const found = await place(t);
  const { address } = found;
  const labelled = await remetal(['tape', 'label', address, '--name', 'DAILY-3', '--barcode', 'WEB001L8']);
  t.is(labelled.status, 0, labelled.stderr);
  t.is(labelled.stdout, `the cartridge in ${address} is DAILY-3; blocks up to 1.00 MiB\n`);
  await writePart(found, 'web1');
  const status = await remetal(['tape', 'status', address]);
  t.is(status.status, 0, status.stderr);
  t.regex(status.stdout, /cartridge {3}DAILY-3\n/);
  t.regex(status.stdout, /barcode {5}WEB001L8\n/);
  t.regex(status.stdout, /1 {5}web1 {2}1 {5}web1 {5}2026-11-22T10:00:00.000Z {2}complete\n/);
  t.like(await remetal(['tape', 'label', address, '--name', 'OTHER']), { status: 5 });
  t.like(await remetal(['tape', 'erase', address]), { status: 6 });
  const erased = await remetal(['tape', 'erase', address, '--force']);
  t.is(erased.status, 0, erased.stderr);
  t.regex((await remetal(['tape', 'status', address])).stdout, /cartridge {3}blank\n/);
});

test('a foreign cartridge is named and kept, and given up by the word', async (t) => {
  const { library, address } = await place(t);
  const drive = new TapeDrive('virtual', library.drives[0]!.open);
  await drive.ready('write');
  await drive.write(Buffer.from('AMANDA: TAPESTART DATE X TAPE one\n'.padEnd(32_768)));
  await drive.release();
  t.regex((await remetal(['tape', 'status', address])).stdout, /holds an Amanda volume/);
  const refused = await remetal(['tape', 'label', address, '--name', 'A', '--json']);
  t.like(refused.last(), {
    type: 'error',
    code: 'foreign-cartridge',
    facts: { foreign: 'an Amanda volume' },
  });
  t.is((await remetal(['tape', 'label', address, '--name', 'A', '--force'])).status, 0);
});

test('status as JSON, with a changer, whose barcode is the name', async (t) => {
  const found = await place(t, { slots: 3 });
  const { address } = found;
  const labelled = await remetal(['tape', 'label', address, '--json']);
  t.like(labelled.last(), {
    verb: 'tape label',
    label: { name: 'WEB001L8', barcode: 'WEB001L8' },
    appliance: null,
  });
  await writePart(found, 'web1', '.more.json');
  const status = await remetal(['tape', 'status', address, '--json']);
  t.like(status.last(), {
    type: 'result',
    verb: 'tape status',
    drives: [
      {
        name: address,
        look: { unready: null, writeProtected: false },
        contents: {
          label: { name: 'WEB001L8' },
          parts: [{ set: 'web1', part: 1, ends: 'part' }],
          full: true,
        },
        problem: null,
      },
    ],
    changers: [{ name: address, problem: null }],
  });
  const text = await remetal(['tape', 'status', address]);
  t.regex(text.stdout, /WEB001L8, full\n/);
  t.regex(text.stdout, /changer, 0 of 3 slots full\n {2}drive 0: WEB001L8\n/);
  // The inventory knows it without reading.
  const inventory = await remetal(['tape', 'inventory', address, '--json']);
  t.like(inventory.last(), { cartridges: [{ name: 'WEB001L8', parts: [{ set: 'web1', part: 1 }] }] });
});

test('an image goes before the label', async (t) => {
  const { address } = await place(t);
  const iso = join(temporary(t), 'remetal.iso');
  writeFileSync(iso, image({ name: 'REMETAL', length: 2048 * 200 }));
  for (const words of [
    ['--with-appliance', iso],
    ['--with-appliance', iso, '--obdr'],
  ]) {
    const labelled = await remetal(['tape', 'label', address, '--name', 'BOOT', ...words]);
    t.is(labelled.status, 0, labelled.stderr);
    t.regex(
      labelled.stdout,
      words.includes('--obdr') ? /behind a bootable image \(OBDR\)/ : /bootable image;/,
    );
    t.like((await remetal(['tape', 'status', address, '--json'])).last(), {
      drives: [{ contents: { label: { name: 'BOOT' }, labelFile: 1 } }],
    });
  }
  t.like(await remetal(['tape', 'label', address, '--name', 'BOOT', '--with-appliance', '/nowhere.iso']), {
    status: 2,
  });
});

test('ejected, a drive has nothing to show', async (t) => {
  const { address, library } = await place(t);
  t.is((await remetal(['tape', 'eject', address])).status, 0);
  await library.remove();
  const status = await remetal(['tape', 'status', address]);
  t.is(status.status, 0);
  t.regex(status.stdout, /state {7}empty\n/);
  const labelled = await remetal(['tape', 'label', address, '--name', 'A', '--json']);
  t.like(labelled.last(), { code: 'drive-empty' });
});

test('what is the matter with a cartridge is said', async (t) => {
  const worn = await place(t, { writeProtected: true, faults: { alerts: [7, 20] } });
  const { stdout } = await remetal(['tape', 'status', worn.address]);
  t.regex(stdout, /protected {3}the tab is set/);
  t.regex(stdout, /alert {7}warning: The cartridge is worn out/);
  t.regex(stdout, /alert {7}critical: The drive must be cleaned now/);
  const once = await place(t, { worm: true });
  t.regex((await remetal(['tape', 'status', once.address])).stdout, /can be written only once/);
});

test('names that cannot be said and drives that are not there are refused', async (t) => {
  const { address } = await place(t);
  for (const name of ['', ' A', 'A\n', 'x'.repeat(65)]) {
    t.like((await remetal(['tape', 'label', address, '--name', name, '--json'])).last(), { code: 'usage' });
  }
  for (const drive of [`${address}?drive=7`, 'no-such-serial']) {
    t.like((await remetal(['tape', 'status', drive, '--json'])).last(), { code: 'drive-not-found' });
  }
  t.like(await remetal(['tape', 'status', '/dev/no-such-drive']), { status: 1 });
});
